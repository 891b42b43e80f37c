import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../src/errors.js'
import {
  type Change,
  changeSection,
  decodeEntries,
  decodeSection,
  emptySection,
  encodeSection,
  findInSection,
  isReserved,
  isStorableName,
  OURS,
  reservedEntries,
} from '../../src/record/attribute-section.js'
import { cookieChange, factsOf, lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { entries } from './sections.js'

const none = { idleTimeout: 0, absoluteDeadline: 0, owner: '', cookie: '' }
const stamp = { now: 1000, process: 'proc-a', forgetBefore: 0 }
const milliseconds = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const cookie = fc.oneof(
  fc.constant(''),
  fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
)
const facts = fc.record({
  idleTimeout: milliseconds,
  absoluteDeadline: milliseconds,
  owner: fc.string({ unit: 'grapheme', maxLength: 64 }),
  cookie,
})

const changes = (facts: { idleTimeout: number; absoluteDeadline: number; owner: string; cookie: string }): Change[] => [
  lifeChange(facts),
  ownerChange(facts.owner),
  cookieChange(facts.cookie),
]

function reasonOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(UnreadableRecordError)
    return (error as UnreadableRecordError).reason
  }
  return 'readable'
}

describe('what belongs to a session beside its attributes', () => {
  it('is read as it was written, whatever attributes there are', () => {
    fc.assert(
      fc.property(entries, facts, (list, facts) => {
        const section = changeSection(encodeSection(list), changes(facts), stamp)
        expect(factsOf(section)).toEqual(facts)
        expect(decodeSection(section)).toEqual(decodeSection(encodeSection(list)))
      }),
    )
  })

  it('is nothing where nothing was said, or it was taken back', () => {
    expect(factsOf(emptySection)).toEqual(none)
    const facts = { idleTimeout: 7, absoluteDeadline: 9, owner: 'app1', cookie: '{"maxAge":7}' }
    const section = changeSection(emptySection, changes(facts), stamp)
    const names = decodeEntries(section).map(({ name }) => name)
    const removals = names.map((name) => ({ name, codec: '', bytes: undefined }))
    expect(factsOf(changeSection(section, removals, stamp))).toEqual(none)
    expect(factsOf(changeSection(section, [cookieChange('')], stamp))).toEqual({ ...facts, cookie: '' })
  })

  it('stands under names that no attribute can have, and is none itself', () => {
    const list = changes({ ...none, cookie: '{}' })
    expect(list.map(({ name }) => [isReserved(name), isStorableName(name)])).toEqual(list.map(() => [true, false]))
    const section = changeSection(emptySection, [...list, { name: 'a', codec: 'json', bytes: '1' }], stamp)
    expect(decodeSection(section)).toEqual([{ ...findInSection(section, 'a'), time: 1000, process: 'proc-a' }])
    expect(reservedEntries(section).map(({ name }) => name)).toEqual(list.map(({ name }) => name))
  })

  it('is refused where it is none that a server writes', () => {
    const [life, , cookie] = changes({ ...none, cookie: '{}' }) as [Change, Change, Change]
    const bad: [Change, string][] = [
      [life, ''],
      [life, '\0'.repeat(11)],
      [life, '\0'.repeat(13)],
      [cookie, ''],
      [cookie, '{"maxAge":'],
      [cookie, '7'],
      [cookie, 'null'],
      [cookie, '[]'],
    ]
    for (const [{ name }, bytes] of bad) {
      const section = changeSection(emptySection, [{ name, codec: OURS, bytes }], stamp)
      expect(
        reasonOf(() => factsOf(section)),
        JSON.stringify(bytes),
      ).toBe('layout')
    }
  })
})
