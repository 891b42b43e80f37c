import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../src/errors.js'
import {
  type AttributeSection,
  type Change,
  changeSection,
  changesSince,
  compareEntries,
  covers,
  decodeEntries,
  decodeSection,
  type EncodedAttribute,
  emptySection,
  encodeSection,
  findInSection,
  isReserved,
  isStorableName,
  joinSections,
  latestChange,
  OURS,
  reservedEntries,
  type SectionEntry,
  stampInSection,
} from '../../src/record/attribute-section.js'
import { fromByteString, toByteString } from '../../src/record/byte-string.js'
import { encodeRecord } from '../../src/record/record-format.js'
import { lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { sectionWith } from '../support/sections.js'
import {
  attributeName,
  byName,
  codecId,
  entries,
  moment,
  processName,
  reservedName,
  section,
  valueBytes,
} from './sections.js'

const MAX_TIME = 2 ** 48 - 1
const at = (now: number, process = 'proc-a', forgetBefore = 0) => ({ now, process, forgetBefore })
const set = (name: string, bytes: string, codec = 'json'): Change => ({ name, codec, bytes })
const remove = (name: string): Change => ({ name, codec: '', bytes: undefined })
const contentOf = (section: AttributeSection) =>
  new Map(decodeSection(section).map(({ name, codec, bytes }) => [name, `${codec} ${bytes}`]))

/** All that a section says, in whatever order. */
function meaningOf(section: AttributeSection) {
  return { entries: byName(decodeEntries(section)), latest: latestChange(section) }
}

/** What work gave, or that it found the section unreadable; any other outcome fails the test. */
function orUnreadable<T>(work: () => T): T | 'layout' {
  try {
    return work()
  } catch (error) {
    expect(error).toBeInstanceOf(UnreadableRecordError)
    expect((error as UnreadableRecordError).reason).toBe('layout')
    return 'layout'
  }
}

const sample = encodeSection([
  { name: 'cart', codec: 'json', bytes: '["tea"]', time: 5000, process: 'proc-a' },
  { name: 'größe', codec: 'v8', bytes: '\0\xff\x80', time: 300_000, process: 'proc-b' },
  { name: 'gone', codec: '', bytes: undefined, time: 7000, process: 'proc-b' },
  { name: '\0x', codec: OURS, bytes: 'ours', time: 5000, process: 'proc-a' },
])

describe('an attribute section', () => {
  it('is read as it was written, in its order', () => {
    fc.assert(
      fc.property(entries, fc.option(moment), (list, latest) => {
        const section = encodeSection(list, latest ?? 0)
        expect(decodeEntries(section)).toEqual(list)
        expect(latestChange(section)).toBe(Math.max(latest ?? 0, ...list.map(({ time }) => time)))
        expect(decodeSection(section)).toEqual(
          list.filter(({ name, bytes }) => bytes !== undefined && !isReserved(name)),
        )
        expect(reservedEntries(section)).toEqual(list.filter(({ name }) => isReserved(name)))
      }),
      { numRuns: 500 },
    )
  })

  it('is the empty one when there is nothing in it', () => {
    expect([encodeSection([]), decodeEntries(emptySection), latestChange(emptySection)]).toEqual([emptySection, [], 0])
    expect(decodeEntries(encodeSection([], 7))).toEqual([])
  })

  it('has the times and lengths that take the most room', () => {
    const list: SectionEntry[] = [0, 1, 127, 128, MAX_TIME].map((time, i) => ({
      name: 'n'.repeat(i * 200),
      codec: 'c'.repeat(255),
      bytes: 'x'.repeat(i * 20_000),
      time,
      process: `proc-${i}`,
    }))
    expect(decodeEntries(encodeSection(list))).toEqual(list)
    expect(decodeEntries(encodeSection([...list].reverse()))).toEqual([...list].reverse())
  })

  it('has up to 254 codecs, and says so when there are more', () => {
    const list = Array.from({ length: 255 }, (_, i) => ({ name: `a${i}`, codec: `codec${i}`, bytes: `${i}` }))
    const most = list.slice(1)
    expect(decodeSection(sectionWith(most)).map(({ codec }) => codec)).toEqual(most.map(({ codec }) => codec))
    expect(() => sectionWith(list)).toThrow(/255 codecs/)
  })

  it('does not depend on the buffers that it was made from, nor on those that it is read into', () => {
    const value = Buffer.from('value')
    const section = sectionWith([{ name: 'a', codec: 'json', bytes: toByteString(value) }])
    value.fill(0)
    const [read] = decodeSection(section) as [EncodedAttribute]
    expect(read.bytes).toBe('value')
    fromByteString(read.bytes).fill(0)
    fromByteString(section).fill(0)
    expect(decodeSection(section)).toMatchObject([{ name: 'a', codec: 'json', bytes: 'value' }])
  })

  it('is refused when it is cut off at any byte, or goes on after its end', () => {
    for (let length = 0; length < sample.length; length++) {
      for (const read of [decodeEntries, decodeSection, reservedEntries]) {
        expect(orUnreadable(() => read(sample.slice(0, length)))).toBe('layout')
      }
    }
    expect(orUnreadable(() => decodeEntries(`${sample}x`))).toBe('layout')
    expect(orUnreadable(() => reservedEntries(`${sample}x`))).toBe('layout')
  })

  it('never makes the reader throw anything but that it is unreadable, and is checked as strictly for its facts alone', () => {
    const random = fc.uint8Array({ maxLength: 80 }).map(toByteString)
    const changes = fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 })
    const garbled = changes.map((list) => {
      const bytes = fromByteString(sample)
      for (const [at, byte] of list) bytes[at] = byte
      return toByteString(bytes)
    })
    fc.assert(
      fc.property(fc.oneof(random, garbled), (section) => {
        const read = orUnreadable(() => decodeEntries(section))
        const reserved = orUnreadable(() => reservedEntries(section))
        if (read === 'layout') expect(reserved).toBe('layout')
        else expect(reserved).toEqual(read.filter(({ name }) => isReserved(name)))
      }),
      { numRuns: 3000 },
    )
  })

  it('can be worked with once it was read, whatever bytes it was made of', () => {
    const changes = fc.array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 })
    fc.assert(
      fc.property(changes, section, attributeName, (list, other, name) => {
        const bytes = fromByteString(sample)
        for (const [at, byte] of list) bytes[at] = byte
        const garbled = toByteString(bytes)
        fc.pre(orUnreadable(() => decodeEntries(garbled)) !== 'layout')
        for (const joined of [joinSections(garbled, other), joinSections(other, garbled)]) {
          for (const name of [...byName(decodeEntries(garbled)).keys(), ...byName(decodeEntries(other)).keys()]) {
            expect(byName(decodeEntries(joined)).has(name)).toBe(true)
          }
        }
        expect(findInSection(changeSection(garbled, [set(name, '1')], at(1)), name)?.bytes).toBe('1')
        decodeEntries(changesSince(garbled, other))
        decodeEntries(changesSince(other, garbled))
      }),
      { numRuns: 1000 },
    )
  })

  it.each<[string, string, RegExp]>([
    ['attributes', `\0${'\xff\xff\xff\xff\x0f'}`, /4294967295 attributes/],
    ['processes', '', /4294967295 processes/],
  ])('does not reserve memory for the number of %s that it claims', (what, between, message) => {
    const claim = '\0'.repeat(12) + (what === 'attributes' ? `\0${between}` : '\xff\xff\xff\xff\x0f')
    expect(() => decodeEntries(claim)).toThrow(message)
    expect(() => reservedEntries(claim)).toThrow(message)
  })

  it('is read with 100,000 attributes, more than any session may have, and refused with more', () => {
    const many = Array.from({ length: 100_001 }, (_, i) => ({ name: `a${i}`, codec: 'json', bytes: '1' }))
    expect(decodeSection(sectionWith(many.slice(1)))).toHaveLength(100_000)
    expect(orUnreadable(() => decodeSection(sectionWith(many)))).toBe('layout')
  })

  it('takes hardly more room than it did without stamps: 5 % of 2 KB at most', () => {
    const key = `holdfast:${'k'.repeat(43)}`
    const hour = 3_600_000
    const attributes = Array.from({ length: 10 }, (_, i) => set(`attribute${i}`, 'x'.repeat(190)))
    let section = changeSection(
      emptySection,
      [...attributes, lifeChange({ idleTimeout: hour, absoluteDeadline: 0 }), ownerChange('app1')],
      at(1_700_000_000_000),
    )
    /* Changed by several servers in the course of a day, and some of it was removed. */
    for (let i = 0; i < 10; i++) {
      const change = set(`attribute${i}`, `${i}`.repeat(190))
      section = changeSection(section, [change], at(1_700_000_000_000 + i * 2 * hour, `proc-${i % 3}`))
    }
    section = changeSection(section, [set('passing', '1')], at(1_700_050_000_000))
    section = changeSection(section, [remove('passing')], at(1_700_060_000_000))
    const times = { createdAt: 1_700_000_000_000, accessedAt: 1_700_060_000_000 }
    const record = encodeRecord({ kind: 'session', key, ...times, era: 1, writer: 'writer01', attributes: section })
    const perAttribute = attributes.reduce(
      (sum, { name, bytes }) => sum + 7 + name.length + (bytes as string).length,
      0,
    )
    const without = 54 + key.length + 'app1'.length + 5 + 1 + 'json'.length + perAttribute
    expect(without).toBeGreaterThan(2048)
    expect(record.length / without).toBeLessThan(1.05)
  })
})

