import { createSecretKey, randomBytes } from 'node:crypto'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../../src/errors.js'
import { scratchMemory } from '../../../src/record/byte-string.js'
import { decodeRecord, encodeRecord } from '../../../src/record/record-format.js'
import {
  codeOf,
  compressionAlgorithms,
  isAvailable,
  LARGE_INFLATED,
  LARGE_RECORD,
  levelsOf,
} from '../../../src/record/transforms/compression.js'
import type { EncryptionKey } from '../../../src/record/transforms/key-ring.js'
import {
  type CompressionSettings,
  type EncryptionSettings,
  RecordEnvelope,
} from '../../../src/record/transforms/record-envelope.js'
import { layOut, parseWrapped } from '../../../src/record/transforms/wrapped-record.js'
import { sectionWith } from '../../support/sections.js'

const available = compressionAlgorithms.filter(isAvailable)
const key = 'holdfast:key'
const k1 = newKey('k1')
const k2 = newKey('k2')

function newKey(id: string): EncryptionKey {
  return { id, key: createSecretKey(randomBytes(32)) }
}

function form(
  compression: Partial<CompressionSettings> = {},
  encryption: Partial<EncryptionSettings> = {},
): RecordEnvelope {
  const algorithm = compression.algorithm ?? 'off'
  const level = algorithm === 'off' ? 0 : levelsOf(algorithm).standard
  return new RecordEnvelope({
    compression: { algorithm, threshold: 0, level, maxInflatedBytes: 1_000_000, ...compression },
    encryption: { keys: [], write: true, required: (encryption.keys?.length ?? 0) > 0, ...encryption },
  })
}

const plain = form()
const encrypted = form({}, { keys: [k1] })
const both = form({ algorithm: 'deflate' }, { keys: [k1] })
const lenient = form({}, { keys: [k1], required: false })

/** Bytes that compress well: like JSON, they repeat themselves. */
function repetitive(length: number): Buffer {
  return Buffer.alloc(length, '{"id":12345,"name":"green tea"},')
}

function atOnce(bytes: Buffer | Promise<Buffer>): Buffer {
  if (bytes instanceof Promise) throw new Error('not at once')
  return bytes
}

function reasonOf(work: () => unknown): string {
  try {
    work()
  } catch (error) {
    if (error instanceof UnreadableRecordError) return error.reason
    throw error
  }
  return 'readable'
}

async function reasonOfLater(work: () => Buffer | Promise<Buffer>): Promise<string> {
  return (async () => work())().then(
    () => 'readable',
    (error) => {
      if (error instanceof UnreadableRecordError) return error.reason
      throw error
    },
  )
}

const record = encodeRecord({
  kind: 'session',
  key,
  createdAt: 1_700_000_000_000,
  accessedAt: 1_700_000_100_000,
  era: 0,
  writer: 'writer01',
  attributes: sectionWith([{ name: 'cart', codec: 'json', bytes: 'shop/'.repeat(20) }]),
})

