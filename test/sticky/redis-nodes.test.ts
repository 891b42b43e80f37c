import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import { decodeRecord, type SessionRecord } from '../../src/record/record-format.js'
import { startMemcached, startRedis, type TestServer, waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { attributesAt, quick, record, visitorsOf } from '../support/cluster.js'
import { redisCommand } from '../support/redis-command.js'
import { keyOf } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

/** Long enough that no busy machine makes a server look dead, where nothing is meant to die. */
const calm = { ...quick, operationTimeout: '5s' }

let running: { close(): Promise<unknown> }[]

beforeEach(() => {
  running = []
})

afterEach(async () => {
  for (const each of running.reverse()) await each.close()
})

async function redis(args: string[] = []): Promise<TestServer> {
  const server = await startRedis({ args })
  running.push(server)
  return server
}

async function app(route: string, nodes: string, options: object = calm): Promise<AppServer> {
  const server = await startAppServer({ ...options, route, nodes })
  running.push(server)
  return server
}

const url = ({ host, port }: { host: string; port: number }): string => `redis://${host}:${port}`

/** What a server has of a visitor's session. */
async function stored(server: TestServer, visitor: Visitor): Promise<SessionRecord | undefined> {
  const node = openNode(parseNodeAddress(url(server)), { operationTimeout: 5000 })
  try {
    const value = await node.get(keyOf(visitor))
    return value && decodeRecord(value.bytes, keyOf(visitor))
  } finally {
    await node.close()
  }
}

async function contents(server: TestServer, visitors: Visitor[]): Promise<(string | undefined)[]> {
  return Promise.all(visitors.map(async (visitor) => (await stored(server, visitor))?.attributes))
}

describe('sticky sessions on Redis', () => {
  it('are taken over by another server', async () => {
    const nodes = `n1:${url(await redis())}`
    const [a, b] = [await app('a', nodes), await app('b', nodes)]
    const taken = record(b.sessions, 'takenOver')
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada' })
    await a.sessions.flush()
    expect(await attributesAt(b, visitor)).toEqual({ name: 'Ada' })
    await visitor.post(`${b.url}/`, { name: 'Grace' })
    await b.sessions.flush()
    expect(visitor.route).toBe('b')
    expect(taken).toMatchObject([{ from: 'a', node: 'n1' }])
    expect(await attributesAt(a, visitor)).toEqual({ name: 'Grace' })
  })

  it('leave a tombstone when they end, so that no other server goes on with them', async () => {
    const server = await redis()
    const [a, b] = [await app('a', `n1:${url(server)}`), await app('b', `n1:${url(server)}`)]
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada' })
    await a.sessions.flush()
    await attributesAt(b, visitor)
    const copy = visitor.copy()
    await visitor.post(`${b.url}/destroy`, {})
    expect((await stored(server, copy))?.kind).toBe('tombstone')
    expect(await attributesAt(b, copy)).toEqual({})
  })

  it('move from one Redis to another when the first dies', async () => {
    const servers = { n1: await redis(), n2: await redis() }
    const a = await app('a', `n1:${url(servers.n1)},n2:${url(servers.n2)}`, quick)
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    expect(new Set(visitors.map((visitor) => visitor.node))).toEqual(new Set(['n1', 'n2']))
    await servers.n1.kill()
    await waitFor(async () => {
      for (const visitor of visitors) await visitor.post(`${a.url}/`, { again: true })
      return visitors.every((visitor) => visitor.node === 'n2')
    })
    await a.sessions.flush()
    for (const visitor of visitors) expect(await stored(servers.n2, visitor)).toMatchObject({ kind: 'session' })
  })

  it('share a list of nodes with memcached, and move there', async () => {
    const server = await redis()
    const memcached = await startMemcached()
    running.push(memcached)
    const nodes = `n1:${url(server)} n2:${memcached.host}:${memcached.port}`
    const [a, b] = [await app('a', nodes, quick), await app('b', nodes, quick)]
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    expect(new Set(visitors.map((visitor) => visitor.node))).toEqual(new Set(['n1', 'n2']))
    await server.kill()
    await waitFor(() => a.sessions.stats().nodes.some(({ id, state }) => id === 'n1' && state === 'down'))
    await waitFor(async () => {
      for (const visitor of visitors) await visitor.get(`${a.url}/`)
      return visitors.every((visitor) => visitor.node === 'n2')
    })
    await a.sessions.flush()
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
  })
})

describe('sticky sessions on a Redis that comes back', () => {
  it('empty, are stored again without being asked for', async () => {
    const server = await redis()
    const a = await app('a', `n1:${url(server)}`, quick)
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    const before = await contents(server, visitors)
    await server.restart()
    await waitFor(async () => (await contents(server, visitors)).join() === before.join(), { timeout: 15_000 })
  })

  it('with an old snapshot that has the notes of the servers, are stored again as they are now', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-rdb-'))
    running.push({ close: () => rm(folder, { recursive: true }) })
    const server = await redis(['--dir', folder])
    const a = await app('a', `n1:${url(server)}`, quick)
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    expect(await redisCommand(server, 'SAVE')).toBe('+OK')
    for (const visitor of visitors) await visitor.post(`${a.url}/`, { after: 'the snapshot' })
    await a.sessions.flush()
    const before = await contents(server, visitors)
    await server.restart()
    expect(await redisCommand(server, 'EXISTS nothing')).toBe(':0')
    await waitFor(async () => (await contents(server, visitors)).join() === before.join(), { timeout: 15_000 })
    expect(await redisCommand(server, 'DBSIZE')).toBe(`:${visitors.length + 1}`)
  })
})

