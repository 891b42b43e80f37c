import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { UnserializableError } from '../../src/errors.js'
import type { AttributeCodec } from '../../src/record/attribute-codec.js'
import {
  type AttributeSection,
  changeSection,
  decodeSection,
  emptySection,
  joinSections,
} from '../../src/record/attribute-section.js'
import { fromByteString, toByteString } from '../../src/record/byte-string.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { msgpackCodec } from '../../src/record/codecs/msgpack.js'
import { cookieChange, factsOf, lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { type Attribute, type AttributeRules, Attributes, decodedValue } from '../../src/session/attributes.js'
import { cpuTime } from '../support/cpu-time.js'
import { sectionWith, testStamp } from '../support/sections.js'

const life = { idleTimeout: 1000, absoluteDeadline: 2000 }
const rules: AttributeRules = { codec: jsonCodec, codecs: new Map([['json', jsonCodec]]), filter: undefined }

function sectionOf(values: Record<string, unknown>): AttributeSection {
  return sectionWith(
    Object.entries(values).map(([name, value]) => ({
      name,
      codec: 'json',
      bytes: toByteString(Buffer.from(JSON.stringify(value))),
    })),
  )
}

function stored(section: AttributeSection): Record<string, unknown> {
  return Object.fromEntries(
    decodeSection(section).map(({ name, bytes }) => [name, JSON.parse(fromByteString(bytes).toString())]),
  )
}

/** One request's grip on shared attributes, as far as it matters here: it knows what it was given. */
class Holder {
  readonly handedOut: Attribute[] = []
  readonly errors: UnserializableError[] = []
  private readonly attributes: Attributes
  private readonly rules: AttributeRules

  constructor(attributes: Attributes, ownRules: AttributeRules = rules) {
    this.attributes = attributes
    this.rules = ownRules
  }

  // biome-ignore lint/suspicious/noExplicitAny: values of any shape, as an application sees them
  get(name: string): any {
    const attribute = this.attributes.get(name)
    if (attribute === undefined) return undefined
    const value = decodedValue(attribute, this.rules)
    if (typeof value === 'object') this.handedOut.push(attribute)
    return value
  }

  set(name: string, value: unknown): void {
    const attribute = this.attributes.set(name, value)
    if (typeof value === 'object') this.handedOut.push(attribute)
  }

  commit(): boolean {
    return this.attributes.commit(this.handedOut, this.rules, (error) => this.errors.push(error), testStamp)
  }
}

/** JSON that keeps count of what it was asked to do. */
function spyingCodec(): AttributeCodec & { decoded: number; encoded: number } {
  return {
    id: 'json',
    decoded: 0,
    encoded: 0,
    encode(value) {
      this.encoded++
      return jsonCodec.encode(value)
    },
    decode(bytes) {
      this.decoded++
      return jsonCodec.decode(bytes)
    },
  }
}

describe('attributes that are only carried along', () => {
  let codec: ReturnType<typeof spyingCodec>
  let attributes: Attributes
  let holder: Holder

  beforeEach(() => {
    codec = spyingCodec()
    attributes = new Attributes(sectionOf({ a: 1, b: { deep: [1, 2] }, c: 'text' }))
    holder = new Holder(attributes, { codec, codecs: new Map([['json', codec]]), filter: undefined })
  })

  it('are decoded only when they are read, and once (M24)', () => {
    expect([attributes.names(), attributes.has('a'), attributes.has('x')]).toEqual([['a', 'b', 'c'], true, false])
    expect(codec.decoded).toBe(0)
    expect(holder.get('b')).toEqual({ deep: [1, 2] })
    expect(holder.get('b')).toBe(holder.get('b'))
    expect(codec.decoded).toBe(1)
  })

  it('are neither decoded nor encoded when another one changes', () => {
    holder.set('c', 'other')
    expect(holder.commit()).toBe(true)
    expect([codec.decoded, codec.encoded]).toEqual([0, 1])
    expect(stored(attributes.section)).toEqual({ a: 1, b: { deep: [1, 2] }, c: 'other' })
  })

  it('are not encoded when nothing was used (M25)', () => {
    const before = attributes.section
    expect(holder.commit()).toBe(false)
    expect(codec.encoded).toBe(0)
    expect(attributes.section).toBe(before)
  })

  it('are decoded anew after they were packed away, and not before somebody reads them', () => {
    holder.get('b')
    attributes.compact()
    expect(codec.decoded).toBe(1)
    expect(holder.get('b')).toEqual({ deep: [1, 2] })
    expect(codec.decoded).toBe(2)
  })
})

describe('attributes that are taken out of the section one by one', () => {
  const values = { a: 1, größe: [1], c: 'text', '': null, d: [2] }
  const names = Object.keys(values)

  it('stand in the order of the section, whichever is used first', () => {
    for (const first of names) {
      const attributes = new Attributes(sectionOf(values))
      const holder = new Holder(attributes)
      holder.get(first)
      holder.set('new', 1)
      expect(attributes.names()).toEqual([...names, 'new'])
      holder.commit()
      expect(decodeSection(attributes.section).map(({ name }) => name)).toEqual([...names, 'new'])
    }
  })

  it('stay the same objects when the others are looked at', () => {
    const attributes = new Attributes(sectionOf(values))
    const holder = new Holder(attributes)
    const list = holder.get('größe')
    list.push(2)
    expect(attributes.names()).toEqual(names)
    expect(holder.get('größe')).toBe(list)
    expect(attributes.get('größe')).toBe(attributes.get('größe'))
    holder.commit()
    expect(stored(attributes.section)).toEqual({ ...values, größe: [1, 2] })
  })

  it('give the same section as if all of them had been unpacked, whatever is used, changed or removed', () => {
    const name = fc.constantFrom(...names, 'new')
    const step = fc.record({ kind: fc.constantFrom('get', 'has', 'set', 'delete', 'commit'), name, value: fc.nat(2) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 15 }), (steps) => {
        const [lazy, whole] = [new Attributes(sectionOf(values)), new Attributes(sectionOf(values))]
        const [holder, other] = [new Holder(lazy), new Holder(whole)]
        for (const { kind, name, value } of steps) {
          whole.names()
          if (kind === 'get') expect(holder.get(name)).toEqual(other.get(name))
          if (kind === 'has') expect(lazy.has(name)).toBe(whole.has(name))
          if (kind === 'set') for (const one of [holder, other]) one.set(name, value)
          if (kind === 'delete') expect(lazy.delete(name)).toBe(whole.delete(name))
          if (kind !== 'commit') continue
          expect(holder.commit()).toBe(other.commit())
          expect(lazy.section).toBe(whole.section)
          lazy.compact()
          whole.compact()
        }
        expect(holder.commit()).toBe(other.commit())
        expect(lazy.section).toBe(whole.section)
        expect(lazy.names()).toEqual(whole.names())
      }),
      { numRuns: 500 },
    )
  })

  it('are all read, one name after the other, in a time that an application does not notice', () => {
    const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`attribute${i}`, i]))
    const attributes = new Attributes(sectionOf(many))
    let found: string[] = []
    const took = cpuTime(() => {
      found = Object.keys(many).filter((name) => attributes.has(name))
    })
    expect(took).toBeLessThan(1000)
    expect(found).toHaveLength(10_000)
  })
})

