import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../src/errors.js'
import {
  type AttributeSection,
  decodeRecord,
  decodeSection,
  type EncodedAttribute,
  emptySection,
  encodeRecord,
  encodeSection,
  findInSection,
  fromByteString,
  isStorableName,
  replaceInSection,
  type SessionRecord,
  toByteString,
} from '../../src/record/record-format.js'

const milliseconds = fc.integer({ min: 0, max: 2 ** 48 - 1 })
const bytes = fc.uint8Array({ maxLength: 60 }).map(toByteString)
const name = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.constantFrom(
    '__proto__',
    'constructor',
    '',
    '\0',
    'a',
    'ab',
    'b',
    'cart',
    'größe',
    'gro\u0308ße',
    '名',
    '👍',
    '\ufeff',
  ),
)
const codec = fc.constantFrom('json', 'msgpack', 'v8', 'my.own-codec_1')
const attributes = fc.uniqueArray(fc.record({ name, codec, bytes }), { selector: (a) => a.name, maxLength: 8 })
const ascii = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'binary-ascii', maxLength })

const record: fc.Arbitrary<SessionRecord> = fc.record({
  kind: fc.constantFrom('session' as const, 'tombstone' as const),
  key: ascii(143),
  version: milliseconds,
  createdAt: milliseconds,
  accessedAt: milliseconds,
  idleTimeout: milliseconds,
  absoluteDeadline: milliseconds,
  owner: ascii(64),
  writer: fc.string({ unit: 'binary-ascii', minLength: 8, maxLength: 8 }),
  cookie: fc.string({ unit: 'grapheme', maxLength: 80 }),
  attributes: attributes.map(encodeSection),
})

const sample: SessionRecord = {
  kind: 'session',
  key: 'holdfast:key',
  version: 7,
  createdAt: 1_700_000_000_000,
  accessedAt: 1_700_000_100_000,
  idleTimeout: 1_800_000,
  absoluteDeadline: 0,
  owner: 'app1',
  writer: 'writer01',
  cookie: '{"maxAge":1000}',
  attributes: encodeSection([
    { name: 'cart', codec: 'json', bytes: '["tea"]' },
    { name: 'größe', codec: 'v8', bytes: '\0\xff\x80' },
  ]),
}

/* A record with some bytes changed and a checksum that fits again: what no transmission error makes, but a bug could. */
function forged(bytes: Buffer, change: (copy: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes)
  change(copy)
  copy.writeUInt32BE(crc32(copy.subarray(8), crc32(copy.subarray(0, 4))), 4)
  return copy
}

