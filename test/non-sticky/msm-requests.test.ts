import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { exchange } from '../../src/testing/exchange.js'
import { waitFor } from '../../src/testing/index.js'
import { sessionIdOf, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate } from '../support/cluster.js'
import { keyOf, storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'
import {
  keysOn,
  lockingModes,
  operations,
  requestLocking,
  startPair,
  timeToLive,
  usedSteadily,
} from './non-sticky-fixture.js'

let cluster: Cluster
let gate: Gate
let visitor: Visitor

beforeEach(() => {
  gate = new Gate()
  visitor = new Visitor()
})

afterEach(async () => {
  gate.open()
  await cluster.close()
})

function addRoutes(app: Express): void {
  app.post('/slow', async (req, res) => {
    sessionOf(req).k2 = 'v2'
    await gate.pass()
    res.send('done')
  })
  app.get('/slow', async (req, res) => {
    await gate.pass()
    res.json(sessionOf(req).k1 ?? null)
  })
  app.post('/login', async (req, res) => {
    await sessionOf(req).regenerate({ keep: true })
    sessionOf(req).user = 'ann'
    res.json({ id: sessionIdOf(req) })
  })
  app.get('/pixel.gif', (req, res) => void res.json((req as unknown as { session?: unknown }).session === undefined))
}

describe('a session of any server', () => {
  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  it('M26: stands under a new key on both nodes, and the old one is dead on both, when the id changes at a login', async () => {
    const [a, b] = await startPair(cluster, {}, addRoutes)
    await visitor.post(`${a.url}/`, { cart: ['tea'] })
    const before = visitor.copy()
    await visitor.post(`${b.url}/login`, {})
    expect(visitor.token).not.toBe(before.token)
    for (const node of ['n1', 'n2']) {
      const place = cluster.memcached(node)
      expect(await storedSession(place, before)).toMatchObject({ kind: 'tombstone' })
      expect((await storedSession(place, visitor))?.attributes).toEqual({ cart: ['tea'], user: 'ann' })
      await waitFor(async () => (await keysOn(cluster, node)).length === 2, { message: 'two keys' })
    }
    for (const server of [a, b]) expect(await attributesAt(server, before.copy())).toEqual({})
  })

  it('M27: never expires by itself, on any node, when sessions have no idle timeout', async () => {
    const [a] = await startPair(cluster, { idleTimeout: 'none' })
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    for (const node of ['n1', 'n2']) expect(await timeToLive(cluster, node, visitor)).toBe(-1)
  })

  it('M28: nor after a request that did not use it, on a server that did not know it', async () => {
    const [a, b] = await startPair(cluster, { idleTimeout: 'none' })
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    const before = await operations(cluster)
    await visitor.get(`${b.url}/untouched`)
    expect((await operations(cluster)) - before).toBe(1)
    for (const node of ['n1', 'n2']) expect(await timeToLive(cluster, node, visitor)).toBe(-1)
  })

  it.each(lockingModes.filter(([name]) => name === 'none' || name === 'app'))(
    'M32: is one instance for the requests of a server until the last of them ends, locking %s',
    async (_name, locking) => {
      const [a] = await startPair(cluster, { locking }, addRoutes)
      await visitor.post(`${a.url}/`, { k1: 'v1' })
      const requests = [visitor.copy().post(`${a.url}/slow`, {}), visitor.copy().post(`${a.url}/slow`, {})]
      await waitFor(() => gate.waiting === 2)
      expect(a.sessions.stats().activeSessions).toBe(1)
      await visitor.copy().post(`${a.url}/`, { k3: 'v3' })
      expect(a.sessions.stats().activeSessions).toBe(1)
      expect(await attributesAt(a, visitor)).toEqual({ k1: 'v1', k2: 'v2', k3: 'v3' })
      gate.open()
      await Promise.all(requests)
      await waitFor(() => a.sessions.stats().activeSessions === 0)
    },
  )

  it('M33: costs nothing when the id is none of ours, and one look at each node when it leads nowhere', async () => {
    const [a, b] = await startPair(cluster)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    const forged = visitor.copy()
    forged.id = `${visitor.token?.slice(0, -4)}AAAA-n1`
    const before = await operations(cluster)
    await forged.get(`${b.url}/`)
    expect(await operations(cluster)).toBe(before)
    await Promise.all(['n1', 'n2'].map((node) => cluster.memcached(node).flushAll()))
    expect(await attributesAt(b, visitor.copy())).toEqual({})
    expect((await operations(cluster)) - before).toBe(2)
  })

  it('M56: is seen on a server as another one has just changed it', async () => {
    const [a, b] = await startPair(cluster)
    await visitor.post(`${a.url}/`, { value: 'old' })
    await visitor.post(`${b.url}/`, { value: 'new' })
    expect(await attributesAt(a, visitor)).toEqual({ value: 'new' })
  })

  it.each(lockingModes)(
    'M57: keeps the changes of overlapping requests on two servers, locking %s',
    async (_, locking) => {
      const [a, b] = await startPair(cluster, { locking }, addRoutes)
      await visitor.post(`${a.url}/`, { k1: 'v1' })
      const slow = visitor.copy().post(`${a.url}/slow`, {})
      await waitFor(() => gate.waiting === 1)
      const quick = visitor.copy().post(`${b.url}/`, { k3: 'v3' })
      const locks = requestLocking.some(([, { mode }]) => mode === locking.mode)
      await (locks ? waitFor(() => b.sessions.stats().lockWaiters === 1) : quick)
      gate.open()
      expect([(await slow).status, (await quick).status]).toEqual([200, 200])
      expect(await attributesAt(b, visitor)).toEqual({ k1: 'v1', k2: 'v2', k3: 'v3' })
    },
  )

  it('M60: never expires while it is read, on both nodes, in all locking modes', async () => {
    const readOn = async ([name, locking]: (typeof lockingModes)[number]) => {
      const [a, b] = await startPair(cluster, { locking, idleTimeout: '2s' })
      let turn = 0
      const begin = async () => {
        const reader = new Visitor()
        await reader.post(`${a.url}/`, { name })
        return reader
      }
      const read = async (reader: Visitor) => {
        const seen = await attributesAt(turn++ % 2 === 0 ? a : b, reader.copy())
        const lives = await Promise.all(['n1', 'n2'].map((node) => timeToLive(cluster, node, reader)))
        return [seen, lives.every((life) => life > 0)]
      }
      expect(await usedSteadily({ duration: 4500, longestGap: 1800 }, begin, read)).toEqual([{ name }, true])
    }
    await Promise.all(lockingModes.map(readOn))
  })

  it('M62: is on both nodes when the response is there', async () => {
    const [a] = await startPair(cluster)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    for (const node of ['n1', 'n2']) {
      expect((await storedSession(cluster.memcached(node), visitor))?.attributes).toEqual({ foo: 'bar' })
    }
  })

  it('M66: is fetched once, and not written, for a request that does not touch it; its life is renewed by that', async () => {
    const [a, b] = await startPair(cluster, { idleTimeout: '1h' })
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    const primary = cluster.memcached(visitor)
    const writes = async () => Number((await primary.stats()).cmd_set)
    /* From now on it knows how long the session lives. */
    await visitor.get(`${b.url}/untouched`)
    await exchange(primary, `touch ${keyOf(visitor)} 60`, (text) => text.endsWith('\r\n'))
    const [before, written] = [await operations(cluster), await writes()]
    await visitor.get(`${b.url}/untouched`)
    expect([(await operations(cluster)) - before, (await writes()) - written]).toEqual([1, 0])
    expect(await timeToLive(cluster, visitor.node as string, visitor)).toBeGreaterThan(3600)
  })

  it('M67: costs nothing at an ignored URL; changes are seen elsewhere afterwards', async () => {
    const [a, b] = await startPair(cluster, { ignore: '\\.gif$', locking: { mode: 'auto' } }, addRoutes)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    const before = await operations(cluster)
    const answer = await visitor.copy().get(`${b.url}/pixel.gif`)
    expect([answer.json(), answer.headers['set-cookie']]).toEqual([true, undefined])
    expect(await operations(cluster)).toBe(before)
    await visitor.post(`${a.url}/`, { foo: 'baz' })
    expect(await attributesAt(b, visitor)).toEqual({ foo: 'baz' })
  })

  it('M71: holds a login that one server made at the other, and what is set there at the first', async () => {
    const [a, b] = await startPair(cluster, {}, addRoutes)
    await visitor.get(`${a.url}/`)
    await visitor.post(`${b.url}/login`, {})
    const { id } = visitor
    await visitor.post(`${b.url}/`, { foo: 'bar' })
    expect(await attributesAt(a, visitor)).toEqual({ user: 'ann', foo: 'bar' })
    expect(visitor.id).toBe(id)
  })

  it.each(requestLocking)(
    'M72: leaves a tombstone on both nodes, and no lock, when it is ended; locking %s',
    async (_, locking) => {
      const [a, b] = await startPair(cluster, { locking })
      await visitor.post(`${a.url}/`, { foo: 'bar' })
      await visitor.post(`${b.url}/destroy`, {})
      await waitFor(() => b.sessions.stats().locksHeld === 0)
      const lockKeys = async () => [...(await keysOn(cluster, 'n1')), ...(await keysOn(cluster, 'n2'))].filter(isLock)
      await waitFor(async () => (await lockKeys()).length === 0, { message: 'the lock to be gone' })
      for (const node of ['n1', 'n2']) {
        expect(await storedSession(cluster.memcached(node), visitor)).toMatchObject({ kind: 'tombstone' })
      }
      expect(await attributesAt(a, visitor.copy())).toEqual({})
    },
  )
})

describe('locks of sessions', () => {
  it.each(requestLocking)(
    'M54: work with a single node without id; both values are kept, locking %s',
    async (_, locking) => {
      cluster = await Cluster.of('n1')
      const { host, port } = cluster.memcached('n1')
      const [a, b] = await startPair(cluster, { nodes: `${host}:${port}`, locking })
      await visitor.post(`${a.url}/`, { k1: 'v1' })
      expect(visitor.id).toBe(visitor.token)
      expect(await attributesAt(b, visitor)).toEqual({ k1: 'v1' })
      await visitor.post(`${b.url}/`, { k2: 'v2' })
      expect(await attributesAt(a, visitor)).toEqual({ k1: 'v1', k2: 'v2' })
      expect(a.sessions.stats().counters.locksAcquired + b.sessions.stats().counters.locksAcquired).toBeGreaterThan(1)
    },
  )

  it.each(requestLocking)(
    'M55: let a request on another server wait for all that overlap on one, locking %s',
    async (_, locking) => {
      cluster = await Cluster.of('n1', 'n2')
      const [a, b] = await startPair(cluster, { locking }, addRoutes)
      await visitor.post(`${a.url}/`, { k1: 'v1' })
      const slow = visitor.copy().post(`${a.url}/slow`, {})
      await waitFor(() => gate.waiting === 1)
      const next = visitor.copy().post(`${a.url}/`, { k3: 'v3' })
      await waitFor(() => a.sessions.stats().lockWaiters === 1)
      const last = attributesAt(b, visitor.copy())
      await waitFor(() => b.sessions.stats().lockWaiters === 1)
      gate.open()
      await Promise.all([slow, next])
      expect(await last).toMatchObject({ k1: 'v1', k2: 'v2' })
      expect(await attributesAt(b, visitor)).toEqual({ k1: 'v1', k2: 'v2', k3: 'v3' })
    },
  )

  it('M58: of the mode auto hold no request that is known to read only: two at once, and one beside a long one that writes', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const learning = new Gate()
    learning.open()
    const [a, b] = await startPair(cluster, { locking: { mode: 'auto', timeout: '10s' } }, (app) => {
      app.get('/read', async (req, res) => {
        await (visitor.id === undefined ? learning : gate).pass()
        res.json(sessionOf(req).k1)
      })
      addRoutes(app)
    })
    await visitor.post(`${a.url}/`, { k1: 'v1' })
    const learner = visitor.copy()
    const pass = gate
    gate = learning
    for (let i = 0; i < 4; i++) for (const { url } of [a, b]) await learner.copy().get(`${url}/read`)
    gate = pass
    const reads = [a, a, b].map(({ url }) => visitor.copy().get(`${url}/read`))
    const writes = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 4, { message: 'all to be inside at once' })
    gate.open()
    expect((await Promise.all(reads)).map((answer) => answer.json())).toEqual(['v1', 'v1', 'v1'])
    expect((await writes).status).toBe(200)
  })

  it('M59: by pattern hold requests that match, and no others', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const locking = { mode: 'uri', pattern: '^/slow', timeout: '10s' } as const
    const [a, b] = await startPair(cluster, { locking }, addRoutes)
    await visitor.post(`${a.url}/`, { k1: 'v1' })
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    expect(await attributesAt(b, visitor.copy())).toMatchObject({ k1: 'v1' })
    const second = visitor.copy().get(`${b.url}/slow`)
    await waitFor(() => b.sessions.stats().lockWaiters === 1)
    expect(gate.waiting).toBe(1)
    gate.open()
    expect([(await slow).status, (await second).status]).toEqual([200, 200])
  })
})

function isLock(key: string): boolean {
  return key.includes('lock:')
}