describe('the number of attributes of a session', () => {
  const full = (): Attributes =>
    new Attributes(sectionOf(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`a${i}`, i]))))

  function refusal(attributes: Attributes, name: string): unknown {
    try {
      attributes.set(name, 1)
    } catch (error) {
      return error
    }
    return undefined
  }

  it('may grow to 10,000, and one more is refused at its assignment', () => {
    const attributes = new Attributes()
    for (let i = 0; i < 10_000; i++) attributes.set(`a${i}`, i)
    const error = refusal(attributes, 'one-more')
    expect(error).toBeInstanceOf(UnserializableError)
    expect(error).toMatchObject({ code: 'HOLDFAST_UNSERIALIZABLE', attribute: 'one-more' })
    expect(attributes.has('one-more')).toBe(false)
    expect(new Holder(attributes).commit()).toBe(true)
    expect(decodeSection(attributes.section)).toHaveLength(10_000)
    attributes.compact()
    expect(refusal(attributes, 'one-more')).toBeInstanceOf(UnserializableError)
    expect([attributes.isAssigned, attributes.names().length]).toEqual([false, 10_000])
  })

  it('does not hinder the assignment of those that are there', () => {
    const attributes = full()
    const holder = new Holder(attributes)
    holder.set('a5000', 'other')
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).a5000).toBe('other')
  })

  it('has room for another one when one is removed', () => {
    const attributes = full()
    attributes.delete('a0')
    expect(refusal(attributes, 'b')).toBeUndefined()
    expect(refusal(attributes, 'c')).toBeInstanceOf(UnserializableError)
    expect(new Holder(attributes).commit()).toBe(true)
    expect(decodeSection(attributes.section).at(-1)?.name).toBe('b')
  })

  it('counts those that live in memory only', () => {
    const attributes = new Attributes()
    for (let i = 0; i < 10_000; i++) attributes.set(`a${i}`, () => i)
    new Holder(attributes).commit()
    attributes.compact()
    expect(refusal(attributes, 'b')).toBeInstanceOf(UnserializableError)
  })

  it('may be larger in what was stored: that is read and changed, and can only shrink', () => {
    const more = Object.fromEntries(Array.from({ length: 12_000 }, (_, i) => [`a${i}`, i]))
    const attributes = new Attributes(sectionOf(more))
    const holder = new Holder(attributes)
    expect(holder.get('a11999')).toBe(11_999)
    holder.set('a11999', 'changed')
    attributes.delete('a0')
    expect(refusal(attributes, 'b')).toBeInstanceOf(UnserializableError)
    expect(holder.commit()).toBe(true)
    expect(decodeSection(attributes.section)).toHaveLength(11_999)
    expect(stored(attributes.section).a11999).toBe('changed')
  })
})

