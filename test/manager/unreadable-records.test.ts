import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { parseSettings } from '../../src/config/parse-settings.js'
import type { UnreadableReason } from '../../src/errors.js'
import { SessionState } from '../../src/local/session-state.js'
import { silentLogger } from '../../src/logger.js'
import { ManagerContext } from '../../src/manager/context/manager-context.js'
import { RecordStore } from '../../src/manager/stored/record-store.js'
import { SessionEnding } from '../../src/manager/stored/session-ending.js'
import { emptySection } from '../../src/record/attribute-section.js'
import { layOut } from '../../src/record/transforms/wrapped-record.js'
import { tokenDigest } from '../../src/session-id/session-id.js'
import { type AppServer, secret } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { storeBytes, storedBytes, storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

type Options = Partial<HoldfastOptions>

const k1 = { id: 'k1', key: randomBytes(32).toString('base64') }
const k2 = { id: 'k2', key: randomBytes(32).toString('base64') }
const other = { id: 'k1', key: randomBytes(32).toString('base64') }

let cluster: Cluster
let warnings: string[]

beforeEach(async () => {
  cluster = await Cluster.of('n1')
  warnings = []
})

afterEach(() => cluster.close())

function stored(visitor: Visitor): Promise<Buffer | undefined> {
  return storedBytes(cluster.memcached('n1'), visitor)
}

/** A server that finds a session of another server in its storage node. */
async function finder(options: Options): Promise<AppServer> {
  const logger = { ...silentLogger, warn: (message: string) => warnings.push(message) }
  const server = await cluster.server('b', { trustFor: 0, operationTimeout: '10s', logger, ...options })
  warnings = []
  return server
}

function changed(bytes: Buffer, at: number, value: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[at] = value
  return copy
}

function bomb(): Buffer {
  const body = gzipSync(Buffer.alloc(30_000_000))
  const out = layOut({ compression: 1, plainLength: 30_000_000, encryption: undefined }, body.length)
  body.copy(out.body)
  return out.bytes
}

const gzip: Options = { compression: { algorithm: 'gzip', threshold: 0 } }
const same = (bytes: Buffer): Buffer => bytes

describe('a record that can not be read', () => {
  it.each<[string, UnreadableReason, Options, (bytes: Buffer) => Buffer, Options]>([
    ['garbage', 'truncated', {}, () => Buffer.from('garbage'), {}],
    ['something longer that is no record', 'magic', {}, () => randomBytes(100).fill('x', 0, 2), {}],
    ['cut', 'truncated', {}, (bytes) => bytes.subarray(0, -1), {}],
    ['changed', 'checksum', {}, (bytes) => changed(bytes, 60, 0), {}],
    ['of a later format', 'format', {}, (bytes) => changed(bytes, 2, 9), {}],
    ['wrapped in a later form', 'format', gzip, (bytes) => changed(bytes, 2, 9), {}],
    ['compressed by a later algorithm', 'compression', gzip, (bytes) => changed(bytes, 3, 9), {}],
    ['compressed and changed', 'compression', gzip, (bytes) => changed(bytes, 14, 0), {}],
    ['a bomb', 'compression', {}, bomb, {}],
    ['encrypted, where no keys are configured', 'encryption', { encryption: { keys: [k1] } }, same, {}],
    [
      'encrypted under an unknown key',
      'encryption',
      { encryption: { keys: [k2] } },
      same,
      { encryption: { keys: [k1] } },
    ],
    [
      'encrypted under another key of that id',
      'encryption',
      { encryption: { keys: [other] } },
      same,
      { encryption: { keys: [k1] } },
    ],
    [
      'encrypted and changed',
      'encryption',
      { encryption: { keys: [k1] } },
      (bytes) => changed(bytes, bytes.length - 1, (bytes.at(-1) as number) ^ 1),
      { encryption: { keys: [k1] } },
    ],
    ['plain, where encryption is required', 'encryption', {}, same, { encryption: { keys: [k1] } }],
  ])('counts as no session, is reported, and stays as it is: %s', async (_what, reason, writing, damage, reading) => {
    const a = await cluster.server('a', writing)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.post(`${a.url}/`, { text: 'x'.repeat(200) })
    await a.sessions.flush()
    const good = (await stored(visitor)) as Buffer
    const bad = damage(good)
    await storeBytes(cluster.memcached('n1'), visitor, bad)

    const b = await finder(reading)
    const events = record(b.sessions, 'unreadable')
    await cluster.settled()
    const { cmd_set, cmd_touch, delete_hits } = await cluster.memcached('n1').stats()
    for (let visit = 0; visit < 3; visit++) {
      const answer = await visitor.copy().get(`${b.url}/`)
      expect([answer.status, answer.cookie]).toEqual([200, undefined])
      expect(answer.json()).toMatchObject({ attributes: {} })
    }
    expect(await cluster.memcached('n1').stats()).toMatchObject({ cmd_set, cmd_touch, delete_hits })

    expect(events).toHaveLength(3)
    expect(events[0]).toMatchObject({ reason, node: 'n1', handle: tokenDigest(visitor.token as string).slice(0, 12) })
    expect(events[0]?.error.message).toContain('unreadable')
    expect(b.sessions.stats().counters).toMatchObject({ unreadableRecords: 3, takeovers: 0 })
    expect(warnings).toEqual([
      expect.stringMatching(/^session .{12}: the stored record is unreadable: .*; treated as no session$/),
    ])

    const newcomer = visitor.copy()
    expect((await newcomer.post(`${b.url}/`, { fresh: true })).status).toBe(200)
    expect((await newcomer.post(`${b.url}/destroy`, {})).status).toBe(200)
    await b.sessions.flush()
    expect(newcomer.token).not.toBe(visitor.token)
    expect((await stored(visitor))?.equals(bad)).toBe(true)
  })

  it('is a session again after the roll-back of what could not read it', async () => {
    const old: Options = { encryption: { keys: [k2] } }
    const a = await cluster.server('a', old)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.close()
    const deployed = await finder({ encryption: { keys: [k1] } })
    expect(await attributesAt(deployed, visitor)).toEqual({})
    await deployed.sessions.close()
    const rolledBack = await cluster.server('c', old)
    expect(await attributesAt(rolledBack, visitor)).toEqual({ number: 0 })
  })

  it('is ended by nobody who does not know the session', async () => {
    const a = await cluster.server('a', { encryption: { keys: [k2] } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const bytes = (await stored(visitor)) as Buffer
    const b = await finder({})
    expect(await b.sessions.destroy(visitor.id as string)).toBe(false)
    expect(await b.sessions.get(visitor.id as string)).toBeUndefined()
    expect((await stored(visitor))?.equals(bytes)).toBe(true)
  })

  it('is replaced by the copy of the server that has the session', async () => {
    const a = await finder({ backup: { timeout: '2s' } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    await storeBytes(cluster.memcached('n1'), visitor, Buffer.from('garbage'))
    expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
    await a.sessions.flush()
    const b = await cluster.server('c')
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
  })
})

describe.each(['sticky', 'non-sticky'] as const)('a record that others may read, %s', (mode) => {
  const later = (bytes: Buffer) => changed(bytes, 2, 200)

  it('is left alone, and the session is kept on another node', async () => {
    await cluster.close()
    cluster = await Cluster.of('n1', 'n2')
    const a = await cluster.server('a', { mode, trustFor: 0, backup: { mode: 'sync' } })
    const [visitor] = (await visitorsOf(a, 24)).filter(({ node }) => node === 'n1') as [Visitor]
    const foreign = later((await stored(visitor)) as Buffer)
    await storeBytes(cluster.memcached('n1'), visitor, foreign)
    await visitor.post(`${a.url}/`, { more: 1 })
    await visitor.get(`${a.url}/`)
    expect(visitor.node).toBe('n2')
    expect(await attributesAt(a, visitor)).toMatchObject({ more: 1 })
    expect((await storedSession(cluster.memcached('n2'), visitor))?.attributes).toMatchObject({ more: 1 })
    expect((await stored(visitor))?.equals(foreign)).toBe(true)
  })

  it('is left alone where there is no other node', async () => {
    const a = await cluster.server('a', { mode, trustFor: 0, backup: { mode: 'sync', attempts: 1 } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const foreign = later((await stored(visitor)) as Buffer)
    await storeBytes(cluster.memcached('n1'), visitor, foreign)
    /* Without stickiness it counts as no session, and the visitor gets another one. */
    await visitor.copy().post(`${a.url}/`, { more: 1 })
    await a.sessions.flush({ timeout: 500 })
    expect((await stored(visitor))?.equals(foreign)).toBe(true)
  })
})

describe('a session that expires here while its stored record can not be read', () => {
  const context = new ManagerContext(parseSettings({ secret, logger: silentLogger }), systemClock)
  const stub = { drop: () => {}, running: () => undefined, forget: () => {} } as never
  const ending = new SessionEnding(context, new RecordStore(context), stub, stub, stub)

  it.each([
    ['stays where it is', undefined, 0],
    ['goes when it is the one that this server has written', { attributes: emptySection, era: 0 }, 1],
  ])('%s', (_what, record, removals) => {
    const times = { createdAt: 0, accessedAt: 0, idleTimeout: 1000, absoluteDeadline: 0 }
    const state = new SessionState('a'.repeat(40), 'app1', times)
    const remove = vi.fn(async () => 'deleted')
    const node = { state: 'up', delete: remove } as never
    state.admit(0)
    state.settle(node)
    state.found(node, {}, 0, record)
    ending.expire(state)
    expect(remove).toHaveBeenCalledTimes(removals)
  })
})
