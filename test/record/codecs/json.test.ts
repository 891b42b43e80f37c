import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonCodec } from '../../../src/record/codecs/json.js'

function decode(text: string): unknown {
  return jsonCodec.decode(Buffer.from(text, 'utf8'))
}

/** The value after JSON, without any key `__proto__`. */
function expected(value: unknown): unknown {
  return withoutProto(JSON.parse(JSON.stringify(value)))
}

function withoutProto(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutProto)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => key !== '__proto__')
      .map(([key, inner]) => [key, withoutProto(inner)]),
  )
}

function roundTrip(value: unknown): unknown {
  const bytes = jsonCodec.encode(value)
  expect(bytes).toBeDefined()
  return jsonCodec.decode(Buffer.from(bytes as Uint8Array))
}

/* Every way to write the key in JSON: each character plain or escaped, with hexadecimal digits in either case. */
const protoKey = fc
  .tuple(...[...'__proto__'].map((character) => fc.constantFrom(...spellings(character))))
  .map((characters) => characters.join(''))

function spellings(character: string): string[] {
  const hex = character.charCodeAt(0).toString(16).padStart(4, '0')
  return [character, `\\u${hex}`, `\\u${hex.toUpperCase()}`]
}

describe('the JSON codec', () => {
  it('gives back every JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        expect(roundTrip(value)).toEqual(expected(value))
      }),
      { numRuns: 500 },
    )
  })

  it('gives back texts of any characters, lone surrogates among them', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(roundTrip({ [`k${text}`]: text })).toEqual({ [`k${text}`]: text })
      }),
    )
    expect(roundTrip('\ud800')).toBe('\ud800')
  })

  it('gives equal bytes for equal values, as changes are found by comparing them', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(jsonCodec.encode(value)).toEqual(jsonCodec.encode(structuredClone(value)))
      }),
    )
  })

  it('drops a key "__proto__" however it is written and wherever it stands', () => {
    fc.assert(
      fc.property(protoKey, fc.constantFrom('{"a":1}', '[]', 'null', '"x"', '{"polluted":true}'), (key, inner) => {
        const top = decode(`{"before":1,"${key}":${inner},"after":2}`)
        expect(Object.keys(top as object)).toEqual(['before', 'after'])
        const deep = decode(`[{"list":[{"${key}":{"${key}":${inner}},"kept":true}]}]`)
        expect(deep).toEqual([{ list: [{ kept: true }] }])
        expect(Object.hasOwn((deep as [{ list: [object] }])[0].list[0], '__proto__')).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  it('drops the key again in values that an application made with JSON.parse', () => {
    const hostile = JSON.parse('{"__proto__":{"admin":true},"name":"x"}')
    const back = roundTrip(hostile) as Record<string, unknown>
    expect(Object.keys(back)).toEqual(['name'])
    expect(Object.assign({}, back).admin).toBeUndefined()
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
  })

  it('keeps texts that only speak of "__proto__"', () => {
    expect(roundTrip({ note: '__proto__', list: ['"__proto__":'] })).toEqual({
      note: '__proto__',
      list: ['"__proto__":'],
    })
  })

  it('keeps "constructor" and "prototype" as plain data that pollutes nothing', () => {
    const back = decode('{"constructor":{"prototype":{"polluted":true}},"\\u0063onstructor2":1}')
    expect(back).toEqual({ constructor: { prototype: { polluted: true } }, constructor2: 1 })
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
    expect(Object.getPrototypeOf(back)).toBe(Object.prototype)
  })

  it('leaves the prototypes alone, whatever it reads', () => {
    const before = Object.getOwnPropertyNames(Object.prototype).length
    const key = fc.oneof(protoKey, fc.constantFrom('constructor', 'prototype', 'toString', '__defineGetter__'))
    fc.assert(
      fc.property(fc.array(key, { minLength: 1, maxLength: 6 }), (path) => {
        decode(`${path.map((key) => `{"${key}":`).join('')}{"polluted":true}${'}'.repeat(path.length)}`)
        expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(before)
        expect(({} as Record<string, unknown>).polluted).toBeUndefined()
      }),
    )
  })

  it('has no stored form for undefined, functions and symbols', () => {
    for (const value of [undefined, () => 1, Symbol('s'), class {}]) expect(jsonCodec.encode(value)).toBeUndefined()
  })

  it('throws on cycles, BigInt and a toJSON that throws', () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    const stubborn = {
      toJSON() {
        throw new Error('no')
      },
    }
    for (const value of [cycle, 1n, { deep: [2n] }, stubborn]) expect(() => jsonCodec.encode(value)).toThrow()
  })

  it('has the losses that JSON has, and no others', () => {
    const when = new Date(0)
    expect(roundTrip({ when, missing: undefined, count: Number.NaN, list: [undefined] })).toEqual({
      when: '1970-01-01T00:00:00.000Z',
      count: null,
      list: [null],
    })
  })

  it('throws on bytes that are no JSON', () => {
    for (const text of ['', '{', '{"a":}', 'undefined', '\0', '{"__proto__":']) expect(() => decode(text)).toThrow()
  })

  it('has an id that records can carry', () => {
    expect(jsonCodec.id).toMatch(/^[a-z0-9_.-]{1,32}$/)
  })
})