describe('a change', () => {
  let attributes: Attributes
  let holder: Holder

  beforeEach(() => {
    attributes = new Attributes(sectionOf({ count: 1, cart: [{ item: 'tea' }], name: 'x' }))
    holder = new Holder(attributes)
  })

  it('is an assignment of another value', () => {
    attributes.set('count', 2)
    expect(attributes.isAssigned).toBe(true)
    expect(holder.commit()).toBe(true)
    expect(attributes.isAssigned).toBe(false)
    expect(stored(attributes.section).count).toBe(2)
    expect(holder.commit()).toBe(false)
  })

  it('is not an assignment of an equal value (M46)', () => {
    const before = attributes.section
    attributes.set('count', 1)
    attributes.set('cart', [{ item: 'tea' }])
    expect(holder.commit()).toBe(false)
    expect(attributes.section).toBe(before)
  })

  it('is not an assignment that is taken back before the commit', () => {
    attributes.set('count', 2)
    attributes.set('count', 1)
    expect(holder.commit()).toBe(false)
  })

  it('is a removal (M17)', () => {
    expect(attributes.delete('count')).toBe(true)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ cart: [{ item: 'tea' }], name: 'x' })
    expect(attributes.has('count')).toBe(false)
  })

  it('is not the removal of what was not there', () => {
    expect(attributes.delete('other')).toBe(false)
    expect(attributes.isAssigned).toBe(false)
    expect(holder.commit()).toBe(false)
  })

  it('is not an attribute that came and went', () => {
    attributes.set('passing', 1)
    attributes.delete('passing')
    expect(holder.commit()).toBe(false)
    expect(attributes.names()).toEqual(['count', 'cart', 'name'])
  })

  it('is something inside a value that was read (W29)', () => {
    holder.get('cart')[0].item = 'coffee'
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).cart).toEqual([{ item: 'coffee' }])
    holder.get('cart').push({ item: 'milk' })
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).cart).toEqual([{ item: 'coffee' }, { item: 'milk' }])
  })

  it('is not found in a value that was read and left alone', () => {
    holder.get('cart')
    expect(holder.commit()).toBe(false)
  })

  it('is something inside a value that was assigned, also after it was committed', () => {
    const list = [1]
    holder.set('list', list)
    list.push(2)
    expect(holder.commit()).toBe(true)
    list.push(3)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).list).toEqual([1, 2, 3])
  })

  it('is a Date that was moved', () => {
    const when = new Date(0)
    holder.set('when', when)
    holder.commit()
    when.setUTCFullYear(2001)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).when).toBe('2001-01-01T00:00:00.000Z')
  })

  it('of an attribute of an older codec is written by the new one', () => {
    const marked: AttributeCodec = {
      id: 'marked',
      encode: (value) => Buffer.from(`!${JSON.stringify(value)}`),
      decode: (bytes) => JSON.parse(bytes.toString().slice(1)),
    }
    const codecs = new Map([jsonCodec, marked].map((codec) => [codec.id, codec]))
    const holder = new Holder(attributes, { codec: marked, codecs, filter: undefined })
    holder.get('cart').push(1)
    holder.set('count', 5)
    expect(holder.commit()).toBe(true)
    const codecOf = new Map(decodeSection(attributes.section).map(({ name, codec }) => [name, codec]))
    expect(Object.fromEntries(codecOf)).toEqual({ count: 'marked', cart: 'marked', name: 'json' })
    attributes.compact()
    expect([holder.get('count'), holder.get('cart'), holder.get('name')]).toEqual([5, [{ item: 'tea' }, 1], 'x'])
  })

  it('is none when a new codec would write the same value in other bytes', () => {
    const codecs = new Map<string, AttributeCodec>([jsonCodec, msgpackCodec].map((codec) => [codec.id, codec]))
    const holder = new Holder(attributes, { codec: msgpackCodec, codecs, filter: undefined })
    const before = attributes.section
    holder.get('cart').push(1)
    holder.get('cart').pop()
    holder.set('name', 'x')
    expect(holder.commit()).toBe(false)
    expect(attributes.section).toBe(before)
  })

  it('is one when an older codec could not tell the values apart', () => {
    const codecs = new Map<string, AttributeCodec>([jsonCodec, msgpackCodec].map((codec) => [codec.id, codec]))
    const older = new Attributes(sectionWith([{ name: 'when', codec: 'json', bytes: '"1970-01-01T00:00:00.000Z"' }]))
    const holder = new Holder(older, { codec: msgpackCodec, codecs, filter: undefined })
    holder.set('when', new Date(0))
    expect(holder.commit()).toBe(true)
    older.compact()
    expect(holder.get('when')).toEqual(new Date(0))
  })

  it('replaces what can not be read any more', () => {
    const broken = new Attributes(sectionWith([{ name: 'a', codec: 'gone', bytes: 'x' }]))
    const holder = new Holder(broken, rules)
    holder.set('a', 1)
    expect(holder.commit()).toBe(true)
    expect(stored(broken.section).a).toBe(1)
  })

  it('is written by the codec of the attribute’s own', () => {
    const codecs = new Map<string, AttributeCodec>([jsonCodec, msgpackCodec].map((codec) => [codec.id, codec]))
    const codecFor = (name: string) => (name === 'cart' ? msgpackCodec : undefined)
    const holder = new Holder(attributes, { codec: jsonCodec, codecFor, codecs, filter: undefined })
    holder.get('cart').push(1)
    holder.set('count', 5)
    expect(holder.commit()).toBe(true)
    const codecOf = decodeSection(attributes.section).map(({ name, codec }) => [name, codec])
    expect(Object.fromEntries(codecOf)).toEqual({ count: 'json', cart: 'msgpack', name: 'json' })
    attributes.compact()
    expect(holder.get('cart')).toEqual([{ item: 'tea' }, 1])
  })

  it('is the last value when an attribute was assigned, removed and assigned anew', () => {
    holder.set('draft', ['first'])
    attributes.delete('draft')
    holder.set('draft', ['second'])
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).draft).toEqual(['second'])
    attributes.compact()
    expect(holder.get('draft')).toEqual(['second'])
  })

  it('is the new value when an attribute was changed inside, removed and assigned anew', () => {
    holder.get('cart').push({ item: 'old' })
    attributes.delete('cart')
    holder.set('cart', ['new'])
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section).cart).toEqual(['new'])
  })

  it('is found whatever is done to the attributes, and nothing else is', () => {
    const name = fc.constantFrom('a', 'b', 'c')
    const value = fc.oneof(fc.integer({ min: 0, max: 2 }), fc.array(fc.integer({ min: 0, max: 1 }), { maxLength: 2 }))
    const step = fc.oneof(
      fc.record({ kind: fc.constant('set' as const), name, value }),
      fc.record({ kind: fc.constant('push' as const), name, value: fc.integer() }),
      fc.record({ kind: fc.constantFrom('delete' as const, 'commit' as const, 'compact' as const), name }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 25 }), fc.boolean(), (steps, lookAtAll) => {
        const attributes = new Attributes(sectionOf({ a: 1, b: [0] }))
        let holder = new Holder(attributes)
        let model: Record<string, unknown> = { a: 1, b: [0] }
        for (const step of steps) {
          const current = model[step.name]
          if (step.kind === 'set') {
            holder.set(step.name, structuredClone(step.value))
            model[step.name] = step.value
          } else if (step.kind === 'push' && Array.isArray(current)) {
            holder.get(step.name).push(step.value)
            model = { ...model, [step.name]: [...current, step.value] }
          } else if (step.kind === 'delete') {
            expect(attributes.delete(step.name)).toBe(step.name in model)
            delete model[step.name]
          } else if (step.kind !== 'push') {
            const before = stored(attributes.section)
            const changed = holder.commit()
            if (!changed) expect(stored(attributes.section)).toEqual(before)
            expect(stored(attributes.section)).toEqual(model)
            if (step.kind === 'compact') {
              attributes.compact()
              holder = new Holder(attributes)
            }
          }
          expect(attributes.has(step.name)).toBe(step.name in model)
          if (lookAtAll) expect(attributes.names().sort()).toEqual(Object.keys(model).sort())
        }
        holder.commit()
        expect(attributes.names().sort()).toEqual(Object.keys(model).sort())
        expect(stored(attributes.section)).toEqual(model)
        expect(holder.errors).toEqual([])
      }),
      { numRuns: 500 },
    )
  })
})

