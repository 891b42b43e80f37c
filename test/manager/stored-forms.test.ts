import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { parseSettings } from '../../src/config/parse-settings.js'
import { changeSection, emptySection } from '../../src/record/attribute-section.js'
import { decodeRecord, encodeRecord } from '../../src/record/record-format.js'
import { lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { RecordEnvelope } from '../../src/record/transforms/record-envelope.js'
import { isWrapped, parseWrapped } from '../../src/record/transforms/wrapped-record.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, secret, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { keyOf, storeBytes, storedBytes } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

type Options = Partial<HoldfastOptions>

const k1 = { id: 'k1', key: randomBytes(32).toString('base64') }
const k2 = { id: 'k2', key: randomBytes(32).toString('hex') }
/** The local copy is compared with the stored one at each request; a slow machine is no failing node. */
const strict: Options = { trustFor: 0, operationTimeout: '10s', backup: { timeout: '10s' } }

let cluster: Cluster

beforeEach(async () => {
  cluster = await Cluster.of('n1')
})

afterEach(() => cluster.close())

function serverWith(route: string, options: Options): Promise<AppServer> {
  return cluster.server(route, { ...strict, ...options })
}

async function stored(visitor: Visitor): Promise<Buffer> {
  return (await storedBytes(cluster.memcached('n1'), visitor)) as Buffer
}

/** What stands in the storage, read by the means of `options`. */
async function storedRecord(visitor: Visitor, options: Options) {
  const form = new RecordEnvelope(parseSettings({ secret, ...options }))
  return decodeRecord(await form.unwrap(await stored(visitor), keyOf(visitor)), keyOf(visitor))
}

describe('one session on two servers in turns', () => {
  const brotli = { compression: { algorithm: 'brotli', threshold: 0 } } as const
  const gzip = { compression: { algorithm: 'gzip', threshold: 0 } } as const

  it.each<[string, Options, Options]>([
    ['plain and compressed', {}, gzip],
    ['compressed in two ways', gzip, brotli],
    [
      'plain with the keys known, and encrypted',
      { encryption: { keys: [k1], write: false } },
      { encryption: { keys: [k1], required: false } },
    ],
    [
      'encrypted, and encrypted only',
      { encryption: { keys: [k1], required: false } },
      { ...gzip, encryption: { keys: [k1] } },
    ],
    ['one key, and a second known', { encryption: { keys: [k1] } }, { encryption: { keys: [k1, k2] } }],
    ['two keys in either order', { encryption: { keys: [k1, k2] } }, { ...brotli, encryption: { keys: [k2, k1] } }],
    ['two keys, and the old one gone', { encryption: { keys: [k2, k1] } }, { encryption: { keys: [k2] } }],
  ])('is the same session: %s', async (_what, one, other) => {
    const servers = [await serverWith('a', one), await serverWith('b', other)]
    const visitor = new Visitor()
    await visitor.post(`${servers[0]?.url}/`, { start: 'x'.repeat(500) })
    await servers[0]?.sessions.flush()
    const { token } = visitor
    for (let turn = 1; turn <= 6; turn++) {
      const server = servers[turn % 2] as AppServer
      expect((await visitor.post(`${server.url}/`, { [`turn${turn}`]: turn })).status).toBe(200)
      expect(await server.sessions.flush()).toMatchObject({ unsaved: 0 })
      expect(Object.keys(await attributesAt(server, visitor))).toHaveLength(turn + 1)
    }
    expect(visitor.token).toBe(token)
    for (const { sessions } of servers) expect(sessions.stats().counters).toMatchObject({ unreadableRecords: 0 })
  })

  it('is the same session through a whole rotation at run time, also for who only reads', async () => {
    const servers = [
      await serverWith('a', { encryption: { keys: [k1] } }),
      await serverWith('b', { encryption: { keys: [k1] } }),
    ]
    const [a, b] = servers as [AppServer, AppServer]
    const visitors = (await visitorsOf(a, 3)) as [Visitor, Visitor, Visitor]
    await a.sessions.flush()
    await visitors[1].post(`${b.url}/`, { also: true })
    await b.sessions.flush()
    const keyIdOf = async (visitor: Visitor) => parseWrapped(await stored(visitor)).encryption?.keyId
    const rotate = (keys: (typeof k1)[]) => {
      for (const { sessions } of servers) sessions.reconfigure({ encryption: { keys } })
    }
    const homes = [a, b, a]
    rotate([k1, k2])
    rotate([k2, k1])
    for (const [number, visitor] of visitors.entries()) {
      await waitFor(
        async () => {
          expect(await attributesAt(homes[number] as AppServer, visitor)).toMatchObject({ number })
          return (await keyIdOf(visitor)) === 'k2'
        },
        { message: `the record of visitor ${number} to be encrypted anew` },
      )
    }
    rotate([k2])
    for (const [number, visitor] of visitors.entries()) {
      for (const server of [b, a]) expect(await attributesAt(server, visitor)).toMatchObject({ number })
    }
    for (const { sessions } of servers) expect(sessions.stats().counters).toMatchObject({ unreadableRecords: 0 })
  })

  it('can be compressed and encrypted from one moment to the next', async () => {
    const a = await serverWith('a', {})
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    expect(isWrapped(await stored(visitor))).toBe(false)
    a.sessions.reconfigure({
      compression: { algorithm: 'deflate', threshold: 0 },
      encryption: { keys: [k1], required: false },
    })
    await visitor.post(`${a.url}/`, { text: 'x'.repeat(1000) })
    await a.sessions.flush()
    expect(parseWrapped(await stored(visitor))).toMatchObject({ compression: 2, encryption: { keyId: 'k1' } })
    expect(a.sessions.settings()).toMatchObject({ 'encryption.keys': 'k1', 'compression.algorithm': 'deflate' })
  })
})

describe('an encrypted session', () => {
  it('leaves no word of its attributes in the storage', async () => {
    const a = await serverWith('a', { encryption: { keys: [k1] } })
    const visitor = new Visitor()
    const words = ['creditCard', '4111-1111', 'Wanderstraße']
    await visitor.post(`${a.url}/`, { creditCard: '4111-1111', address: 'Wanderstraße 7' })
    await a.sessions.flush()
    const bytes = await stored(visitor)
    expect(bytes.length).toBeGreaterThan(100)
    for (const word of words) expect(bytes.includes(word)).toBe(false)
    expect(await storedRecord(visitor, { encryption: { keys: [k1] } })).toMatchObject({ kind: 'session', owner: 'a' })
  })

  it('is buried under an encrypted tombstone, which every server with the key believes', async () => {
    const a = await serverWith('a', { encryption: { keys: [k1] } })
    const b = await serverWith('b', { encryption: { keys: [k2, k1] } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const before = visitor.copy()
    await visitor.post(`${a.url}/destroy`, {})
    expect(parseWrapped(await stored(before)).encryption?.keyId).toBe('k1')
    expect(await storedRecord(before, { encryption: { keys: [k1] } })).toMatchObject({ kind: 'tombstone' })
    expect(await attributesAt(b, before.copy())).toEqual({})
    expect(b.sessions.stats().counters.unreadableRecords).toBe(0)
  })

  const now = Date.now()
  const life = lifeChange({ idleTimeout: 60_000, absoluteDeadline: 0 })
  const stamp = { now: now + 99_000, process: 'attack', forgetBefore: 0 }
  const attributes = changeSection(emptySection, [life, ownerChange('b')], stamp)
  const rest = { createdAt: now, accessedAt: now, era: 0, writer: 'attacker', attributes }

  it.each(['session', 'tombstone'] as const)(
    'is not replaced by an unencrypted %s that somebody put there',
    async (kind) => {
      const a = await serverWith('a', { encryption: { keys: [k1] } })
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      await storeBytes(cluster.memcached('n1'), visitor, encodeRecord({ ...rest, kind, key: keyOf(visitor) }))
      expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
      await waitFor(async () => isWrapped(await stored(visitor)), { message: 'the session to be stored again' })
      expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
    },
  )

  it('is not served to the visitor whose key its record was copied to', async () => {
    const options = { encryption: { keys: [k1] } }
    const a = await serverWith('a', options)
    const [rich, poor] = (await visitorsOf(a, 2)) as [Visitor, Visitor]
    await a.sessions.flush()
    await storeBytes(cluster.memcached('n1'), poor, await stored(rich))
    const b = await serverWith('b', options)
    expect(await attributesAt(b, poor.copy())).toEqual({})
    expect(await attributesAt(b, rich)).toEqual({ number: 0 })
  })
})

describe('a large session that is being compressed', () => {
  const large = Array.from({ length: 20_000 }, (_, i) => `item ${i}`)
  const options = { compression: { algorithm: 'gzip' } } as const

  it('is stored and taken over', async () => {
    const [a, b] = [await serverWith('a', options), await serverWith('b', options)]
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { start: 1 })
    await visitor.post(`${a.url}/`, { text: 'tea '.repeat(20_000) })
    await a.sessions.flush()
    expect((await stored(visitor)).length).toBeLessThan(5000)
    expect(await attributesAt(b, visitor)).toEqual({ start: 1, text: 'tea '.repeat(20_000) })
  })

  it('is stored once more when it changed meanwhile', async () => {
    const a = await cluster.server('a', options, (app) => {
      app.get('/fill', async (req, res) => {
        const session = sessionOf(req)
        session.large = large
        session.state = 'first'
        const first = session.save()
        await new Promise((resolve) => setImmediate(resolve))
        session.state = 'second'
        await Promise.all([first, session.save()])
        res.end()
      })
    })
    const b = await serverWith('b', options)
    const visitor = new Visitor()
    await visitor.get(`${a.url}/fill`)
    await a.sessions.flush()
    expect(await attributesAt(b, visitor)).toEqual({ large, state: 'second' })
  })

  it('does not come back when it was destroyed meanwhile', async () => {
    const a = await cluster.server('a', options, (app) => {
      app.get('/fill', async (req, res) => {
        const session = sessionOf(req)
        session.large = large
        session.save(() => {})
        await new Promise((resolve) => setImmediate(resolve))
        await session.destroy()
        res.end()
      })
    })
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { start: 1 })
    await visitor.get(`${a.url}/fill`)
    await a.sessions.flush()
    expect(await storedRecord(visitor, {})).toMatchObject({ kind: 'tombstone' })
    expect(await attributesAt(await serverWith('b', options), visitor)).toEqual({})
  })
})
