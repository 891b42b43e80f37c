import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { EndedTokens } from '../../src/local/ended-tokens.js'
import { formatSessionId, SessionTokens } from '../../src/session-id/session-id.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, secret, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { endless, patience } from '../support/patience.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

let cluster: Cluster

beforeEach(async () => {
  cluster = await Cluster.of('n1', 'n2')
})

afterEach(() => cluster.close())

/** POST /fill/:bytes sets an attribute of that size · POST /spoil sets some that JSON can't express. */
function badRoutes(app: Express): void {
  app.post('/fill/:bytes', (req, res) => {
    sessionOf(req).big = 'x'.repeat(Number(req.params.bytes))
    res.send('filled')
  })
  app.post('/spoil', (req, res) => {
    const session = sessionOf(req)
    const circle: Record<string, unknown> = {}
    circle.self = circle
    session.circle = circle
    session.amount = 12n
    session.good = 'still stored'
    res.json({ amount: String(session.amount) })
  })
}

describe('the write-behind queue', () => {
  async function serverWithSlowNodes(timeout: string): Promise<AppServer> {
    const slow = { n1: await cluster.faulty('n1'), n2: await cluster.faulty('n2') }
    const backup = { concurrency: 1, maxPendingBytes: '64KiB', timeout }
    const server = await cluster.server('a', { nodes: cluster.nodes(slow), backup }, badRoutes)
    for (const node of Object.values(slow)) node.fail({ kind: 'delay', ms: 10 }, { opcode: 0x02 })
    return server
  }

  it('holds requests back instead of growing when the storage is slower than the visitors', async () => {
    const ways = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const backup = { concurrency: 1, maxPendingBytes: '64KiB', timeout: '1m' }
    const options = { nodes: cluster.nodes(ways), operationTimeout: endless, backup }
    const a = await cluster.server('a', options, badRoutes)
    for (const way of Object.values(ways)) way.hang()
    const clients = 5
    let most = 0
    a.sessions.on('created', () => {
      most = Math.max(most, a.sessions.stats().pendingBytes)
    })
    const client = async () => {
      for (let i = 0; i < 20; i++) {
        expect((await new Visitor().post(`${a.url}/fill/20000`, {})).status).toBe(200)
      }
    }
    const all = Array.from({ length: clients }, client)
    const waits = () => a.sessions.stats().counters.backPressureWaits
    await waitFor(() => waits() >= clients, { message: 'all clients to be held back' })
    for (const way of Object.values(ways)) way.heal()
    await Promise.all(all)
    expect(most).toBeGreaterThan(0)
    /* Two megabytes were offered. */
    expect(most).toBeLessThan(64 * 1024 + 2 * clients * 21_000)
    expect(a.sessions.stats().counters.backPressureTimeouts).toBe(0)
    await a.sessions.flush()
    expect(a.sessions.stats()).toMatchObject({ pendingBytes: 0, pendingBackups: 0 })
  })

  it('holds them back for backup.timeout at most', async () => {
    const a = await cluster.server(
      'a',
      { operationTimeout: endless, backup: { maxPendingBytes: '64KiB', timeout: '100ms' } },
      badRoutes,
    )
    await Promise.all([cluster.memcached('n1').suspend(), cluster.memcached('n2').suspend()])
    for (let i = 0; i < 6; i++) {
      expect((await new Visitor().post(`${a.url}/fill/20000`, {})).status).toBe(200)
    }
    expect(a.sessions.stats().counters.backPressureTimeouts).toBeGreaterThan(0)
  })

  it('keeps one entry for a session however often it changes', async () => {
    const a = await serverWithSlowNodes('5s')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    let most = 0
    for (let count = 0; count < 50; count++) {
      await visitor.post(`${a.url}/`, { count })
      most = Math.max(most, a.sessions.stats().pendingBackups)
    }
    expect(most).toBe(1)
    await a.sessions.flush()
    expect((await storedSession(cluster.memcached(visitor), visitor))?.attributes).toEqual({ number: 0, count: 49 })
  })
})