describe('an attribute without a stored form', () => {
  const filtered: AttributeRules = { ...rules, filter: /^(foo|bar)$/ }

  it('of a name that the filter leaves out stays in memory, the others are stored (M29, M30)', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes, filtered)
    for (const name of ['foo', 'bar', 'baz']) holder.set(name, name)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ foo: 'foo', bar: 'bar' })
    holder.set('baz', 'changed')
    expect(holder.commit()).toBe(false)
    expect(holder.get('baz')).toBe('changed')
    expect(holder.errors).toEqual([])
  })

  it('survives that the attributes are packed away', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes, filtered)
    const socket = { open: true }
    holder.set('socket', socket)
    holder.set('foo', 1)
    holder.commit()
    for (let i = 0; i < 3; i++) {
      attributes.compact()
      expect(holder.get('socket')).toBe(socket)
      expect(attributes.names().sort()).toEqual(['foo', 'socket'])
    }
    attributes.delete('socket')
    holder.commit()
    attributes.compact()
    expect(attributes.has('socket')).toBe(false)
  })

  it('survives that another stored state takes the place of this one', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes)
    const callback = (): number => 1
    holder.set('callback', callback)
    holder.set('nothing', undefined)
    holder.commit()
    attributes.replace(sectionOf({ other: 1 }))
    expect(holder.get('callback')).toBe(callback)
    expect(attributes.has('nothing')).toBe(true)
    expect(holder.get('other')).toBe(1)
    expect(stored(attributes.section)).toEqual({ other: 1 })
  })

  it('does not take a stored one of the same name with it that came from elsewhere', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes)
    holder.set('x', () => 1)
    holder.commit()
    attributes.replace(sectionOf({ x: 5 }))
    const next = new Holder(attributes)
    next.set('y', 1)
    next.commit()
    expect(stored(attributes.section)).toEqual({ x: 5, y: 1 })
  })

  it('is stored as soon as it gets a value that can be', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes)
    holder.set('x', () => 1)
    holder.commit()
    attributes.compact()
    holder.set('x', 'text')
    expect(holder.commit()).toBe(true)
    attributes.compact()
    expect(new Holder(attributes).get('x')).toBe('text')
  })

  it('takes the stored form away that it had', () => {
    const attributes = new Attributes(sectionOf({ x: 1, y: 2 }))
    const holder = new Holder(attributes)
    holder.set('x', undefined)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ y: 2 })
    expect(attributes.has('x')).toBe(true)
  })
})