describe('one attribute of a section', () => {
  /* Names meet often: what is there is asked for by its own name, by a part of it and by that of another. */
  it('is found exactly when the whole section has it, whatever its name', () => {
    fc.assert(
      fc.property(entries, fc.array(attributeName, { maxLength: 6 }), (list, others) => {
        const section = encodeSection(list)
        const there = list.map(({ name }) => name)
        const parts = there.flatMap((name) => [
          name.slice(1),
          name.slice(0, -1),
          `${name}a`,
          toByteString(Buffer.from(name)),
        ])
        for (const name of [...there, ...parts.filter(isWellFormed), ...others]) {
          const entry = list.find((entry) => entry.name === name)
          const found = entry?.bytes === undefined ? undefined : { name, codec: entry.codec, bytes: entry.bytes }
          expect(findInSection(section, name), JSON.stringify(name)).toEqual(found)
          const stamp = entry && { time: entry.time, process: entry.process }
          expect(stampInSection(section, name), JSON.stringify(name)).toEqual(stamp)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is not found in the empty section, nor by a name that is too long to be stored', () => {
    expect(findInSection(emptySection, '')).toBeUndefined()
    expect(findInSection(sample, 'x'.repeat(0x10000 + 4))).toBeUndefined()
  })

  it('is found among names and values that look like it', () => {
    const section = sectionWith([
      { name: 'aa', codec: 'json', bytes: 'a\0\0\0\0\x01a' },
      { name: 'json', codec: 'json', bytes: 'cart' },
      { name: 'A', codec: 'json', bytes: '' },
      { name: 'a', codec: 'v8', bytes: '\xff' },
    ])
    expect(findInSection(section, 'a')).toEqual({ name: 'a', codec: 'v8', bytes: '\xff' })
    expect(findInSection(section, 'A')).toEqual({ name: 'A', codec: 'json', bytes: '' })
    expect(findInSection(section, 'cart')).toBeUndefined()
  })

  it('is the last one where a section names it twice, as for who reads the whole', () => {
    const twice = sectionWith(['first', 'second'].map((bytes) => ({ name: 'a', codec: 'json', bytes })))
    expect(findInSection(twice, 'a')?.bytes).toBe('second')
    expect(findInSection(changeSection(twice, [set('a', 'third')], at(1)), 'a')?.bytes).toBe('third')
  })

  it('is found only by its own name, not by one that is no text in UTF-8', () => {
    const section = sectionWith([{ name: '\ufffd', codec: 'json', bytes: '1' }])
    expect(findInSection(section, '\ufffd')?.bytes).toBe('1')
    for (const name of ['\ud800', '\udfff']) expect(findInSection(section, name)).toBeUndefined()
  })
})

/** Whether UTF-8 has bytes for every character of a text: parts of names may end in half a character. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text
}

describe('two states of a session', () => {
  it('become one that has of each name the entry with the greater stamp', () => {
    fc.assert(
      fc.property(section, section, (a, b) => {
        const expected = byName(decodeEntries(a))
        for (const theirs of decodeEntries(b)) {
          const mine = expected.get(theirs.name)
          if (mine === undefined || compareEntries(theirs, mine) > 0) expected.set(theirs.name, theirs)
        }
        const latest = Math.max(latestChange(a), latestChange(b))
        expect(meaningOf(joinSections(a, b))).toEqual({ entries: expected, latest })
      }),
      { numRuns: 1000 },
    )
  })

  it('become the same whichever comes first, in whatever groups, and however often', () => {
    fc.assert(
      fc.property(section, section, section, (a, b, c) => {
        const ab = joinSections(a, b)
        expect(meaningOf(joinSections(b, a))).toEqual(meaningOf(ab))
        expect(meaningOf(joinSections(a, joinSections(b, c)))).toEqual(meaningOf(joinSections(ab, c)))
        expect(joinSections(a, a)).toBe(a)
        for (const part of [a, b]) {
          expect(joinSections(ab, part)).toBe(ab)
          expect(meaningOf(joinSections(part, ab))).toEqual(meaningOf(ab))
          expect(covers(ab, part)).toBe(true)
          expect(changesSince(ab, part)).toBe(emptySection)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('are left as they are, down to their bytes, where the other one has nothing newer', () => {
    const isNewer = (a: AttributeSection, b: AttributeSection): boolean => {
      const others = byName(decodeEntries(b))
      const isLater = (entry: SectionEntry): boolean => {
        const other = others.get(entry.name)
        return other === undefined || compareEntries(entry, other) > 0
      }
      return latestChange(a) > latestChange(b) || decodeEntries(a).some(isLater)
    }
    const related = fc
      .tuple(section, section, fc.boolean())
      .map(([a, b, isPart]) => [a, isPart ? joinSections(a, b) : b] as const)
    fc.assert(
      fc.property(related, ([a, b]) => {
        const joined = joinSections(a, b)
        if (!isNewer(b, a)) expect(joined).toBe(a)
        else if (!isNewer(a, b)) expect(joined).toBe(b)
        expect(covers(a, b)).toBe(!isNewer(b, a))
        expect(covers(b, a)).toBe(!isNewer(a, b))
      }),
      { numRuns: 1000 },
    )
  })

  it('differ in what was changed since, with its stamps, and in nothing else', () => {
    fc.assert(
      fc.property(section, section, (base, section) => {
        const before = byName(decodeEntries(base))
        const later = decodeEntries(section).filter((entry) => {
          const old = before.get(entry.name)
          return old === undefined || compareEntries(entry, old) > 0
        })
        const changes = changesSince(base, section)
        expect(decodeEntries(changes)).toEqual(later)
        expect(byName(decodeEntries(joinSections(base, changes)))).toEqual(
          byName(decodeEntries(joinSections(base, section))),
        )
        expect(changesSince(section, section)).toBe(emptySection)
        expect(changesSince(emptySection, section)).toBe(encodeSection(decodeEntries(section)))
      }),
      { numRuns: 1000 },
    )
  })

  it('are told apart, and in one order for everybody, where a process has put two values under one stamp', () => {
    const entry = fc
      .tuple(entries, moment, processName)
      .filter(([list]) => list.length > 0)
      .map(([[first], time, process]) => ({ ...(first as SectionEntry), name: 'a', time, process }))
    fc.assert(
      fc.property(entry, entry, entry, (a, b, c) => {
        expect(Math.sign(compareEntries(a, b))).toBe(-Math.sign(compareEntries(b, a)) + 0)
        expect(compareEntries(a, b) === 0).toBe(
          JSON.stringify([a.time, a.process, a.codec, a.bytes]) ===
            JSON.stringify([b.time, b.process, b.codec, b.bytes]),
        )
        const [first, second, third] = [a, b, c].sort(compareEntries) as [SectionEntry, SectionEntry, SectionEntry]
        expect(compareEntries(first, second)).toBeLessThanOrEqual(0)
        expect(compareEntries(first, third)).toBeLessThanOrEqual(0)
      }),
      { numRuns: 500 },
    )
  })
})

type Content = Record<string, string>

/** Few names and few values, so that changes meet often. */
const content: fc.Arbitrary<Content> = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', '__proto__'),
  fc.constantFrom('1', '2', '3'),
  { noNullPrototype: false },
)
const own = (content: Content, name: string): string | undefined =>
  Object.hasOwn(content, name) ? content[name] : undefined

/** A section after everything in it became what is given. */
function becomes(section: AttributeSection, content: Content, now: number, process: string): AttributeSection {
  const gone = [...contentOf(section).keys()].filter((name) => !Object.hasOwn(content, name))
  const changes = Object.entries(content).map(([name, value]) => set(name, value))
  return changeSection(section, [...gone.map(remove), ...changes], at(now, process))
}

const plain = (section: AttributeSection) => new Map(decodeSection(section).map(({ name, bytes }) => [name, bytes]))

describe('changes that two servers have made from one state', () => {
  const trial = fc
    .record({ base: content, mine: content, theirs: content, isMineLater: fc.boolean() })
    .map(({ base, mine, theirs, isMineLater }) => {
      const stored = becomes(emptySection, base, 1000, 'proc-a')
      return {
        contents: { base, mine, theirs },
        isMineLater,
        stored,
        mine: becomes(stored, mine, isMineLater ? 3000 : 2000, 'proc-b'),
        theirs: becomes(stored, theirs, isMineLater ? 2000 : 3000, 'proc-c'),
      }
    })

  it('are those of the one who made some, when the other made none', () => {
    fc.assert(
      fc.property(trial, ({ stored, mine }) => {
        expect(joinSections(stored, mine)).toBe(mine)
        expect(joinSections(mine, stored)).toBe(mine)
      }),
    )
  })

  it('are all there when they made the same ones, or changed different attributes', () => {
    fc.assert(
      fc.property(trial, content, ({ contents, stored, mine }, other) => {
        const same = becomes(stored, contents.mine, 4000, 'proc-c')
        expect(plain(joinSections(mine, same))).toEqual(plain(mine))
        const untouched = ['a', 'b', 'c'].filter((name) => own(contents.mine, name) === own(contents.base, name))
        const elsewhere = untouched.flatMap((name) =>
          Object.hasOwn(other, name) ? set(name, other[name] as string) : [],
        )
        const joined = plain(joinSections(mine, changeSection(stored, elsewhere, at(1500, 'proc-c'))))
        const expected = plain(mine)
        for (const { name, bytes } of elsewhere) expected.set(name, bytes as string)
        expect(joined).toEqual(expected)
      }),
    )
  })

  it('are decided for each attribute alone: the later one wins where both have changed it', () => {
    fc.assert(
      fc.property(trial, ({ contents: { base, mine, theirs }, isMineLater, ...sections }) => {
        const joined = plain(joinSections(sections.mine, sections.theirs))
        for (const name of ['a', 'b', 'c', '__proto__']) {
          const [before, here, there] = [own(base, name), own(mine, name), own(theirs, name)]
          const both = isMineLater ? here : there
          expect(joined.get(name), name).toBe(here === before ? there : there === before ? here : both)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('are another codec too, and a removal', () => {
    const stored = changeSection(emptySection, [set('a', '1'), set('b', '1')], at(1000))
    const other = changeSection(stored, [set('a', '1', 'v8'), remove('b')], at(2000))
    expect(contentOf(joinSections(stored, other))).toEqual(new Map([['a', 'v8 1']]))
    const renewed = changeSection(stored, [set('b', '2')], at(1500, 'proc-b'))
    expect(contentOf(joinSections(renewed, other)).has('b')).toBe(false)
  })
})

/** A change, as often as not to what is there. */
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), codec: codecId, bytes: valueBytes }),
  fc.record({
    name: fc.constantFrom('a', 'b', '__proto__'),
    codec: fc.constant('json'),
    bytes: fc.constantFrom('1', '2'),
  }),
  fc.record({ name: reservedName, codec: fc.constant(OURS), bytes: fc.constantFrom('1', '2') }),
  fc.constantFrom('a', 'b', 'c', 'd', '\0x').map(remove),
)

describe('a change of a section', () => {
  it('is what it says, and leaves everything else', () => {
    fc.assert(
      fc.property(section, fc.array(change, { maxLength: 4 }), moment, (section, changes, now) => {
        const before = byName(decodeEntries(section))
        const model = new Map([...before].map(([name, { codec, bytes }]) => [name, { name, codec, bytes }]))
        for (const change of changes) {
          if (change.bytes === undefined && model.get(change.name)?.bytes === undefined) continue
          model.set(change.name, { ...change })
        }
        const after = decodeEntries(changeSection(section, changes, at(now)))
        expect(new Map(after.map(({ name, codec, bytes }) => [name, { name, codec, bytes }]))).toEqual(model)
      }),
      { numRuns: 1000 },
    )
  })

  it('is later than everything in the section, whatever the clock says, and covers it', () => {
    fc.assert(
      fc.property(
        section,
        fc.array(change, { maxLength: 4 }),
        moment,
        processName,
        (section, changes, now, process) => {
          const before = byName(decodeEntries(section))
          const after = changeSection(section, changes, at(now, process))
          if (after === section) return
          const time = Math.max(now, latestChange(section) + 1)
          expect(latestChange(after)).toBe(time)
          for (const entry of decodeEntries(after)) {
            const old = before.get(entry.name)
            if (old !== undefined && compareEntries(old, entry) === 0) continue
            expect([entry.time, entry.process]).toEqual([time, process])
          }
          expect([covers(after, section), covers(section, after)]).toEqual([true, false])
          expect(joinSections(section, after)).toBe(after)
        },
      ),
      { numRuns: 1000 },
    )
  })

  it('is none when it says what is there already', () => {
    fc.assert(
      fc.property(section, fc.array(attributeName), (section, others) => {
        const there = decodeEntries(section)
        const names = new Set(there.map(({ name }) => name))
        const same = there.map(({ name, codec, bytes }) => ({ name, codec, bytes }))
        const absent = others.filter((name) => !names.has(name)).map(remove)
        expect(changeSection(section, [...same, ...absent], at(2 ** 47))).toBe(section)
        for (const one of [...same, ...absent]) expect(changeSection(section, [one], at(2 ** 47))).toBe(section)
      }),
    )
  })

  it('of one value gives what a change of several gives', () => {
    fc.assert(
      fc.property(section, change, moment, processName, (section, change, now, process) => {
        /* A removal of what is not there is no change, and takes the longer way. */
        const alone = changeSection(section, [change], at(now, process))
        const longer = changeSection(section, [change, remove('not there')], at(now, process))
        expect(meaningOf(alone)).toEqual(meaningOf(longer))
        expect(decodeEntries(alone).map(({ name }) => name)).toEqual(decodeEntries(longer).map(({ name }) => name))
      }),
      { numRuns: 1000 },
    )
  })

  it('of one value does so after any number of them, as long as the value may be', () => {
    const steps = fc.array(
      fc.record({
        name: fc.constantFrom('a', 'b', 'größe'),
        length: fc.constantFrom(0, 1, 127, 128, 20_000, 70_000),
        pause: fc.constantFrom(0, 1, 200, 2 ** 33),
        process: processName,
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(steps, (steps) => {
        const start = sectionWith(['a', 'b', 'größe'].map((name) => ({ name, codec: 'json', bytes: '' })))
        let [one, other] = [start, start]
        let now = latestChange(start)
        for (const { name, length, pause, process } of steps) {
          now += pause
          const change = set(name, String(length % 7).repeat(length))
          one = changeSection(one, [change], at(now, process))
          other = changeSection(other, [change, remove('not there')], at(now, process))
        }
        expect(meaningOf(one)).toEqual(meaningOf(other))
      }),
    )
  })

  it('puts what comes back after a removal last, as a property of an object', () => {
    let section = changeSection(
      emptySection,
      ['a', 'b', 'c'].map((name) => set(name, '1')),
      at(1000),
    )
    section = changeSection(section, [set('a', '2')], at(1001))
    section = changeSection(section, [remove('b')], at(1002))
    section = changeSection(section, [set('d', '1')], at(1003))
    section = changeSection(section, [set('b', '3')], at(1004))
    expect(decodeSection(section).map(({ name }) => name)).toEqual(['a', 'c', 'd', 'b'])
  })

  it('is made at a whole millisecond, and at the latest at the greatest time that there is', () => {
    expect(latestChange(changeSection(emptySection, [set('a', '1')], at(1000.25)))).toBe(1001)
    const last = changeSection(emptySection, [set('a', '1')], at(2 ** 60))
    expect(latestChange(last)).toBe(MAX_TIME)
    const more = changeSection(last, [set('a', '2')], at(5))
    expect([latestChange(more), findInSection(more, 'a')?.bytes]).toEqual([MAX_TIME, '2'])
  })
})

describe('a removal', () => {
  const start = changeSection(emptySection, [set('a', '1'), set('b', '1')], at(1000))
  const removed = changeSection(start, [remove('a')], at(2000))
  const namesIn = (section: AttributeSection) => decodeEntries(section).map(({ name }) => name)

  it('wins over older values that come back, and yields to later ones', () => {
    expect(plain(joinSections(removed, start))).toEqual(new Map([['b', '1']]))
    const later = changeSection(start, [set('a', '2')], at(2001, 'proc-b'))
    expect(plain(joinSections(removed, later)).get('a')).toBe('2')
  })

  it('is remembered until the time before which nobody needs it any more', () => {
    const others = [set('c', '1'), set('d', '1')]
    expect(namesIn(changeSection(removed, others, at(3000, 'proc-a', 2000)))).toContain('a')
    expect(namesIn(changeSection(removed, others, at(3000, 'proc-a', 2001)))).not.toContain('a')
    expect(latestChange(changeSection(removed, others, at(3000, 'proc-a', 2001)))).toBe(3000)
  })

  it('is remembered when its value was assigned only a moment ago', () => {
    const section = changeSection(start, [set('b', '2')], at(3000))
    expect(stampInSection(changeSection(section, [remove('b')], at(3000)), 'b')?.time).toBe(3001)
  })

  it('is forgotten when there are more than 1000 later ones: nothing grows for ever', () => {
    let section = start
    for (let i = 0; i < 1005; i++) {
      section = changeSection(section, [set(`x${i}`, '1')], at(0))
      section = changeSection(section, [remove(`x${i}`)], at(0))
    }
    const names = new Set(namesIn(section))
    expect(names.size).toBe(2 + 1000)
    expect([4, 5, 1004].map((i) => names.has(`x${i}`))).toEqual([false, true, true])
    expect(plain(section)).toEqual(plain(start))
  })
})

describe('the name of an attribute', () => {
  it('can be stored up to 65535 bytes in UTF-8', () => {
    expect(isStorableName('a'.repeat(65_535))).toBe(true)
    expect(isStorableName('a'.repeat(65_536))).toBe(false)
    expect(isStorableName('ä'.repeat(32_767))).toBe(true)
    expect(isStorableName('ä'.repeat(32_768))).toBe(false)
    expect(isStorableName('€'.repeat(21_845))).toBe(true)
    expect(isStorableName('€'.repeat(21_846))).toBe(false)
  })

  it('can not be stored when it begins with a zero byte: such names are ours', () => {
    expect(['\0', '\0a', '\0l'].map(isStorableName)).toEqual([false, false, false])
    expect(['', 'a\0', ' \0'].map(isStorableName)).toEqual([true, true, true])
  })

  it('comes back whole at the longest (W31)', () => {
    const name = 'n'.repeat(65_535)
    const bytes = '\x01'.repeat(70_000)
    const section = sectionWith([{ name, codec: 'json', bytes }])
    expect(decodeSection(section)).toMatchObject([{ name, codec: 'json', bytes }])
    expect(findInSection(section, name)).toEqual({ name, codec: 'json', bytes })
  })
})
