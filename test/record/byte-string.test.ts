import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { fromByteString, fromUtf8, isText, scratchMemory, toByteString, toUtf8 } from '../../src/record/byte-string.js'

/* Halves of surrogate pairs among them. */
const characters = fc.uint16Array({ maxLength: 10 }).map((codes) => String.fromCharCode(...codes))

describe('a byte string', () => {
  it('is the bytes, one Latin-1 character each, and gives them back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (array) => {
        const text = toByteString(array)
        expect([...text].map((character) => character.charCodeAt(0))).toEqual([...array])
        expect([...fromByteString(text)]).toEqual([...array])
      }),
    )
  })

  it('is made of the part of a buffer that a view shows', () => {
    const whole = Uint8Array.from([1, 2, 3, 4, 5])
    expect(toByteString(whole.subarray(1, 4))).toBe('\x02\x03\x04')
    expect(toByteString(new Uint8Array())).toBe('')
  })

  it('has a text in UTF-8, which comes back exactly when it is one', () => {
    fc.assert(
      fc.property(fc.oneof(characters, fc.string({ unit: 'grapheme' })), (text) => {
        expect(toUtf8(text)).toBe(toByteString(Buffer.from(text)))
        expect(fromUtf8(toUtf8(text)) === text).toBe(isText(text))
      }),
    )
    for (const half of ['\ud800', 'a\udfff', '\udc00\ud800']) expect(isText(half)).toBe(false)
    for (const whole of ['', 'a', 'größe', '👍', '\ufffd', '\0']) expect(isText(whole)).toBe(true)
  })
})

describe('scratch memory', () => {
  it('is one piece again and again, and larger pieces are pieces of their own', () => {
    const [one, other] = [scratchMemory(10), scratchMemory(20)]
    expect([one.length, other.length, one.buffer === other.buffer]).toEqual([10, 20, true])
    const [large, larger] = [scratchMemory(70_000), scratchMemory(5_000_000)]
    expect([large.length, larger.length, large.buffer === larger.buffer]).toEqual([70_000, 5_000_000, true])
    const [largest, again] = [scratchMemory(6_000_000), scratchMemory(6_000_000)]
    expect([largest.length, largest.buffer === again.buffer]).toEqual([6_000_000, false])
  })
})