describe('an attribute that can not be serialised', () => {
  it('is named, and the others are stored', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes)
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    attributes.set('before', 1)
    attributes.set('cycle', cycle)
    attributes.set('big', 1n)
    attributes.set('after', 2)
    expect(holder.commit()).toBe(true)
    expect(holder.errors.map((error) => error.attribute)).toEqual(['cycle', 'big'])
    expect(holder.errors[0]).toMatchObject({ code: 'HOLDFAST_UNSERIALIZABLE' })
    expect(stored(attributes.section)).toEqual({ before: 1, after: 2 })
  })

  it('keeps the stored form that it had, and its value in memory', () => {
    const attributes = new Attributes(sectionOf({ total: 5 }))
    const holder = new Holder(attributes)
    attributes.set('total', 6n)
    expect(holder.commit()).toBe(false)
    attributes.compact()
    expect(stored(attributes.section)).toEqual({ total: 5 })
    expect(holder.get('total')).toBe(6n)
  })

  it('is not one by its name alone, unless that is too long to be stored', () => {
    const attributes = new Attributes()
    const holder = new Holder(attributes)
    for (const name of ['', '__proto__', 'constructor', ' ', 'größe']) attributes.set(name, name)
    attributes.set('n'.repeat(70_000), 1)
    attributes.set('n'.repeat(65_535), 1)
    expect(holder.commit()).toBe(true)
    expect(holder.errors.map((error) => error.attribute.length)).toEqual([70_000])
    expect(decodeSection(attributes.section).map(({ name }) => name.length)).toEqual([0, 9, 11, 1, 5, 65_535])
  })

  it('is one whose name stands for something of the session itself: its value stays in memory', () => {
    const names = ['\0', '\0a', '\0l', '\0o', '\0c']
    const section = changeSection(
      emptySection,
      [lifeChange(life), ownerChange('app1'), cookieChange('{}')],
      testStamp(),
    )
    const attributes = new Attributes(section)
    const holder = new Holder(attributes)
    expect(names.map((name) => attributes.has(name))).toEqual(names.map(() => false))
    for (const name of names) holder.set(name, ['mine'])
    expect(holder.commit()).toBe(false)
    expect(holder.errors.map((error) => [error.attribute, error.code])).toEqual(
      names.map((name) => [name, 'HOLDFAST_UNSERIALIZABLE']),
    )
    expect(String(holder.errors[0]?.cause)).toMatch(/zero byte/)
    attributes.compact()
    expect(names.map((name) => holder.get(name))).toEqual(names.map(() => ['mine']))
    expect(attributes.names()).toEqual(names)
    attributes.replace(section)
    expect(names.map((name) => holder.get(name))).toEqual(names.map(() => ['mine']))
    expect(attributes.section).toBe(section)
  })

  it('leaves what belongs to the session itself alone when it is removed, or replaced by what has no stored form', () => {
    const section = changeSection(
      emptySection,
      [lifeChange(life), ownerChange('app1'), cookieChange('{}')],
      testStamp(),
    )
    const attributes = new Attributes(section)
    const holder = new Holder(attributes)
    for (const name of ['\0l', '\0o', '\0c']) {
      expect(attributes.delete(name)).toBe(false)
      attributes.set(name, 'mine')
      expect(attributes.delete(name)).toBe(true)
      attributes.set(name, undefined)
    }
    holder.commit()
    for (const name of ['\0l', '\0o', '\0c']) attributes.delete(name)
    holder.commit()
    expect(factsOf(attributes.section)).toEqual({ ...life, owner: 'app1', cookie: '{}' })
    expect(attributes.section).toBe(section)
  })

  it('is one whose name is no text in UTF-8: under its stored name nobody would find it', () => {
    const attributes = new Attributes(sectionOf({ '\ufffd': 'kept' }))
    const holder = new Holder(attributes)
    holder.set('\ud800', 'mine')
    holder.commit()
    attributes.compact()
    expect(stored(attributes.section)).toEqual({ '\ufffd': 'kept' })
    expect([holder.get('\ufffd'), holder.get('\ud800')]).toEqual(['kept', 'mine'])
    expect(attributes.names().sort()).toEqual(['\ud800', '\ufffd'])
    expect(holder.errors.map((error) => error.attribute)).toEqual(['\ud800'])
  })

  it('is told of by one that can not be read, and that is the only one affected', () => {
    const section = sectionWith([
      { name: 'foreign', codec: 'unknown', bytes: 'x' },
      { name: 'broken', codec: 'json', bytes: '{' },
      { name: 'fine', codec: 'json', bytes: '1' },
    ])
    const attributes = new Attributes(section)
    const holder = new Holder(attributes)
    expect(() => holder.get('foreign')).toThrow(/"foreign" needs codec unknown/)
    expect(() => holder.get('broken')).toThrow()
    expect(holder.get('fine')).toBe(1)
    attributes.set('fine', 2)
    new Holder(attributes).commit()
    expect(decodeSection(attributes.section).map(({ name, bytes }) => `${name}=${bytes}`)).toEqual([
      'foreign=x',
      'broken={',
      'fine=2',
    ])
  })
})