describe('one bad session', () => {
  it.each(['async', 'sync'] as const)('W24: that is too large harms neither its node nor others (%s)', async (mode) => {
    const a = await cluster.server('a', { backup: { mode, timeout: '20s' }, maxSessionBytes: '1MB' }, badRoutes)
    const failed = record(a.sessions, 'backupFailed')
    const down = record(a.sessions, 'nodeDown')
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    const [bad] = visitors as [Visitor]
    expect((await bad.post(`${a.url}/fill/1200000`, {})).status).toBe(mode === 'sync' ? 500 : 200)
    await Promise.all(visitors.slice(1).map((visitor) => visitor.post(`${a.url}/`, { more: 1 })))
    await a.sessions.flush()
    expect(new Set(failed.map(({ attribute }) => attribute))).toEqual(new Set(['big']))
    expect(failed[0]?.error.message).toContain('too large')
    const { relocations, nodeFailures, backupRetries } = a.sessions.stats().counters
    expect({ relocations, nodeFailures, backupRetries }).toEqual({ relocations: 0, nodeFailures: 0, backupRetries: 0 })
    expect(down).toEqual([])
    for (const [number, visitor] of visitors.entries()) {
      const stored = await storedSession(cluster.memcached(visitor), visitor)
      expect(stored?.attributes).toEqual(number === 0 ? { number } : { number, more: 1 })
    }
    expect((await attributesAt(a, bad)).big).toHaveLength(1_200_000)
    await bad.post(`${a.url}/`, { big: null, small: true })
    await a.sessions.flush()
    expect((await storedSession(cluster.memcached(bad), bad))?.attributes).toEqual({ number: 0, small: true })
  })

  it('with attributes that can’t be serialised is stored without them, and an event names each', async () => {
    const a = await cluster.server('a', {}, badRoutes)
    const failed = record(a.sessions, 'attributeFailed')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const answer = await visitor.post(`${a.url}/spoil`, {})
    expect([answer.status, answer.json()]).toEqual([200, { amount: '12' }])
    await a.sessions.flush()
    expect(new Set(failed.map(({ attribute }) => attribute))).toEqual(new Set(['circle', 'amount']))
    const expected = { number: 0, good: 'still stored' }
    expect((await storedSession(cluster.memcached(visitor), visitor))?.attributes).toEqual(expected)
    expect(a.sessions.stats().nodes.every((node) => node.state === 'up' && node.errors === 0)).toBe(true)
    await a.sessions.close()
    expect(await attributesAt(await cluster.server('b'), visitor)).toEqual(expected)
  })
})

describe('what a server keeps in memory', () => {
  it('has a limit for tokens of ended sessions, the oldest go first', () => {
    const ended = new EndedTokens(100)
    for (let i = 0; i < 1000; i++) ended.add(`token${i}`, 10)
    const remembered = Array.from({ length: 1000 }, (_, i) => i).filter((i) => ended.has(`token${i}`, 5))
    expect(remembered).toEqual(Array.from({ length: 100 }, (_, i) => 900 + i))
  })

  it('has a limit for sessions: beyond it new ones get 503 with Retry-After, the others go on', async () => {
    const a = await cluster.server('a', { maxActiveSessions: 3 })
    const visitors = await visitorsOf(a, 3)
    const refused = await new Visitor().post(`${a.url}/`, { number: 3 })
    expect(refused.status).toBe(503)
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    expect(refused.cookie).toBeUndefined()
    expect((await new Visitor().get(`${a.url}/`)).status).toBe(200)
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(a, visitor)).toEqual({ number })
    expect(a.sessions.stats()).toMatchObject({ activeSessions: 3, counters: { sessionsRejected: 1 } })
    await (visitors[0] as Visitor).post(`${a.url}/destroy`, {})
    expect((await new Visitor().post(`${a.url}/`, { number: 4 })).status).toBe(200)
  })
})