describe('the stored form', () => {
  const forms = available.flatMap((algorithm) => [
    { name: algorithm, written: form({ algorithm }) },
    { name: `${algorithm}, encrypted`, written: form({ algorithm }, { keys: [k1] }) },
  ])
  forms.push({ name: 'plain', written: plain }, { name: 'encrypted', written: encrypted })

  it.each(forms)('gives any bytes back: $name', async ({ written }) => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 3000 }),
      fc.nat({ max: 40_000 }).map((length) => repetitive(length + 1)),
    )
    await fc.assert(
      fc.asyncProperty(bytes, fc.string({ unit: 'binary-ascii', maxLength: 143 }), async (content, under) => {
        /* What neither is encrypted nor has got smaller stays as it is, and is told apart by how it begins. */
        const original = Buffer.concat([Buffer.from('HF'), content])
        const stored = Buffer.from(await written.wrap(original, under))
        expect((await lenient.unwrap(stored, under)).equals(original)).toBe(true)
      }),
      { numRuns: 100 },
    )
  })

  it('is the very record where nothing is configured', () => {
    expect(plain.wrap(record, key)).toBe(record)
    expect(plain.unwrap(record, key)).toBe(record)
  })

  it.each(forms)('is read at once when the record is not large: $name', ({ written }) => {
    for (const length of [10, 2000, LARGE_RECORD]) {
      const original = Buffer.concat([Buffer.from('HF'), repetitive(length - 2)])
      expect(atOnce(lenient.unwrap(atOnce(written.wrap(original, key)), key))).toEqual(original)
    }
  })

  it.each(available)('does the work of large records off the event loop: %s', async (algorithm) => {
    const written = form({ algorithm })
    const stored = written.wrap(repetitive(LARGE_RECORD + 1), key)
    expect(stored).toBeInstanceOf(Promise)
    expect(plain.unwrap(await stored, key)).toBeInstanceOf(Buffer)
    const larger = await written.wrap(repetitive(LARGE_INFLATED + 1), key)
    const read = plain.unwrap(larger, key)
    expect(read).toBeInstanceOf(Promise)
    expect((await read).equals(repetitive(LARGE_INFLATED + 1))).toBe(true)
  })

  it('does not keep the memory of a record, also while that is compressed in a thread', async () => {
    for (const length of [100, LARGE_RECORD + 1]) {
      const original = repetitive(length)
      const memory = scratchMemory(length)
      original.copy(memory)
      const stored = both.wrap(memory, key)
      memory.fill(0)
      expect((await both.unwrap(await stored, key)).equals(original)).toBe(true)
    }
  })

  it('is compressed from the threshold on, up to what may be inflated', () => {
    const some = form({ algorithm: 'gzip', threshold: 1000, maxInflatedBytes: 5000 })
    const lengths = [999, 1000, 5000, 5001].filter(
      (length) => atOnce(some.wrap(repetitive(length), key)).length < length,
    )
    expect(lengths).toEqual([1000, 5000])
  })

  it.each(available)('is compressed only when that helps: %s', (algorithm) => {
    const noise = randomBytes(2000)
    const written = form({ algorithm })
    expect(written.wrap(noise, key)).toBe(noise)
    const sealed = parseWrapped(atOnce(form({ algorithm }, { keys: [k1] }).wrap(noise, key)))
    expect([sealed.compression, sealed.body.length]).toEqual([0, 2000])
  })

  it.each(available)('is smaller at a higher level: %s', (algorithm) => {
    const { min, max } = levelsOf(algorithm)
    const text = Buffer.from(
      Array.from({ length: 900 }, (_, i) => `item ${(i * 7919) % 900} costs ${(i * 31) % 97};`).join(''),
    )
    const [low, high] = [min, max].map((level) =>
      atOnce(form({ algorithm, level }).wrap(text.subarray(0, LARGE_RECORD), key)),
    )
    expect(high?.length).toBeLessThan(low?.length ?? 0)
  })
})

