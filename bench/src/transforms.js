// What compression and encryption cost a record: `npm run bench -- transforms`. Needs the build, no packages and no servers.
import { createSecretKey } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cpus } from 'node:os'
import { newSessionData, USUAL_SIZE } from './session-data.js'
import { median } from './statistics.js'

const BUILT = new URL('../../dist/record/', import.meta.url)
const ROUNDS = 15
/** Bytes of records that one round wraps and unwraps, about. */
const BYTES_A_ROUND = 1_000_000
const KEY = 'holdfast:7f3b9c1de5a84f6092b1c3d4e5f60718'

const OFF = { algorithm: 'off', level: 0 }
const NO_KEYS = { keys: [], write: true, required: false }
const KEYS = { ...NO_KEYS, keys: [{ id: 'k1', key: createSecretKey(Buffer.alloc(32, 7)) }] }

/** Every kind of record that a server with the default levels writes. */
const kinds = [
  ['plain', OFF, NO_KEYS],
  ['gzip', { algorithm: 'gzip', level: 6 }, NO_KEYS],
  ['gzip, level 1', { algorithm: 'gzip', level: 1 }, NO_KEYS],
  ['deflate', { algorithm: 'deflate', level: 6 }, NO_KEYS],
  ['brotli', { algorithm: 'brotli', level: 4 }, NO_KEYS],
  ['zstd', { algorithm: 'zstd', level: 3 }, NO_KEYS],
  ['AES-256-GCM', OFF, KEYS],
  ['deflate, AES-256-GCM', { algorithm: 'deflate', level: 6 }, KEYS],
]

async function main() {
  if (!existsSync(BUILT)) throw new Error('bench: Holdfast is not built. Run npm run build in the folder above')
  const parts = {
    ...(await import(new URL('attribute-section.js', BUILT))),
    ...(await import(new URL('record-format.js', BUILT))),
    ...(await import(new URL('session-facts.js', BUILT))),
    ...(await import(new URL('transforms/record-envelope.js', BUILT))),
    ...(await import(new URL('transforms/compression.js', BUILT))),
  }
  console.log(`Node ${process.version}, ${cpus()[0]?.model}; medians of ${ROUNDS} rounds\n`)
  const usable = kinds.filter(([, { algorithm }]) => algorithm === 'off' || parts.isAvailable(algorithm))
  for (const [name, attributes] of sessions()) {
    const record = recordOf(attributes, parts)
    const rows = []
    for (const kind of usable) rows.push(await measure(kind, record, parts))
    console.log(`## ${name}: a record of ${record.length} bytes\n\n${table(rows)}\n`)
  }
}

/** A record of every attribute as JSON, as a server with the codec `json` makes it. */
function recordOf(attributes, { changeSection, emptySection, encodeRecord, lifeChange, ownerChange }) {
  const encoded = Object.entries(attributes).map(([name, value]) => ({
    name,
    codec: 'json',
    bytes: Buffer.from(JSON.stringify(value)).toString('latin1'),
  }))
  const life = lifeChange({ idleTimeout: 1_800_000, absoluteDeadline: 0 })
  const stamp = { now: 1_760_000_100_000, process: 'Zk3xQ9', forgetBefore: 0 }
  const section = changeSection(emptySection, [...encoded, life, ownerChange('app1')], stamp)
  const times = { createdAt: 1_760_000_000_000, accessedAt: 1_760_000_100_000 }
  return encodeRecord({ kind: 'session', key: KEY, ...times, era: 0, writer: 'Zk3xQ9vB', attributes: section })
}

async function measure([name, compression, encryption], record, { RecordEnvelope }) {
  const form = new RecordEnvelope({
    compression: { threshold: 0, maxInflatedBytes: 8_000_000, ...compression },
    encryption,
  })
  const wrapped = form.wrap(record, KEY)
  const stored = await wrapped
  const write = await timed(() => form.wrap(record, KEY), record.length)
  const read = await timed(() => form.unwrap(stored, KEY), record.length)
  const inThread = wrapped instanceof Promise ? 'in a thread' : ''
  return [name, stored.length, `${Math.round((stored.length / record.length) * 100)} %`, write, read, inThread]
}

/** Microseconds that one call takes, to its end. */
async function timed(work, length) {
  const calls = Math.max(20, Math.ceil(BYTES_A_ROUND / length / 2))
  const rounds = []
  for (let round = -2; round < ROUNDS; round++) {
    const started = performance.now()
    for (let call = 0; call < calls; call++) {
      const result = work()
      if (result instanceof Promise) await result
    }
    if (round >= 0) rounds.push(((performance.now() - started) / calls) * 1000)
  }
  return median(rounds).toFixed(1)
}

/** Session data of three sizes; ids and tokens are random-looking, as in life: they don't compress. */
function sessions() {
  const usual = newSessionData(4711, USUAL_SIZE)
  const { name, locale, csrfToken, user } = usual
  const orders = Array.from({ length: 330 }, (_, number) => ({
    ...order(number),
    note: usual.notes.slice(0, number % 40),
  }))
  return [
    ['small', { name, locale, csrfToken, user }],
    ['usual', usual],
    ['large', { ...usual, orders }],
  ]
}

let state = 1

/** A reproducible random number below `limit`: Lehmer's generator with the multiplier of Park and Miller. */
function random(limit) {
  state = (state * 48_271) % 0x7fffffff
  return state % limit
}

function order(number) {
  const id = Array.from({ length: 4 }, () => random(0x10000).toString(16)).join('')
  const placedAt = new Date(1_760_000_000_000 + random(1_000_000) * 1000).toISOString()
  return {
    id,
    number,
    placedAt,
    items: random(9),
    total: random(100_000) / 100,
    state: ['open', 'sent', 'paid'][random(3)],
  }
}

function table(rows) {
  const headings = ['stored as', 'bytes', 'of plain', 'write µs', 'read µs', '']
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [
    line(headings),
    line(headings.map((_, index) => (index === 0 || index === 5 ? '---' : '---:'))),
    ...rows.map(line),
  ].join('\n')
}

await main()