describe('ids that lead nowhere', () => {
  const tokens = new SessionTokens([secret])

  it('cost nothing when they are made up, and one look-up a node when they were issued once', async () => {
    const a = await cluster.server('a')
    await cluster.settled()
    const unknown = Array.from({ length: 50 }, () => formatSessionId(tokens.issue(), 'n1', 'a'))
    const madeUp = unknown.map((id) => `${id.startsWith('x') ? 'y' : 'x'}${id.slice(1)}`)
    const before = await cluster.memcached('n1').storageOperations()
    await Promise.all(madeUp.map((id) => visitorWith(id).get(`${a.url}/`)))
    expect(await cluster.memcached('n1').storageOperations()).toBe(before)
    await Promise.all(unknown.map((id) => visitorWith(id).get(`${a.url}/`)))
    expect((await cluster.memcached('n1').storageOperations()) - before).toBe(50)
    expect(a.sessions.stats()).toMatchObject({ activeSessions: 0, counters: { invalidIds: 50, unknownIds: 50 } })
  })

  it('cost one look at one node when they come again at once, and are found as soon as they lead somewhere', async () => {
    const two = await Cluster.of('n1', 'n2')
    const [a, b] = [await two.server('a'), await two.server('b', { genid: () => 'fixed', backup: { mode: 'sync' } })]
    await two.settled()
    const visitor = visitorWith(formatSessionId(tokens.issue('fixed'), 'n1', 'b'))
    const before = await two.operations()
    for (let i = 0; i < 3; i++) expect(await attributesAt(a, visitor)).toEqual({})
    const { unknownIds, rememberedMisses } = a.sessions.stats().counters
    expect(unknownIds + rememberedMisses).toBe(3)
    expect((await two.operations()) - before).toBe(2 * unknownIds + rememberedMisses)
    const begun = new Visitor()
    await begun.post(b.url, { begun: true })
    expect(begun.token).toBe(visitor.token)
    expect(await attributesAt(a, visitorWith(begun.id as string))).toEqual({ begun: true })
    await two.close()
  })

  it('share one look-up when they come at the same time', async () => {
    const way = await cluster.detour('n1')
    const a = await cluster.server('a', { nodes: cluster.nodes({ n1: way }), operationTimeout: endless })
    await cluster.settled()
    const before = await cluster.memcached('n1').storageOperations()
    const id = formatSessionId(tokens.issue(), 'n1', 'a')
    way.hang()
    const requests = Array.from({ length: 20 }, () => visitorWith(id).get(`${a.url}/`))
    await waitFor(() => a.arrived === 20, { message: 'all twenty requests' })
    way.heal()
    await Promise.all(requests)
    expect((await cluster.memcached('n1').storageOperations()) - before).toBe(1)
  })

  it('are answered with 503 within the operation’s time-out when the storage hangs, then at once', async () => {
    const a = await cluster.server('a')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const b = await cluster.server('b')
    await Promise.all([cluster.memcached('n1').suspend(), cluster.memcached('n2').suspend()])
    const started = performance.now()
    const first = await visitor.copy().get(`${b.url}/`)
    expect([first.status, Number(first.headers['retry-after']) > 0]).toEqual([503, true])
    expect(performance.now() - started).toBeLessThan(patience)
    await waitFor(() => b.sessions.stats().nodes.every((node) => node.state === 'down'))
    const operations = () => b.sessions.stats().nodes.map((node) => node.operations)
    const before = operations()
    const second = await visitor.copy().get(`${b.url}/`)
    expect([second.status, second.cookie]).toEqual([503, undefined])
    /* Nobody was asked, so there was nothing to wait for. */
    expect(operations()).toEqual(before)
  })
})

function visitorWith(id: string): Visitor {
  const visitor = new Visitor()
  visitor.id = id
  return visitor
}