describe('writes that replicas have to acknowledge', () => {
  const wait = { replicas: 1, timeout: '1s', for: 'security' as const }

  async function replicated(): Promise<{ master: TestServer; replica: TestServer }> {
    const master = await redis()
    const replica = await redis(['--replicaof', master.host, `${master.port}`])
    await waitFor(async () => (await redisCommand(master, 'WAIT 1 100')) === ':1', { timeout: 15_000 })
    return { master, replica }
  }

  it('are on the replica when a destroyed session is answered', async () => {
    const { master, replica } = await replicated()
    const a = await app('a', `n1:${url(master)}`, { ...calm, wait })
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada' })
    await a.sessions.flush()
    const copy = visitor.copy()
    await visitor.post(`${a.url}/destroy`, {})
    expect(await redisCommand(replica, `EXISTS ${keyOf(copy)}`)).toBe(':1')
    expect((await stored(master, copy))?.kind).toBe('tombstone')
    expect(a.sessions.stats().counters.replicaShortfalls).toBe(0)
  })

  it('count as done when replicas are missing, and the shortfall is counted', async () => {
    const server = await redis()
    const a = await app('a', `n1:${url(server)}`, { ...calm, wait: { ...wait, timeout: '20ms' } })
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada' })
    await a.sessions.flush()
    expect(a.sessions.stats().counters.replicaShortfalls).toBe(0)
    const copy = visitor.copy()
    expect((await visitor.post(`${a.url}/destroy`, {})).status).toBe(200)
    expect(a.sessions.stats().counters.replicaShortfalls).toBe(1)
    expect((await stored(server, copy))?.kind).toBe('tombstone')
  })

  it('can be all synchronous backups', async () => {
    const server = await redis()
    const options = { ...calm, backup: { mode: 'sync', timeout: '5s' } }
    const a = await app('a', `n1:${url(server)}`, {
      ...options,
      wait: { ...wait, timeout: '20ms', for: 'synchronous' },
    })
    const visitors = await visitorsOf(a, 5)
    expect(a.sessions.stats().counters.replicaShortfalls).toBeGreaterThanOrEqual(5)
    for (const visitor of visitors) expect(await stored(server, visitor)).toMatchObject({ kind: 'session' })
  })
})