describe('attributes of two requests at the same time', () => {
  it('are the same values for both (W28: a change of one is not lost by the commit of the other)', () => {
    const attributes = new Attributes(sectionOf({ list: [1] }))
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    expect(one.get('list')).toBe(other.get('list'))
    one.set('a', 1)
    other.set('b', 2)
    expect(one.commit()).toBe(true)
    one.get('list').push(2)
    other.get('list').push(3)
    other.commit()
    one.commit()
    expect(stored(attributes.section)).toEqual({ list: [1, 2, 3], a: 1, b: 2 })
  })

  it('keep a change inside that happens after the other request has committed (W28)', () => {
    const attributes = new Attributes()
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    const list = [1]
    one.set('list', list)
    expect(other.commit()).toBe(true)
    list.push(2)
    expect(other.commit()).toBe(false)
    expect(one.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ list: [1, 2] })
  })

  it('do not come back when one removes what the other changes inside', () => {
    const attributes = new Attributes(sectionOf({ cart: [1], x: 1 }))
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    one.get('cart').push(2)
    attributes.delete('cart')
    other.commit()
    expect(one.commit()).toBe(false)
    expect(stored(attributes.section)).toEqual({ x: 1 })
  })

  it('go with the assignment when the other holds an older value and changes that', () => {
    const attributes = new Attributes(sectionOf({ cart: ['old'] }))
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    const old = one.get('cart')
    attributes.delete('cart')
    other.set('cart', ['new'])
    old.push('late')
    one.commit()
    other.commit()
    expect(stored(attributes.section)).toEqual({ cart: ['new'] })
  })
})

