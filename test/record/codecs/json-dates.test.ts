import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonDatesCodec } from '../../../src/record/codecs/json-dates.js'

function roundTrip(value: unknown): unknown {
  return jsonDatesCodec.decode(jsonDatesCodec.encode(value) as Buffer)
}

/* Texts that come close to the marks. */
const marked = fc.string({ unit: fc.constantFrom('\0', 'd', 'N', '1', '-', '\\', 'u', '0', '"') })

describe('JSON with dates', () => {
  it('keeps every Date', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), (date) => {
        expect(roundTrip([date])).toEqual([date])
      }),
    )
    expect(String(roundTrip(new Date(Number.NaN)))).toBe('Invalid Date')
  })

  it('takes no text of the application’s for a Date, whatever it looks like', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(marked, fc.string({ unit: 'binary' }))), (texts) => {
        expect(roundTrip(texts)).toEqual(texts)
      }),
      { numRuns: 2000 },
    )
    expect(roundTrip({ '\0d5': '\0d5', iso: '1970-01-01T00:00:00.000Z' })).toEqual({
      '\0d5': '\0d5',
      iso: '1970-01-01T00:00:00.000Z',
    })
  })

  it('leaves Dates in what toJSON gives to it', () => {
    const when = new Date(5)
    expect(roundTrip({ toJSON: () => ({ when }) })).toEqual({ when })
  })

  it('refuses marks that it does not know', () => {
    for (const text of ['"\\u0000"', '"\\u0000x"', '"\\u0000d"', '"\\u0000dx"', '["\\u0000d1e5"]']) {
      expect(() => jsonDatesCodec.decode(Buffer.from(text))).toThrow(SyntaxError)
    }
  })

  it('drops a key "__proto__", with and without Dates beside it', () => {
    for (const text of ['{"__proto__":{"a":1},"b":2}', '{"\\u005f_proto__":{"a":1},"b":2,"c":["\\u0000d5"]}']) {
      const value = jsonDatesCodec.decode(Buffer.from(text)) as object
      expect(Object.hasOwn(value, '__proto__')).toBe(false)
      expect(value).toMatchObject({ b: 2 })
    }
  })
})
