import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../../src/errors.js'
import type { AttributeCodec } from '../../../src/record/attribute-codec.js'
import { type AvroSchemaError, createAvroCodec } from '../../../src/record/codecs/avro.js'
import { crc64Avro } from '../../../src/record/codecs/crc-64-avro.js'

function record(...fields: object[]) {
  return { type: 'record', name: 'Cart', fields }
}

function codecOf(current: unknown, ...previous: unknown[]): AttributeCodec {
  return createAvroCodec(new Map([['cart', { current, previous }]]))
}

function encode(codec: AttributeCodec, value: unknown): Buffer {
  return Buffer.from(codec.encode(value, 'cart') as Uint8Array)
}

/** What a reader of a newer schema makes of a value that was written with an older one. */
function evolve(before: unknown, after: unknown, value: unknown): unknown {
  return codecOf(after, before).decode(encode(codecOf(before), value), 'cart')
}

/** Bytes that announce a schema and hold anything. */
function forged(current: unknown, ...body: number[]): Buffer {
  const header = Buffer.from(crc64Avro(Buffer.from(JSON.stringify(current))))
  return Buffer.concat([Buffer.from([0xc3, 0x01]), header, Buffer.from(body)])
}

const total = { name: 'total', type: 'int' }
const v1 = record(total)

