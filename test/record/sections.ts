import fc from 'fast-check'
import {
  type AttributeSection,
  encodeSection,
  isReserved,
  OURS,
  type SectionEntry,
} from '../../src/record/attribute-section.js'
import { toByteString } from '../../src/record/byte-string.js'

/** Names that meet often, are parts of each other, or mean something elsewhere. */
export const attributeName: fc.Arbitrary<string> = fc
  .oneof(
    fc.string({ unit: 'grapheme', maxLength: 12 }),
    fc.constantFrom(
      '__proto__',
      'constructor',
      '',
      'a',
      'ab',
      'b',
      'cart',
      'größe',
      'gro\u0308ße',
      '名',
      '👍',
      '\ufeff',
    ),
  )
  .filter((name) => !isReserved(name))

/** Names of what belongs to a session beside its attributes; no attribute has them. */
export const reservedName: fc.Arbitrary<string> = fc.constantFrom('\0x', '\0', '\0größe')

export const valueBytes: fc.Arbitrary<string> = fc.uint8Array({ maxLength: 60 }).map(toByteString)
export const codecId: fc.Arbitrary<string> = fc.constantFrom('json', 'msgpack', 'v8', 'my.own-codec_1')
export const processName: fc.Arbitrary<string> = fc.constantFrom('proc-a', 'proc-b', '\xff\0\x80\x01\xfe\x7f')

/** Few moments, so that some stamps are the same, and some far apart. */
export const moment: fc.Arbitrary<number> = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1000, max: 1004 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 2 ** 47 }) },
)

const stamp = { time: moment, process: processName }

/** An entry with one of these names: an attribute, something reserved, or a removal. */
function entryNamed(attribute: fc.Arbitrary<string>): fc.Arbitrary<SectionEntry> {
  return fc.oneof(
    { weight: 4, arbitrary: fc.record({ name: attribute, codec: codecId, bytes: valueBytes, ...stamp }) },
    { weight: 1, arbitrary: fc.record({ name: reservedName, codec: fc.constant(OURS), bytes: valueBytes, ...stamp }) },
    {
      weight: 1,
      arbitrary: fc.record({
        name: fc.oneof(attribute, reservedName),
        codec: fc.constant(''),
        bytes: fc.constant(undefined),
        ...stamp,
      }),
    },
  )
}

function namedOnce(entry: fc.Arbitrary<SectionEntry>): fc.Arbitrary<SectionEntry[]> {
  return fc.uniqueArray(entry, { selector: ({ name }) => name, maxLength: 8 })
}

export const entries: fc.Arbitrary<SectionEntry[]> = namedOnce(entryNamed(attributeName))

/** Sections that have names in common. */
export const section: fc.Arbitrary<AttributeSection> = fc
  .tuple(namedOnce(entryNamed(fc.constantFrom('a', 'b', 'c', '__proto__'))), fc.oneof(fc.constant(0), moment))
  .map(([list, latest]) => encodeSection(list, latest))

export function byName(list: readonly SectionEntry[]): Map<string, SectionEntry> {
  return new Map(list.map((entry) => [entry.name, entry]))
}
