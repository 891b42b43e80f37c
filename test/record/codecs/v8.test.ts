import v8 from 'node:v8'
import { describe, expect, it } from 'vitest'
import { v8Codec } from '../../../src/record/codecs/v8.js'

function encode(value: unknown): Buffer {
  return Buffer.from(v8Codec.encode(value) as Buffer)
}

describe('the structured clone codec', () => {
  it('gives equal numbers equal bytes, however they lie in memory', () => {
    const doubles = [1.5, 2, 3]
    doubles[0] = 1
    expect(v8.serialize(doubles)).not.toEqual(v8.serialize([1, 2, 3]))
    expect(encode(doubles)).toEqual(encode([1, 2, 3]))
  })

  it('gives a value that was only read the bytes that it came from', () => {
    const cutOut = '€ plain text that is long enough to be cut out of another'.slice(2)
    const bytes = encode({ cutOut, list: [1.5, -0, { cutOut }] })
    expect(encode(v8Codec.decode(bytes))).toEqual(bytes)
  })

  it('keeps cycles and objects that stand in two places', () => {
    const shared = { a: 1 }
    const value: Record<string, unknown> = { one: shared, two: shared }
    value.self = value
    const back = v8Codec.decode(encode(value)) as Record<string, unknown>
    expect(back.self).toBe(back)
    expect(back.one).toBe(back.two)
  })

  it('drops keys "__proto__" in everything that it reads, cycles or not', () => {
    const hostile = JSON.parse('{"__proto__":{"a":1},"list":[{"__proto__":null,"b":2}]}')
    const value = { map: new Map([[hostile, new Set([hostile])]]), hostile, wide: '€', bytes: Buffer.from('__proto__') }
    const back = v8Codec.decode(v8.serialize({ ...value, again: value })) as typeof value
    expect(Object.hasOwn(back.hostile, '__proto__')).toBe(false)
    expect(back.hostile).toEqual({ list: [{ b: 2 }] })
    expect([...back.map.keys()].some((key) => Object.hasOwn(key, '__proto__'))).toBe(false)
  })

  it('refuses functions, which it would lose', () => {
    expect(() => v8Codec.encode({ run() {} })).toThrow(/could not be cloned/)
  })
})
