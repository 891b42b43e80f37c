import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type AttributeSection, decodeSection, encodeSection } from '../../src/record/record-format.js'
import { mergeAttributes } from '../../src/session/merge-attributes.js'

type Content = Record<string, string>

/* Few names and few values, so that changes meet often. */
const content: fc.Arbitrary<Content> = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', '__proto__'),
  fc.constantFrom('1', '2', '3'),
  { noNullPrototype: false },
)
const preference = fc.constantFrom('mine' as const, 'theirs' as const)

function pack(content: Content): AttributeSection {
  return encodeSection(Object.entries(content).map(([name, value]) => ({ name, codec: 'json', bytes: value })))
}

function unpack(section: AttributeSection): Map<string, string> {
  return new Map(decodeSection(section).map(({ name, bytes }) => [name, bytes]))
}

function merge(base: Content, mine: Content, theirs: Content, preference: 'mine' | 'theirs') {
  const result = mergeAttributes(pack(base), pack(mine), pack(theirs), preference)
  return { ...result, content: unpack(result.section) }
}

/** What has become of one attribute, by the definition of a three-way merge. */
function expectedValue(base: string | undefined, mine: string | undefined, theirs: string | undefined, prefer: string) {
  if (mine === base) return theirs
  if (theirs === base) return mine
  return prefer === 'mine' ? mine : theirs
}

const own = (content: Content, name: string): string | undefined =>
  Object.hasOwn(content, name) ? content[name] : undefined

describe('a three-way merge of attributes', () => {
  it('is theirs when nothing of mine changed, whatever the preference', () => {
    fc.assert(
      fc.property(content, content, preference, (base, theirs, preference) => {
        const theirSection = pack(theirs)
        const result = mergeAttributes(pack(base), pack(base), theirSection, preference)
        expect(result.section).toBe(theirSection)
        expect([result.applied, result.conflicts]).toEqual([[], []])
      }),
    )
  })

  it('is mine when nothing of theirs changed, whatever the preference', () => {
    fc.assert(
      fc.property(content, content, preference, (base, mine, preference) => {
        const result = merge(base, mine, base, preference)
        expect(result.content).toEqual(unpack(pack(mine)))
        expect(result.conflicts).toEqual([])
      }),
    )
  })

  it('is what both have when they made the same changes', () => {
    fc.assert(
      fc.property(content, content, preference, (base, both, preference) => {
        const result = merge(base, both, both, preference)
        expect(result.content).toEqual(unpack(pack(both)))
        expect([result.applied, result.conflicts]).toEqual([[], []])
      }),
    )
  })

  it('keeps both sides’ changes of different attributes', () => {
    fc.assert(
      fc.property(content, content, content, preference, (base, mine, theirs, preference) => {
        const changedByMe = [...new Set([...Object.keys(base), ...Object.keys(mine)])].filter(
          (name) => own(mine, name) !== own(base, name),
        )
        const elsewhere = new Map(unpack(pack(theirs)))
        for (const name of changedByMe) {
          const before = own(base, name)
          if (before === undefined) elsewhere.delete(name)
          else elsewhere.set(name, before)
        }
        const result = merge(base, mine, Object.fromEntries(elsewhere), preference)
        expect(result.conflicts).toEqual([])
        for (const name of changedByMe) expect(result.content.get(name)).toBe(own(mine, name))
        for (const [name, value] of elsewhere)
          if (!changedByMe.includes(name)) expect(result.content.get(name)).toBe(value)
      }),
    )
  })

  it('decides each attribute alone, conflicts by the preference', () => {
    fc.assert(
      fc.property(content, content, content, preference, (base, mine, theirs, preference) => {
        const result = merge(base, mine, theirs, preference)
        const names = new Set([base, mine, theirs].flatMap((content) => Object.keys(content)))
        for (const name of names) {
          const values = [own(base, name), own(mine, name), own(theirs, name)] as const
          expect(result.content.get(name), name).toBe(expectedValue(...values, preference))
          const conflict = values[0] !== values[1] && values[0] !== values[2] && values[1] !== values[2]
          expect(result.conflicts.includes(name), name).toBe(conflict)
        }
        expect([...result.content.keys()].every((name) => names.has(name))).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('is the same again when it is merged once more', () => {
    fc.assert(
      fc.property(content, content, content, preference, (base, mine, theirs, preference) => {
        const once = mergeAttributes(pack(base), pack(mine), pack(theirs), preference)
        const again = mergeAttributes(pack(theirs), once.section, once.section, preference)
        expect(unpack(again.section)).toEqual(unpack(once.section))
        expect(again.applied).toEqual([])
      }),
    )
  })

  it('counts another codec as a change, and a removal too', () => {
    const one = (codec: string): AttributeSection => encodeSection([{ name: 'a', codec, bytes: '1' }])
    expect(mergeAttributes(one('json'), one('v8'), one('json'), 'theirs').applied).toEqual(['a'])
    expect(merge({ a: '1' }, {}, { a: '1', b: '2' }, 'theirs').content).toEqual(new Map([['b', '2']]))
    expect(merge({ a: '1' }, { a: '2' }, {}, 'theirs')).toMatchObject({ content: new Map(), conflicts: ['a'] })
    expect(merge({ a: '1' }, { a: '2' }, {}, 'mine').content).toEqual(new Map([['a', '2']]))
  })
})