describe('what can be read', () => {
  it('is each form by each server that has the key, whatever that writes itself', async () => {
    const writers = [plain, form({ algorithm: 'brotli' }), lenient, form({ algorithm: 'gzip' }, { keys: [k1] })]
    const readers = [
      lenient,
      form({ algorithm: 'gzip' }, { keys: [k2, k1], required: false }),
      form({}, { keys: [k1], write: false, required: false }),
    ]
    for (const writer of writers) {
      for (const reader of readers) {
        expect(await reader.unwrap(await writer.wrap(record, key), key)).toEqual(record)
      }
    }
  })

  it('is no unencrypted record where encryption is required', async () => {
    expect(reasonOf(() => encrypted.unwrap(record, key))).toBe('encryption')
    expect(reasonOf(() => encrypted.unwrap(atOnce(form({ algorithm: 'gzip' }).wrap(record, key)), key))).toBe(
      'encryption',
    )
    expect(reasonOf(() => encrypted.unwrap(Buffer.from('garbage'), key))).toBe('magic')
    expect(reasonOf(() => encrypted.unwrap(Buffer.alloc(0), key))).toBe('magic')
  })

  it('survives the rotation of keys, until the old one is taken out', () => {
    const before = form({}, { keys: [k1] })
    const known = form({}, { keys: [k1, k2] })
    const turned = form({}, { keys: [k2, k1] })
    const after = form({}, { keys: [k2] })
    const old = atOnce(before.wrap(record, key))
    for (const server of [before, known, turned]) expect(server.unwrap(old, key)).toEqual(record)
    const fresh = atOnce(turned.wrap(record, key))
    for (const server of [known, turned, after]) expect(server.unwrap(fresh, key)).toEqual(record)
    expect(reasonOf(() => after.unwrap(old, key))).toBe('encryption')
    expect(() => after.unwrap(old, key)).toThrow('"k1", which is not configured')
  })

  it('is outdated when it would be written under another key today, or under none', () => {
    const turned = form({ algorithm: 'gzip' }, { keys: [k2, k1], required: false })
    const off = form({}, { keys: [k1, k2], write: false, required: false })
    const stored = [plain, form({ algorithm: 'gzip' }), encrypted, turned].map((writer) =>
      atOnce(writer.wrap(record, key)),
    )
    const outdated = (reader: RecordEnvelope) => stored.map((bytes) => reader.isOutdated(bytes))
    expect(outdated(lenient)).toEqual([true, true, false, true])
    expect(outdated(turned)).toEqual([true, true, true, false])
    expect(outdated(off)).toEqual([false, false, true, true])
    expect(outdated(plain)).toEqual([false, false, true, true])
  })

  it('is not what another key of the same id has encrypted', () => {
    const other = form({}, { keys: [newKey('k1')] })
    expect(reasonOf(() => encrypted.unwrap(atOnce(other.wrap(record, key)), key))).toBe('encryption')
    expect(reasonOf(() => plain.unwrap(atOnce(other.wrap(record, key)), key))).toBe('encryption')
  })

  it('is not a record that was copied to another key', () => {
    const stored = atOnce(encrypted.wrap(record, key))
    for (const other of ['holdfast:other', 'holdfast:kez', 'Holdfast:key']) {
      expect(reasonOf(() => encrypted.unwrap(stored, other))).toBe('encryption')
    }
    expect(reasonOf(() => encrypted.unwrap(stored, `${key}x`))).toBe('encryption')
  })
})

