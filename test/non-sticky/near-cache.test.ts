import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startMemcached, startRedis, type TestRedis, waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { attributesAt } from '../support/cluster.js'
import { keyOf } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

const options = { mode: 'non-sticky', operationTimeout: '5s', nearCache: {} } as const
const patience = { timeout: 20_000 }

let redis: TestRedis
let running: { close(): Promise<unknown> }[]

beforeEach(async () => {
  redis = await startRedis()
  running = [redis]
})

afterEach(async () => {
  for (const each of running.reverse()) await each.close()
})

async function app(changes: object = {}, routes?: (app: Express) => void): Promise<AppServer> {
  const server = await startAppServer({ nodes: `n1:${redis.url}`, ...options, ...changes }, routes)
  running.push(server)
  return server
}

/** Everything that was asked of the values, by whatever command. */
async function operations(): Promise<number> {
  const info = String(await redis.command('INFO', 'commandstats'))
  const calls = [...info.matchAll(/^cmdstat_(?:getex|get|set|del|pexpire|evalsha|eval):calls=(\d+)/gm)]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

const hits = (server: AppServer): number => server.sessions.stats().counters.nearCacheHits

/** Resolves when a request was answered from the server's memory. */
async function warm(server: AppServer, visitor: Visitor): Promise<void> {
  await waitFor(
    async () => {
      const before = hits(server)
      await attributesAt(server, visitor)
      return hits(server) > before
    },
    { ...patience, message: 'a session in the near cache' },
  )
}

async function storedAttributes(visitor: Visitor): Promise<Record<string, unknown>> {
  const reader = await startAppServer({ nodes: `n1:${redis.url}`, mode: 'non-sticky', operationTimeout: '5s' })
  try {
    return await attributesAt(reader, visitor)
  } finally {
    await reader.close()
  }
}

describe('the near cache of non-sticky mode', () => {
  it('a read-only request of a cached session makes no storage operation', async () => {
    const [a, b] = [await app(), await app()]
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada' })
    await warm(a, visitor)
    await warm(b, visitor)
    const before = await operations()
    for (let round = 0; round < 30; round += 1) {
      for (const server of [a, b]) expect(await attributesAt(server, visitor)).toEqual({ name: 'Ada' })
      await visitor.get(`${a.url}/untouched`)
    }
    expect(await operations()).toBe(before)
    const { counters, nodes } = b.sessions.stats()
    expect(counters).toMatchObject({ nearCacheFlushes: 0 })
    expect(counters.nearCacheMisses).toBeGreaterThan(0)
    expect(nodes[0]?.nearCache).toMatchObject({ entries: 1, tracking: true, problem: undefined })
    expect(nodes[0]?.nearCache?.bytes).toBeGreaterThan(100)
  })

  it('is off by default', async () => {
    const server = await app({ nearCache: undefined })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { number: 1 })
    const before = await operations()
    for (let round = 0; round < 5; round += 1) await attributesAt(server, visitor)
    expect(await operations()).toBe(before + 5)
    expect(server.sessions.stats().nodes[0]?.nearCache).toBeUndefined()
    expect(server.sessions.stats().counters).toMatchObject({ nearCacheHits: 0, nearCacheMisses: 0 })
  })

  it('is switched on and off while requests go on', async () => {
    const server = await app({ nearCache: undefined })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { number: 1 })
    server.sessions.reconfigure({ nearCache: { maxBytes: '1MB' } })
    await warm(server, visitor)
    server.sessions.reconfigure({ nearCache: undefined })
    const before = hits(server)
    expect(await attributesAt(server, visitor)).toEqual({ number: 1 })
    expect(hits(server)).toBe(before)
  })

  it('a change on another server is seen', async () => {
    const [a, b] = [await app(), await app()]
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 0 })
    for (let round = 1; round <= 20; round += 1) {
      await warm(b, visitor)
      await visitor.post(`${a.url}/`, { number: round })
      expect(await attributesAt(a, visitor)).toEqual({ number: round })
      await waitFor(async () => (await attributesAt(b, visitor)).number === round, patience)
    }
  })

  it('a logout on another server is seen, and leaves nothing that could be used again', async () => {
    const [a, b] = [await app(), await app()]
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada' })
    await warm(b, visitor)
    const thief = visitor.copy()
    await visitor.post(`${a.url}/destroy`, {})
    await waitFor(async () => (await attributesAt(b, thief.copy())).name === undefined, patience)
    expect(await attributesAt(a, thief.copy())).toEqual({})
    await thief.copy().post(`${b.url}/`, { evil: true })
    expect(await attributesAt(a, thief.copy())).toEqual({})
  })

  it('a write from a cached state never brings an ended session back', async () => {
    const [a, b] = [await app(), await app()]
    for (let round = 0; round < 20; round += 1) {
      const visitor = new Visitor()
      await visitor.post(`${a.url}/`, { name: 'Ada' })
      await warm(b, visitor)
      const [here, there] = [visitor.copy(), visitor.copy()]
      await Promise.all([here.post(`${a.url}/destroy`, {}), there.post(`${b.url}/`, { late: true })])
      await waitFor(async () => (await attributesAt(b, visitor.copy())).name === undefined, patience)
      expect(await attributesAt(a, visitor.copy())).toEqual({})
    }
  })

  it('loses no update when both servers write from what they have in memory', async () => {
    const servers = [await app(), await app()]
    const visitor = new Visitor()
    await visitor.post(`${servers[0]?.url}/`, { start: true })
    const expected: Record<string, unknown> = { start: true }
    for (let round = 0; round < 50; round += 1) {
      for (const server of servers) await attributesAt(server, visitor)
      const requests = Array.from({ length: 8 }, (_, number) => {
        expected[`r${round}n${number}`] = round
        return visitor.copy().post(`${servers[number % 2]?.url}/`, { [`r${round}n${number}`]: round })
      })
      const answers = await Promise.all(requests)
      expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
    }
    expect(await storedAttributes(visitor)).toEqual(expected)
    expect(servers.reduce((sum, server) => sum + hits(server), 0)).toBeGreaterThan(0)
  })

  it('does not serve what is read under a lock', async () => {
    const locking = { mode: 'uri', pattern: '^/count', timeout: '20s' } as const
    const count = (server: Express) => {
      server.post('/count', (req, res) => {
        const session = sessionOf(req)
        session.number = Number(session.number ?? 0) + 1
        res.send('counted')
      })
    }
    const servers = [await app({ locking }, count), await app({ locking }, count)]
    const visitor = new Visitor()
    await visitor.post(`${servers[0]?.url}/`, { number: 0 })
    for (let round = 0; round < 20; round += 1) {
      for (const server of servers) await attributesAt(server, visitor)
      const both = servers.map((server) => visitor.copy().post(`${server.url}/count`, {}))
      expect((await Promise.all(both)).map(({ status }) => status)).toEqual([200, 200])
    }
    expect(await storedAttributes(visitor)).toEqual({ number: 40 })
  })

  it('keeps a session alive that is only read from memory', async () => {
    const server = await app({ idleTimeout: '3s' })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { name: 'Ada' })
    const end = performance.now() + 7000
    while (performance.now() < end) {
      expect(await attributesAt(server, visitor)).toEqual({ name: 'Ada' })
      expect(Number(await redis.command('PTTL', keyOf(visitor)))).toBeGreaterThan(0)
    }
    expect(hits(server)).toBeGreaterThan(10)
    await waitFor(async () => (await redis.command('EXISTS', keyOf(visitor))) === 0, patience)
    expect(await attributesAt(server, visitor.copy())).toEqual({})
  })

  it('keeps an absolute end, and reads from memory until then', async () => {
    const server = await app({ idleTimeout: 'none', absoluteTimeout: '3s' })
    const visitor = new Visitor()
    const created = performance.now()
    await visitor.post(`${server.url}/`, { name: 'Ada' })
    await warm(server, visitor)
    await waitFor(async () => (await attributesAt(server, visitor.copy())).name === undefined, patience)
    expect(performance.now() - created).toBeLessThan(30_000)
  })

  it('is used only where the node is a Redis', async () => {
    const memcached = await startMemcached()
    running.push(memcached)
    const nodes = `n1:${redis.url} n2:memcached://${memcached.host}:${memcached.port}`
    const server = await app({ nodes })
    const visitors: Visitor[] = []
    /* On a busy machine one of them may be late at first, and get no sessions for a while. */
    await waitFor(async () => {
      const visitor = new Visitor()
      visitors.push(visitor)
      await visitor.post(`${server.url}/`, { number: 1 })
      return new Set(visitors.map(({ node }) => node)).size === 2
    })
    for (const visitor of visitors) expect(await attributesAt(server, visitor)).toEqual({ number: 1 })
    await warm(server, visitors.find(({ node }) => node === 'n1') as Visitor)
    const remote = visitors.find(({ node }) => node === 'n2') as Visitor
    const before = hits(server)
    for (let round = 0; round < 3; round += 1) expect(await attributesAt(server, remote)).toEqual({ number: 1 })
    expect(hits(server)).toBe(before)
    expect(server.sessions.stats().nodes.map(({ nearCache }) => nearCache !== undefined)).toEqual([true, false])
  })
})

describe('the near cache in sticky mode', () => {
  it('is not used: a verification asks the storage', async () => {
    const server = await app({ mode: 'sticky', route: 'a', trustFor: 0 })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { number: 1 })
    await server.sessions.flush()
    const before = await operations()
    for (let round = 0; round < 5; round += 1) await attributesAt(server, visitor)
    expect(await operations()).toBeGreaterThanOrEqual(before + 5)
    expect(hits(server)).toBe(0)
    expect(String(await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub'))).toBe('')
  })
})