describe('a value that was removed or replaced while a request held it', () => {
  it('says nothing, also after the replacement was committed and packed away', () => {
    const attributes = new Attributes(sectionOf({ cart: ['old'] }))
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    const old = one.get('cart')
    attributes.delete('cart')
    other.set('cart', ['new'])
    expect(other.commit()).toBe(true)
    attributes.compact()
    old.push('late')
    expect(one.commit()).toBe(false)
    expect(stored(attributes.section)).toEqual({ cart: ['new'] })
  })

  it('says nothing ever after it lost against an assignment', () => {
    const attributes = new Attributes(sectionOf({ cart: ['old'] }))
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    const old = one.get('cart')
    attributes.replace(sectionOf({ cart: ['theirs'] }))
    other.set('cart', ['assigned'])
    old.push('late')
    one.commit()
    other.commit()
    expect(one.commit()).toBe(false)
    old.push('later')
    expect(one.commit()).toBe(false)
    expect(stored(attributes.section)).toEqual({ cart: ['assigned'] })
  })

  it('says nothing after a removal that was committed, when the name was assigned anew since', () => {
    const attributes = new Attributes(sectionOf({ cart: ['old'], x: 1 }))
    const [one, other] = [new Holder(attributes), new Holder(attributes)]
    const old = one.get('cart')
    attributes.delete('cart')
    expect(other.commit()).toBe(true)
    other.set('cart', ['new'])
    expect(other.commit()).toBe(true)
    old.push('late')
    expect(one.commit()).toBe(false)
    expect(stored(attributes.section)).toEqual({ x: 1, cart: ['new'] })
  })
})