describe('damage', () => {
  const stored = new Map<string, RecordEnvelope>([
    ...available.map((algorithm) => [algorithm, form({ algorithm })] as const),
    ['encrypted', encrypted] as const,
    ['deflate, encrypted', both] as const,
  ])

  it.each([...stored])('is found when a record is cut at any byte: %s', (_name, written) => {
    const whole = atOnce(written.wrap(record, key))
    expect(whole.length).not.toBe(record.length)
    for (let length = 0; length < whole.length; length++) {
      const cut = whole.subarray(0, length)
      expect(reasonOf(() => decodeRecord(atOnce(written.unwrap(cut, key)), key))).not.toBe('readable')
    }
  })

  it.each(['encrypted', 'deflate, encrypted'])('is found in every bit: %s', (name) => {
    const written = stored.get(name) as RecordEnvelope
    const whole = atOnce(written.wrap(record, key))
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      expect(
        reasonOf(() => written.unwrap(flipped, key)),
        `bit ${bit}`,
      ).not.toBe('readable')
    }
  })

  it.each(available)('of a bit never makes another record of one that was only compressed: %s', async (algorithm) => {
    const written = form({ algorithm })
    const whole = atOnce(written.wrap(record, key))
    const original = decodeRecord(record, key)
    for (let bit = 0; bit < whole.length * 8; bit++) {
      const flipped = Buffer.from(whole)
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7))
      await reasonOfLater(async () => {
        const plainBytes = await written.unwrap(flipped, key)
        expect(decodeRecord(plainBytes, key), `bit ${bit}`).toEqual(original)
        return plainBytes
      })
    }
  })

  it('and garbage throw nothing but that they are unreadable', async () => {
    const head = fc.constantFrom('', 'H', 'HW', 'HW\x01', 'HW\x01\x01\0', 'HW\x01\0\x01', 'HW\x01\x03\0', 'HF\x01')
    await fc.assert(
      fc.asyncProperty(head, fc.uint8Array({ maxLength: 200 }), fc.boolean(), async (start, rest, fits) => {
        const bytes = Buffer.concat([Buffer.from(start, 'latin1'), rest])
        if (fits && bytes.length >= 13) bytes.writeUInt32BE(bytes.length, 5)
        if (fits && bytes.length >= 13) bytes.writeUInt16BE(0, 9)
        const reason = await reasonOfLater(async () => {
          decodeRecord(await lenient.unwrap(bytes, key), key)
          return bytes
        })
        expect(reason).not.toBe('readable')
      }),
      { numRuns: 5000 },
    )
  })

  it('includes forms and algorithms of a later version', () => {
    const whole = atOnce(form({ algorithm: 'gzip' }).wrap(record, key))
    const changed = (at: number, value: number) => {
      const copy = Buffer.from(whole)
      copy[at] = value
      return reasonOf(() => plain.unwrap(copy, key))
    }
    expect([changed(2, 2), changed(3, 9), changed(4, 7)]).toEqual(['format', 'compression', 'encryption'])
  })
})

describe('a bomb', () => {
  const limit = 200_000
  const reader = form({ maxInflatedBytes: limit })

  function bomb(compression: number, body: Buffer, plainLength: number): Buffer {
    const out = layOut({ compression, plainLength, encryption: undefined }, body.length)
    body.copy(out.body)
    return out.bytes
  }

  const deflaters = [
    ['gzip', gzipSync],
    ['deflate', deflateSync],
    ['brotli', brotliCompressSync],
  ] as const

  it.each(deflaters)('is refused before it is inflated when it says how large it is: %s', (algorithm, deflater) => {
    const body = deflater(Buffer.alloc(20_000_000))
    const stored = bomb(codeOf(algorithm), body, 20_000_000)
    expect(stored.length).toBeLessThan(100_000)
    expect(reasonOf(() => reader.unwrap(stored, key))).toBe('compression')
    expect(() => reader.unwrap(stored, key)).toThrow('more than 200000')
  })

  it.each(deflaters)('is given up on the way when it lies: %s', async (algorithm, deflater) => {
    const body = deflater(Buffer.alloc(20_000_000))
    for (const said of [1, 1000, LARGE_INFLATED + 1, limit]) {
      const stored = bomb(codeOf(algorithm), body, said)
      expect(await reasonOfLater(() => reader.unwrap(stored, key))).toBe('compression')
      /* By zlib, once it has made one byte too many: not by the look at what would be 20 MB by then. */
      await expect((async () => reader.unwrap(stored, key))()).rejects.toThrow(/can't be inflated: .*larger/)
    }
  })

  it('is also what holds less than it says, or nothing', async () => {
    for (const said of [0, 999, 1001, LARGE_INFLATED + 1]) {
      const stored = bomb(codeOf('gzip'), gzipSync(Buffer.alloc(1000)), said)
      expect(await reasonOfLater(() => reader.unwrap(stored, key))).toBe('compression')
    }
    expect(reasonOf(() => reader.unwrap(bomb(0, Buffer.alloc(10), 11), key))).toBe('layout')
  })

  it('never comes from a server with the same limit', async () => {
    const writer = form({ algorithm: 'gzip', maxInflatedBytes: limit })
    for (const length of [limit, limit + 1]) {
      const original = Buffer.concat([Buffer.from('HF'), Buffer.alloc(length - 2)])
      expect((await reader.unwrap(await writer.wrap(original, key), key)).equals(original)).toBe(true)
    }
  })
})
