import { createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { UnreadableRecordError } from '../../src/errors.js'
import { changeSection, decodeEntries, emptySection } from '../../src/record/attribute-section.js'
import { toByteString } from '../../src/record/byte-string.js'
import { createAvroCodec } from '../../src/record/codecs/avro.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { jsonDatesCodec } from '../../src/record/codecs/json-dates.js'
import { msgpackCodec } from '../../src/record/codecs/msgpack.js'
import { v8Codec } from '../../src/record/codecs/v8.js'
import { decodeRecord, encodeRecord } from '../../src/record/record-format.js'
import { cookieChange, factsOf, lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { RecordEnvelope } from '../../src/record/transforms/record-envelope.js'
import { mutateBytes, randomNumbers } from '../../src/testing/mutate-bytes.js'
import { guardPrototypes, isPolluted } from '../../src/testing/prototype-guard.js'
import { fuzzSeed, fuzzTimes } from '../support/fuzz.js'
import { everyType, everyTypeSchema } from './codecs/avro-values.js'

/** Changed bytes for each format: 104,000 in all. */
const CASES = 15_000 * fuzzTimes
const RECORD_CASES = 25_000 * fuzzTimes
const STORED_CASES = 1000 * fuzzTimes
const timeout = 60_000 * fuzzTimes

const session = {
  user: { id: 7, name: 'Grüße 鍵', roles: ['customer', 'reviewer'] },
  cart: { items: [{ sku: 'x-1', price: 9.5, quantity: 2 }], currency: 'EUR' },
  flags: [true, false, null, -1, 2 ** 40, 1.5],
  note: '__proto__',
}
const rich = { ...session, when: new Date(5), map: new Map([['a', new Set([1n])]]), bytes: Buffer.from('bytes') }

const avro = createAvroCodec(new Map([['x', { current: everyTypeSchema, previous: [] }]]))
const avroValues = fc.sample(everyType, { numRuns: 40, seed: 5 })

const subjects = [
  { codec: jsonCodec, values: [session] },
  { codec: jsonDatesCodec, values: [{ ...session, when: new Date(5), text: '\0d5' }] },
  { codec: msgpackCodec, values: [session, rich] },
  { codec: v8Codec, values: [session, rich] },
  { codec: avro, values: avroValues },
]

describe('changed bytes', () => {
  it.each(subjects)('never get more out of $codec.id than a value or an error', { timeout }, ({ codec, values }) => {
    const unchanged = guardPrototypes()
    const random = randomNumbers(fuzzSeed(1))
    const originals = values.map((value) => Buffer.from(codec.encode(value, 'x') as Uint8Array))
    for (let left = CASES; left > 0; left--) {
      const value = valueOrError(() =>
        codec.decode(mutateBytes(originals[left % originals.length] as Buffer, random), 'x'),
      )
      if (isPolluted(value)) expect.fail('what was read is polluted')
    }
    unchanged()
  })

  it('never get more out of a record than a session or an UnreadableRecordError', { timeout }, () => {
    const unchanged = guardPrototypes()
    const random = randomNumbers(fuzzSeed(2))
    const original = encodeRecord(record())
    expect(decodeRecord(original, 'app:key')).toEqual({ ...record(), ...factsOf(record().attributes) })
    for (let left = RECORD_CASES; left > 0; left--) {
      expectRecordOrError(() => decodeRecord(mutateBytes(original, random), 'app:key'))
      const section = toByteString(mutateBytes(Buffer.from(record().attributes, 'latin1'), random))
      expectRecordOrError(() => decodeEntries(section))
      /* The same with a right checksum and length, so that what lies behind those is reached too. */
      left--
      expectRecordOrError(() => decodeRecord(encodeRecord({ ...record(), attributes: section }), 'app:key'))
    }
    unchanged()
  })
})

describe('changed bytes of a stored record', () => {
  const keys = [{ id: 'k1', key: createSecretKey(Buffer.alloc(32, 7)) }]
  const form = (algorithm: 'off' | 'gzip' | 'deflate' | 'brotli', write: boolean) =>
    new RecordEnvelope({
      compression: { algorithm, threshold: 0, level: 4, maxInflatedBytes: 1_000_000 },
      encryption: { keys: write ? keys : [], write, required: false },
    })
  const forms = [
    ['gzip', form('gzip', false)],
    ['deflate', form('deflate', false)],
    ['brotli', form('brotli', false)],
    ['encrypted', form('off', true)],
  ] as const

  it.each(forms)(
    'never get more out of it than a session or an UnreadableRecordError: %s',
    { timeout },
    async (_, form) => {
      const unchanged = guardPrototypes()
      const random = randomNumbers(fuzzSeed(3))
      const original = Buffer.from(await form.wrap(encodeRecord(record()), 'app:key'))
      expect(decodeRecord(await form.unwrap(Buffer.from(original), 'app:key'), 'app:key')).toEqual({
        ...record(),
        ...factsOf(record().attributes),
      })
      for (let left = STORED_CASES; left > 0; left--) {
        try {
          decodeRecord(await form.unwrap(mutateBytes(original, random), 'app:key'), 'app:key')
        } catch (error) {
          if (!(error instanceof UnreadableRecordError)) throw error
        }
      }
      unchanged()
    },
  )
})

function record() {
  const values = Object.entries(session).map(([name, value]) => ({
    name,
    codec: name === 'cart' ? 'msgpack' : 'json',
    bytes: toByteString((name === 'cart' ? msgpackCodec : jsonCodec).encode(value) as Buffer),
  }))
  const life = lifeChange({ idleTimeout: 1_800_000, absoluteDeadline: 0 })
  const changes = [...values, life, ownerChange('a'), cookieChange('{"maxAge":5}')]
  const stored = changeSection(emptySection, changes, { now: 1_760_000_000_000, process: 'proc-a', forgetBefore: 0 })
  const removal = { name: 'note', codec: '', bytes: undefined }
  const attributes = changeSection(stored, [removal], { now: 1_760_000_000_500, process: 'proc-b', forgetBefore: 0 })
  return {
    kind: 'session' as const,
    key: 'app:key',
    createdAt: 1_760_000_000_000,
    accessedAt: 1_760_000_000_001,
    era: 3,
    writer: 'abcdefgh',
    attributes,
  }
}

function valueOrError(work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof Error)) throw new Error('what was thrown is no Error')
    return undefined
  }
}

function expectRecordOrError(work: () => unknown): void {
  try {
    work()
  } catch (error) {
    if (!(error instanceof UnreadableRecordError)) throw error
  }
}
