import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../../src/errors.js'
import { loadPackage } from '../../../src/record/codecs/load-package.js'
import { msgpackCodec } from '../../../src/record/codecs/msgpack.js'

function roundTrip(value: unknown): unknown {
  return msgpackCodec.decode(Buffer.from(msgpackCodec.encode(value) as Buffer))
}

class Basket {
  items = [1]
  private readonly owner = 'me'
  describe(): string {
    return this.owner
  }
}

describe('the MessagePack codec', () => {
  it('stores what toJSON gives, of class instances and plain objects, as JSON does', () => {
    expect(roundTrip(new URL('http://example.com/a'))).toBe('http://example.com/a')
    expect(roundTrip({ inner: { toJSON: () => ({ stored: true }) } })).toEqual({ inner: { stored: true } })
    expect(roundTrip({ toJSON: 'just data', constructor: 'too' })).toEqual({ toJSON: 'just data', constructor: 'too' })
  })

  it('stores instances of classes as plain objects with their own properties', () => {
    const back = roundTrip([new Basket(), Object.assign(Object.create(null), { a: 1 })]) as object[]
    expect(back).toEqual([{ items: [1], owner: 'me' }, { a: 1 }])
    expect(back.map(Object.getPrototypeOf)).toEqual([Object.prototype, Object.prototype])
  })

  it('leaves out functions and symbols, as JSON does', () => {
    expect(roundTrip({ a: 1, run() {}, s: Symbol('s') })).toEqual({ a: 1 })
    expect(Object.keys(roundTrip({ a: 1, run() {} }) as object)).toEqual(['a'])
  })

  it('unwraps boxed primitives', () => {
    expect(roundTrip([Object(1), Object('text'), Object(true), Object(5n)])).toEqual([1, 'text', true, 5n])
  })

  it('tells Maps from objects, wherever they stand', () => {
    const value = { map: new Map<unknown, unknown>([['a', { b: new Map() }]]), object: { a: { b: {} } } }
    expect(roundTrip(value)).toEqual(value)
    expect(roundTrip(new Set([new Map([[new Date(0), 1]])]))).toEqual(new Set([new Map([[new Date(0), 1]])]))
  })

  it('does not tell equal values apart by what was encoded before', () => {
    const first = Buffer.from(msgpackCodec.encode({ a: [{ x: 1 }, { x: 2 }] }) as Buffer)
    for (let i = 0; i < 200; i++) msgpackCodec.encode({ [`key-${i}`]: { x: i } })
    expect(msgpackCodec.encode({ a: [{ x: 1 }, { x: 2 }] })).toEqual(first)
  })

  it('keeps more keys than fit 16 bits', () => {
    const wide = Object.fromEntries(Array.from({ length: 70_000 }, (_, index) => [`k${index}`, index]))
    expect(roundTrip(wide)).toEqual(wide)
  })

  it('refuses cycles and values that are too deep, with a message that says so', () => {
    const cycle: unknown[] = []
    cycle.push({ cycle })
    expect(() => msgpackCodec.encode(cycle)).toThrow(/contains itself/)
    expect(() => msgpackCodec.encode(new Array(20_000_000))).toThrow(/too long/)
  })

  it.each([
    ['an Error', 'd4650093a554797065a3616263c0'],
    ['a RegExp', 'd4780092a161a0'],
    ['a reference', 'd66900000001 90'],
    ['a pointer', 'd67000000001'],
    ['an unknown extension', 'd40500'],
    ['a Map without a value to a key', 'd46d0091a161'],
    ['a Map that is none', 'd46d00a161'],
    ['a map whose key is an object', '818001'],
  ])('refuses %s in stored bytes, as it never writes one', (_title, hex) => {
    expect(() => msgpackCodec.decode(Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toThrow(UnreadableRecordError)
  })

  it('quotes nothing of what it read in its messages', () => {
    const bytes = Buffer.concat([msgpackCodec.encode({ password: 'secret' }) as Buffer, Buffer.from([1])])
    expect(() => msgpackCodec.decode(bytes)).toThrow(/^the bytes are no MessagePack value$/)
  })
})

describe('a package that a codec needs', () => {
  it('is asked for with an instruction when it is missing', () => {
    expect(() => loadPackage('fancy', 'holdfast-no-such-package')).toThrow(
      'the codec fancy needs the package holdfast-no-such-package, which is not installed: npm install holdfast-no-such-package',
    )
  })
})
