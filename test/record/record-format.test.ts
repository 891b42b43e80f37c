import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../src/errors.js'
import { changeSection, encodeSection, OURS } from '../../src/record/attribute-section.js'
import { decodeRecord, encodeRecord, type SessionRecord, type StoredRecord } from '../../src/record/record-format.js'
import { cookieChange, factsOf, lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { entries } from './sections.js'

const milliseconds = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const ascii = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'binary-ascii', maxLength })
const stamp = { now: 1_700_000_000_000, process: 'proc-a', forgetBefore: 0 }

const facts = fc.record({
  idleTimeout: milliseconds,
  absoluteDeadline: milliseconds,
  owner: fc.string({ unit: 'grapheme', maxLength: 64 }),
  cookie: fc.oneof(
    fc.constant(''),
    fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
  ),
})
const attributes = fc
  .tuple(entries, facts)
  .map(([list, facts]) =>
    changeSection(
      encodeSection(list),
      [lifeChange(facts), ownerChange(facts.owner), cookieChange(facts.cookie)],
      stamp,
    ),
  )

const record: fc.Arbitrary<SessionRecord> = fc.record({
  kind: fc.constantFrom('session' as const, 'tombstone' as const),
  key: ascii(143),
  createdAt: milliseconds,
  accessedAt: milliseconds,
  era: fc.integer({ min: 0, max: 0xffffffff }),
  writer: fc.string({ unit: 'binary-ascii', minLength: 8, maxLength: 8 }),
  attributes,
})

const facts1 = { idleTimeout: 1_800_000, absoluteDeadline: 0, owner: 'app1', cookie: '{"maxAge":1000}' }
const sample: SessionRecord = {
  kind: 'session',
  key: 'holdfast:key',
  createdAt: 1_700_000_000_000,
  accessedAt: 1_700_000_100_000,
  era: 7,
  writer: 'writer01',
  attributes: encodeSection(
    [
      { name: 'cart', codec: 'json', bytes: '["tea"]' },
      { name: 'größe', codec: 'v8', bytes: '\0\xff\x80' },
      { name: 'gone', codec: '', bytes: undefined },
      lifeChange(facts1),
      ownerChange(facts1.owner),
      cookieChange(facts1.cookie),
    ].map((change, i) => ({ ...change, time: 1_700_000_000_000 + i * 1000, process: `proc-${i % 2}` })),
  ),
}

/* A record with some bytes changed and a checksum that fits again: what no transmission error makes, but a bug could. */
function forged(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  copy.writeUInt32BE(crc32(copy.subarray(8), crc32(copy.subarray(0, 4))), 4)
  return copy
}

/** The record, or the reason why there is none; any other outcome fails the test. */
function read(bytes: Buffer, key: string): StoredRecord | string {
  try {
    return decodeRecord(bytes, key)
  } catch (error) {
    expect(error).toBeInstanceOf(UnreadableRecordError)
    return (error as UnreadableRecordError).reason
  }
}

