import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeValue } from '../../../src/admin/jolokia/encode-value.js'
import { joinPath, splitPath, valueFromPath } from '../../../src/admin/jolokia/escaped-path.js'

describe('an escaped path', () => {
  it.each([
    ['a/b', ['a', 'b']],
    ['a!/b/c', ['a/b', 'c']],
    ['a!!/b', ['a!', 'b']],
    ['!"a!"', ['"a"']],
    ['a//b', ['a', '', 'b']],
    ['a/', ['a']],
    ['a!', ['a!']],
    ['', []],
  ])('%s has the parts %j', (path, parts) => {
    expect(splitPath(path)).toEqual(parts)
  })

  it('that was joined splits into the same parts', () => {
    const part = fc.string({ unit: fc.constantFrom('a', '/', '!', '"'), minLength: 1 })
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        expect(splitPath(joinPath(parts))).toEqual(parts)
      }),
    )
  })

  it('may stand for null and for the empty text', () => {
    expect(['[null]', '""', 'null', 'x'].map(valueFromPath)).toEqual([null, '', 'null', 'x'])
  })
})

describe('a value in an answer', () => {
  const limits = { depth: 3, collection: 3, objects: 50 }

  it('is plain JSON, whatever it was', () => {
    const value = new Map<string, unknown>([
      ['set', new Set([1n, Number.POSITIVE_INFINITY])],
      ['date', new Date(Number.NaN)],
      ['function', () => 1],
    ])
    expect(encodeValue(value, limits)).toEqual({ set: [1, null], date: null, function: null })
    expect(encodeValue(2n ** 60n, limits)).toBe('1152921504606846976')
  })

  it('ends, also where it holds itself', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(encodeValue(circle, limits)).toEqual({ self: { self: { self: '[Object]' } } })
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        expect(() => JSON.stringify(encodeValue(anything, limits))).not.toThrow()
      }),
    )
  })

  it('keeps a key named __proto__ as a key', () => {
    const encoded = encodeValue(JSON.parse('{"__proto__":{"polluted":1}}'), limits)
    expect(Object.getPrototypeOf(encoded)).toBe(Object.prototype)
    expect(JSON.stringify(encoded)).toBe('{"__proto__":{"polluted":1}}')
  })
})