describe('attributes of which nobody knows whether they are current', () => {
  const stampAt = (now: number) => () => ({ now, process: 'tester', forgetBefore: 0 })
  const commit = (attributes: Attributes, now: number) => attributes.commit([], rules, () => {}, stampAt(now))

  it('take what says the same as here for a change, and a removal of what is not here', () => {
    const attributes = new Attributes()
    attributes.set('same', 1)
    commit(attributes, 1000)
    attributes.set('same', 1)
    expect([attributes.delete('absent'), commit(attributes, 2000)]).toEqual([false, false])
    attributes.isUncertain = true
    attributes.set('same', 1)
    expect([attributes.delete('absent'), commit(attributes, 3000)]).toEqual([false, true])
    const theirs = new Attributes()
    for (const name of ['same', 'absent']) theirs.set(name, 2)
    commit(theirs, 2500)
    expect(stored(joinSections(attributes.section, theirs.section))).toEqual({ same: 1 })
  })
})

describe('a value that was handed out before the attributes were packed away', () => {
  it('counts when it is changed inside', () => {
    const attributes = new Attributes(sectionOf({ list: [1], other: 1 }))
    const holder = new Holder(attributes)
    const list = holder.get('list')
    attributes.compact()
    list.push(2)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ list: [1, 2], other: 1 })
    expect(new Holder(attributes).get('list')).toBe(list)
  })

  it('says nothing when it was left alone, although the stored value is newer', () => {
    const attributes = new Attributes(sectionOf({ list: [1] }))
    const holder = new Holder(attributes)
    holder.get('list')
    attributes.replace(sectionOf({ list: [1, 'newer'] }))
    expect(holder.commit()).toBe(false)
    expect(stored(attributes.section)).toEqual({ list: [1, 'newer'] })
  })

  it('counts as an assignment when it is changed after another state took the place of this one', () => {
    const attributes = new Attributes(sectionOf({ list: [1] }))
    const holder = new Holder(attributes)
    const list = holder.get('list')
    attributes.replace(sectionOf({ list: ['theirs'], b: 1 }))
    list.push(2)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ list: [1, 2], b: 1 })
  })

  it('counts in the same way when it had been assigned and was not committed yet', () => {
    const attributes = new Attributes(sectionOf({ list: [0] }))
    const holder = new Holder(attributes)
    const list = [1]
    holder.set('list', list)
    attributes.replace(sectionOf({ list: ['theirs'] }))
    list.push(2)
    expect(holder.commit()).toBe(true)
    expect(stored(attributes.section)).toEqual({ list: [1, 2] })
  })

  it('does not bring back an attribute that has gone since', () => {
    const attributes = new Attributes(sectionOf({ list: [1] }))
    const holder = new Holder(attributes)
    const list = holder.get('list')
    attributes.replace(emptySection)
    list.push(2)
    expect(holder.commit()).toBe(false)
    expect(attributes.names()).toEqual([])
  })
})

describe('packing attributes away', () => {
  it('waits for the commit of what was assigned or removed', () => {
    const attributes = new Attributes(sectionOf({ a: 1, b: 2 }))
    attributes.set('a', 3)
    attributes.compact()
    attributes.delete('b')
    attributes.compact()
    new Holder(attributes).commit()
    expect(stored(attributes.section)).toEqual({ a: 3 })
  })

  it('costs nothing when nobody has looked', () => {
    const section = sectionOf({ a: 1 })
    const attributes = new Attributes(section)
    attributes.compact()
    expect(attributes.section).toBe(section)
  })

  it('drops what was not committed when another state takes the place', () => {
    const attributes = new Attributes(sectionOf({ a: 1, b: 2 }))
    attributes.set('a', 5)
    attributes.set('c', 5)
    attributes.delete('b')
    attributes.replace(attributes.section)
    expect(attributes.isAssigned).toBe(false)
    expect(attributes.names()).toEqual(['a', 'b'])
    expect(new Holder(attributes).get('a')).toBe(1)
  })
})