describe('a stored record', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(record, (record) => {
        const read = decodeRecord(encodeRecord(record), record.key)
        expect(read).toEqual({ ...record, ...factsOf(record.attributes) })
      }),
    )
  })

  it('tells what belongs to the session beside its attributes', () => {
    expect(decodeRecord(encodeRecord(sample), sample.key)).toEqual({ ...sample, ...facts1 })
  })

  it('has room for an era up to 32 bits: a later one stays at that', () => {
    const eraOf = (era: number) => decodeRecord(encodeRecord({ ...sample, era }), sample.key).era
    expect([0, 0xffffffff, 0x100000000, 2 ** 53].map(eraOf)).toEqual([0, 0xffffffff, 0xffffffff, 0xffffffff])
  })

  it('has nothing in it of what was in its memory before', () => {
    fc.assert(
      fc.property(record, (record) => {
        const [zeros, ones] = [0, 0xff].map((rest) => encodeRecord(record, (length) => Buffer.alloc(length, rest)))
        expect(ones).toEqual(zeros)
        expect(encodeRecord(record)).toEqual(zeros)
      }),
    )
  })

  it('is refused under any other key (W1)', () => {
    fc.assert(
      fc.property(record, ascii(143), (record, other) => {
        fc.pre(other !== record.key)
        expect(read(encodeRecord(record), other)).toBe('key')
      }),
    )
  })

  it('is refused when it is cut off at any byte', () => {
    const whole = encodeRecord(sample)
    for (let length = 0; length < whole.length; length++) {
      expect(read(whole.subarray(0, length), sample.key), `${length} bytes`).toBe('truncated')
    }
  })

  it('is refused with any byte flipped in any way', () => {
    const whole = encodeRecord(sample)
    for (let at = 0; at < whole.length; at++) {
      for (let bit = 0; bit < 8; bit++) {
        const damaged = Buffer.from(whole)
        damaged[at] = (damaged[at] as number) ^ (1 << bit)
        expect(read(damaged, sample.key), `byte ${at}, bit ${bit}`).toBeTypeOf('string')
      }
    }
  })

  it('is refused with bytes behind it, doubled, or with its beginning lost', () => {
    const whole = encodeRecord(sample)
    for (const damaged of [
      Buffer.concat([whole, Buffer.from([0])]),
      Buffer.concat([whole, whole]),
      whole.subarray(1),
      whole.subarray(8),
    ]) {
      expect(read(damaged, sample.key)).toBeTypeOf('string')
    }
  })

  it('is nothing that random bytes could be', () => {
    const random = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
    const begun = random.map((tail) => Buffer.concat([Buffer.from('HF\x02\x00', 'latin1'), tail]))
    fc.assert(
      fc.property(fc.oneof(random, begun), (bytes) => {
        expect(read(bytes, sample.key)).toBeTypeOf('string')
      }),
      { numRuns: 1000 },
    )
  })

  it('gives a reason, never a crash, when the checksum fits but the inside was written wrong', () => {
    const whole = encodeRecord(sample)
    const position = fc.nat(whole.length - 1).filter((at) => at < 4 || at >= 8)
    fc.assert(
      fc.property(fc.array(fc.tuple(position, fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
        const result = read(
          forged(whole, (copy) => {
            for (const [at, byte] of changes) copy[at] = byte
          }),
          sample.key,
        )
        if (typeof result !== 'string') expect(result.key).toBe(sample.key)
      }),
      { numRuns: 1000 },
    )
  })

  it('is refused in a format that is not known, and when it does not begin as a record', () => {
    const whole = encodeRecord(sample)
    for (const format of [0, 1, 3, 255]) {
      const other = Buffer.from(whole)
      other[2] = format
      expect(read(other, sample.key)).toBe('format')
    }
    expect(read(Buffer.from('x'.repeat(100)), sample.key)).toBe('magic')
  })

  it('is refused when it is of a kind that is not known', () => {
    const whole = encodeRecord(sample)
    for (const kind of [2, 3, 255]) {
      const other = forged(whole, (copy) => {
        copy[3] = kind
      })
      expect(read(other, sample.key)).toBe('layout')
    }
  })

  it('is refused when something is in it that a server writes otherwise', () => {
    const [life, owner] = [lifeChange(facts1), ownerChange('app1')]
    const bad = [
      { ...life, bytes: 'short' },
      { ...cookieChange('{}'), codec: OURS, bytes: '[' },
    ]
    for (const change of bad) {
      const attributes = changeSection(sample.attributes, [change, owner], { ...stamp, now: stamp.now * 2 })
      expect(read(encodeRecord({ ...sample, attributes }), sample.key)).toBe('layout')
    }
  })

  it('does not turn from a session into a tombstone, nor back, by one flipped bit', () => {
    for (const kind of ['session', 'tombstone'] as const) {
      const whole = encodeRecord({ ...sample, kind })
      whole.writeUInt8(whole.readUInt8(3) ^ 1, 3)
      expect(read(whole, sample.key)).toBe('checksum')
    }
  })

  it('is refused with another checksum, whatever that is', () => {
    const whole = encodeRecord(sample)
    const right = whole.readUInt32BE(4)
    for (const other of [0, 0xffffffff, crc32(whole.subarray(8)), right ^ 1]) {
      whole.writeUInt32BE(other >>> 0, 4)
      expect(read(whole, sample.key)).toBe('checksum')
    }
  })

  it('does not keep the buffer that it was read from', () => {
    const whole = encodeRecord(sample)
    const { attributes } = decodeRecord(whole, sample.key)
    whole.fill(0)
    expect(attributes).toEqual(sample.attributes)
  })

  it('tells what is wrong without printing the attributes', () => {
    const damaged = Buffer.from(encodeRecord(sample))
    damaged[damaged.length - 1] = 1
    expect(() => decodeRecord(damaged, sample.key)).toThrow(/checksum/)
    expect(() => decodeRecord(damaged, sample.key)).not.toThrow(/tea/)
  })
})