/** The record, or the reason why there is none; any other outcome fails the test. */
function read(bytes: Buffer, key: string): SessionRecord | string {
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
        expect(decodeRecord(encodeRecord(record), record.key)).toEqual(record)
      }),
    )
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
    const begun = random.map((tail) => Buffer.concat([Buffer.from('HF\x01\x00', 'latin1'), tail]))
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
    for (const format of [0, 2, 255]) {
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

describe('an attribute section', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(attributes, (attributes) => {
        expect(decodeSection(encodeSection(attributes))).toEqual(attributes)
      }),
    )
  })

  it('is the empty one when there are no attributes', () => {
    expect(encodeSection([])).toEqual(emptySection)
    expect(decodeSection(emptySection)).toEqual([])
  })

  it('does not depend on the buffers that it was made from, nor on those that it is read into', () => {
    const value = Buffer.from('value')
    const section = encodeSection([{ name: 'a', codec: 'json', bytes: toByteString(value) }])
    value.fill(0)
    const [read] = decodeSection(section) as [EncodedAttribute]
    expect(read.bytes).toBe('value')
    fromByteString(read.bytes).fill(0)
    fromByteString(section).fill(0)
    expect(decodeSection(section)).toEqual([{ name: 'a', codec: 'json', bytes: 'value' }])
  })

  it('copies the other attributes as they are when one is written anew', () => {
    fc.assert(
      fc.property(attributes, bytes, (attributes, value) => {
        fc.pre(attributes.length > 0)
        const read = decodeSection(encodeSection(attributes))
        read[0] = { ...(read[0] as EncodedAttribute), bytes: value }
        const again = decodeSection(encodeSection(read))
        expect(again.slice(1)).toEqual(attributes.slice(1))
        expect(again[0]?.bytes).toEqual(value)
      }),
    )
  })

  it('is refused when it is cut off at any byte', () => {
    const { attributes } = sample
    for (let length = 0; length < attributes.length; length++) {
      expect(() => decodeSection(attributes.slice(0, length))).toThrow(UnreadableRecordError)
    }
  })

  it('never makes the reader throw anything but that it is unreadable', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (array) => {
        try {
          decodeSection(toByteString(array))
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableRecordError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('does not reserve memory for the number of attributes that it claims', () => {
    const claim = '\0\xff\xff\xff\xff'
    expect(() => decodeSection(claim)).toThrow(/4294967295 attributes/)
  })

  it('is read with 100,000 attributes, more than any session may have, and refused with more', () => {
    const many = Array.from({ length: 100_001 }, (_, i) => ({ name: `a${i}`, codec: 'json', bytes: '1' }))
    expect(decodeSection(encodeSection(many.slice(1)))).toEqual(many.slice(1))
    expect(() => decodeSection(encodeSection(many))).toThrow(UnreadableRecordError)
  })
})

/** Whether UTF-8 has bytes for every character of a text: parts of names may end in half a character. */
function isWellFormed(text: string): boolean {
  return Buffer.from(text).toString() === text
}

/* Names meet often: what is there is asked for by its own name, by a part of it and by that of another. */
const someNames = fc.array(name, { maxLength: 6 })

describe('one attribute of a section', () => {
  it('is found exactly when the whole section has it, whatever its name', () => {
    fc.assert(
      fc.property(attributes, someNames, (attributes, others) => {
        const section = encodeSection(attributes)
        const there = attributes.map(({ name }) => name)
        const parts = there.flatMap((name) => [
          name.slice(1),
          name.slice(0, -1),
          `${name}a`,
          toByteString(Buffer.from(name)),
        ])
        for (const name of [...there, ...parts.filter(isWellFormed), ...others]) {
          const expected = decodeSection(section).find((attribute) => attribute.name === name)
          expect(findInSection(section, name), JSON.stringify(name)).toEqual(expected)
        }
      }),
      { numRuns: 500 },
    )
  })

  it('is not found in the empty section, nor by a name that is too long to be stored', () => {
    expect(findInSection(emptySection, '')).toBeUndefined()
    expect(findInSection(sample.attributes, 'x'.repeat(0x10000 + 4))).toBeUndefined()
  })

  it('is found among names and values that look like it', () => {
    const section = encodeSection([
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
    const twice = encodeSection(['first', 'second'].map((bytes) => ({ name: 'a', codec: 'json', bytes })))
    expect(findInSection(twice, 'a')?.bytes).toBe('second')
    const replaced = replaceInSection(twice, { name: 'a', codec: 'json', bytes: 'third' }) as AttributeSection
    expect(decodeSection(replaced).map(({ bytes }) => bytes)).toEqual(['first', 'third'])
  })

  it('is found only by its own name, not by one that is no text in UTF-8', () => {
    const section = encodeSection([{ name: '\ufffd', codec: 'json', bytes: '1' }])
    expect(findInSection(section, '\ufffd')?.bytes).toBe('1')
    for (const name of ['\ud800', '\udfff']) expect(findInSection(section, name)).toBeUndefined()
  })
})

/** A section with another value for one attribute, made the long way. */
function packedAnew(section: AttributeSection, changed: EncodedAttribute): AttributeSection {
  return encodeSection(
    decodeSection(section).map((attribute) => (attribute.name === changed.name ? changed : attribute)),
  )
}

describe('replacing one attribute of a section', () => {
  it('gives the same as packing all of them anew, for every attribute that is there', () => {
    fc.assert(
      fc.property(attributes, bytes, (attributes, bytes) => {
        const section = encodeSection(attributes)
        for (const attribute of attributes) {
          const changed = { ...attribute, bytes }
          expect(replaceInSection(section, changed)).toBe(packedAnew(section, changed))
        }
      }),
      { numRuns: 500 },
    )
  })

  it('does so after any number of replacements', () => {
    const changes = fc.array(fc.tuple(fc.nat(7), bytes), { maxLength: 12 })
    fc.assert(
      fc.property(attributes, changes, (attributes, changes) => {
        fc.pre(attributes.length > 0)
        let section = encodeSection(attributes)
        const model = attributes.map((attribute) => ({ ...attribute }))
        for (const [which, bytes] of changes) {
          const attribute = model[which % model.length] as EncodedAttribute
          attribute.bytes = bytes
          section = replaceInSection(section, attribute) as AttributeSection
        }
        expect(section).toBe(encodeSection(model))
      }),
    )
  })

  it('is not possible when the attribute is not there or was encoded by another codec', () => {
    fc.assert(
      fc.property(attributes, name, codec, bytes, (attributes, name, codec, bytes) => {
        const section = encodeSection(attributes)
        const changed = { name, codec, bytes }
        const there = attributes.some((attribute) => attribute.name === name && attribute.codec === codec)
        expect(replaceInSection(section, changed)).toBe(there ? packedAnew(section, changed) : undefined)
        for (const attribute of attributes) {
          const other = { ...attribute, codec: `${attribute.codec}x` }
          expect(replaceInSection(section, other)).toBeUndefined()
        }
      }),
      { numRuns: 500 },
    )
  })
})

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

  it('comes back whole at the longest (W31)', () => {
    const name = 'n'.repeat(65_535)
    const bytes = '\x01'.repeat(70_000)
    const section = encodeSection([{ name, codec: 'json', bytes }])
    expect(decodeSection(section)).toEqual([{ name, codec: 'json', bytes }])
    expect(findInSection(section, name)).toEqual({ name, codec: 'json', bytes })
  })
})