describe('the Avro codec', () => {
  /* The fingerprints that the test data of the Avro project gives for these schemas. */
  it.each([
    ['null', 7195948357588979594n],
    ['int', 8247732601305521295n],
    ['long', -3434872931120570953n],
    ['string', -8142146995180207161n],
  ])('identifies the schema "%s" by the fingerprint of the Avro specification', (schema, fingerprint) => {
    expect(crc64Avro(Buffer.from(JSON.stringify(schema))).readBigInt64LE()).toBe(fingerprint)
  })

  it('writes single objects as the Avro specification has them', () => {
    const bytes = encode(codecOf('int'), 3)
    expect(bytes.toString('hex')).toBe('c3018f5c393f1ad57572' + '06')
  })

  it('reads an added field as its default', () => {
    const v2 = record(
      total,
      { name: 'note', type: ['null', 'string'], default: null },
      { name: 'n', type: 'int', default: 7 },
    )
    expect(evolve(v1, v2, { total: 5 })).toEqual({ total: 5, note: null, n: 7 })
  })

  it('reads past a removed field', () => {
    const wide = record({ name: 'gone', type: { type: 'map', values: 'string' } }, total)
    expect(evolve(wide, v1, { total: 5, gone: { a: 'b' } })).toEqual({ total: 5 })
  })

  it.each([
    ['int', 'long', 5],
    ['int', 'double', 5],
    ['long', 'double', -(2 ** 40)],
    ['float', 'double', 1.5],
    ['string', 'bytes', undefined],
  ])('promotes %s to %s', (before, after, value) => {
    const read = evolve(record({ name: 'a', type: before }), record({ name: 'a', type: after }), { a: value ?? 'text' })
    expect(read).toEqual({ a: value ?? Buffer.from('text') })
  })

  it('reads a renamed field and a renamed record by their aliases', () => {
    const renamed = {
      type: 'record',
      name: 'Basket',
      aliases: ['Cart'],
      fields: [{ name: 'sum', aliases: ['total'], type: 'int' }],
    }
    expect(evolve(v1, renamed, { total: 5 })).toEqual({ sum: 5 })
  })

  it('reads numbers of before as Dates, and Dates of before as numbers', () => {
    const date = record({ name: 'at', type: { type: 'long', logicalType: 'timestamp-millis' } })
    const number = record({ name: 'at', type: 'long' })
    const when = new Date(1_760_000_000_123)
    expect(codecOf(date).decode(encode(codecOf(date), { at: when }), 'cart')).toEqual({ at: when })
    /* The canonical form of both is the same, and so are the bytes. */
    expect(evolve(number, date, { at: when.getTime() })).toEqual({ at: when })
    expect(evolve(date, number, { at: when })).toEqual({ at: when.getTime() })
    expect(evolve(record({ name: 'at', type: 'int' }), date, { at: 1 })).toEqual({ at: new Date(1) })
  })

  it('tells values of an older schema from those that it would write today', () => {
    const v2 = record(total, { name: 'note', type: 'string', default: '' })
    const codec = codecOf(v2, v1)
    expect(codec.isCurrent?.(encode(codec, { total: 1, note: 'x' }), 'cart')).toBe(true)
    expect(codec.isCurrent?.(encode(codecOf(v1), { total: 1 }), 'cart')).toBe(false)
  })

  it('says that values of an unknown schema are unreadable, and which fingerprint they have', () => {
    const bytes = encode(codecOf(record({ name: 'other', type: 'string' })), { other: 'x' })
    expect(() => codecOf(v1).decode(bytes, 'cart')).toThrow(UnreadableRecordError)
    expect(() => codecOf(v1).decode(bytes, 'cart')).toThrow(/not known here \(fingerprint [0-9a-f]{16}\)/)
    expect(() => codecOf(v1).decode(bytes, 'other')).toThrow(/no Avro schema for attribute "other"/)
  })

  it('refuses what its schema does not have, rather than to drop it', () => {
    expect(() => codecOf(v1).encode({ total: 1, colour: 'red' }, 'cart')).toThrow(/does not fit its Avro schema/)
    expect(() => codecOf(v1).encode({ total: 'one' }, 'cart')).toThrow(/total does not fit its Avro schema.*"int"/)
    expect(() => codecOf(v1).encode({}, 'cart')).toThrow(/total/)
  })

  it.each([2 ** 53 - 1, -(2 ** 53 - 1), -(2 ** 52) - 1, 2 ** 31, -(2 ** 31) - 1, 0])('keeps the long %d', (number) => {
    const codec = codecOf(record({ name: 'a', type: 'long' }))
    expect(codec.decode(encode(codec, { a: number }), 'cart')).toEqual({ a: number })
  })

  it('gives plain objects', () => {
    const codec = codecOf(record({ name: 'inner', type: { type: 'record', name: 'Inner', fields: [total] } }))
    const value = codec.decode(encode(codec, { inner: { total: 1 } }), 'cart') as { inner: object }
    expect([value, value.inner].map(Object.getPrototypeOf)).toEqual([Object.prototype, Object.prototype])
  })

  it('lets no key of a map become a prototype', () => {
    const schema = { type: 'map', values: { type: 'map', values: 'int' } }
    const key = [...Buffer.from('__proto__')]
    /* One entry "__proto__", whose value is a map with one entry "a". */
    const bytes = forged(schema, 2, 18, ...key, 2, 2, 97, 2, 0, 0)
    const value = codecOf(schema).decode(bytes, 'cart') as Record<string, unknown>
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
    expect(value.a).toBeUndefined()
  })

  it.each([
    ['a billion elements', { type: 'array', items: 'int' }, [0x80, 0xa8, 0xd6, 0xb9, 0x07]],
    ['a billion elements without bytes', { type: 'array', items: 'null' }, [0x80, 0xa8, 0xd6, 0xb9, 0x07]],
    ['a billion entries', { type: 'map', values: 'null' }, [0x80, 0xa8, 0xd6, 0xb9, 0x07]],
    ['a text of a billion bytes', 'string', [0x80, 0xa8, 0xd6, 0xb9, 0x07]],
    ['a text of negative length', 'string', [0x01]],
    ['a number without end', 'long', new Array(20).fill(0xff)],
    ['an unknown branch', ['null', 'int'], [4]],
    ['bytes behind the value', 'int', [2, 2]],
  ])('refuses %s at once', (_title, schema, body) => {
    expect(() => codecOf(schema).decode(forged(schema, ...body), 'cart')).toThrow(RangeError)
  })

  it('checks its schemas when it is made, and names the attribute', () => {
    const errorOf = (work: () => unknown): AvroSchemaError => {
      try {
        work()
      } catch (error) {
        return error as AvroSchemaError
      }
      throw new Error('nothing was thrown')
    }
    expect(errorOf(() => codecOf({ type: 'nonsense' }))).toMatchObject({ attribute: 'cart', previous: undefined })
    expect(errorOf(() => codecOf(record({ name: '__proto__', type: 'int' })))).toMatchObject({ attribute: 'cart' })
    const text = record({ name: 'total', type: 'string' })
    expect(errorOf(() => codecOf(v1, v1, text))).toMatchObject({ attribute: 'cart', previous: 1 })
    expect(errorOf(() => codecOf(record(total, { name: 'must', type: 'int' }), v1))).toMatchObject({ previous: 0 })
  })
})
