import { setTimeout as sleep } from 'node:timers/promises'
import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

type Locking = NonNullable<HoldfastOptions['locking']>

/** Reads, waits a moment, and writes: what is lost where two do that at once. */
function addIncrements(app: Express): void {
  app.post('/increment', async (req, res) => {
    const session = sessionOf(req)
    const count = (session.count as number | undefined) ?? 0
    await sleep(1)
    session.count = count + 1
    res.send('done')
  })
  app.post('/app-increment', async (req, res) => {
    const session = sessionOf(req)
    await session.lock(async () => {
      const count = (session.count as number | undefined) ?? 0
      await sleep(1)
      session.count = count + 1
    })
    res.send('done')
  })
}

describe('locking without stickiness', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let gate: Gate

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    gate = new Gate()
    visitor = new Visitor()
  })

  afterEach(async () => {
    gate.open()
    await cluster.close()
  })

  async function start(locking: Locking): Promise<void> {
    const routes = (app: Express) => {
      addIncrements(app)
      app.get('/slow', async (req, res) => {
        await gate.pass()
        res.json(sessionOf(req).count ?? null)
      })
      app.post('/slow', async (req, res) => {
        sessionOf(req).slow = true
        await gate.pass()
        res.send('done')
      })
      app.post('/nested', async (req, res) => {
        const session = sessionOf(req)
        const hold = await session.lock()
        session.nested = true
        await hold.release()
        await hold.release()
        await session.lock(() => {
          session.again = true
        })
        res.send('done')
      })
      app.post('/forgotten', async (req, res) => {
        const session = sessionOf(req)
        await session.lock()
        session.forgotten = true
        res.send('done')
      })
    }
    a = await cluster.server('a', { mode: 'non-sticky', locking }, routes)
    b = await cluster.server('b', { mode: 'non-sticky', locking }, routes)
    await visitor.post(`${a.url}/`, { began: true })
  }

  async function increments(count: number, path: string): Promise<void> {
    const answers = await Promise.all(
      Array.from({ length: count }, (_, i) => visitor.copy().post(`${(i % 2 === 0 ? a : b).url}${path}`, {})),
    )
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]))
  }

  it.each([
    ['all', '/increment'],
    ['auto', '/increment'],
    ['uri', '/increment'],
    ['app', '/app-increment'],
  ] as const)('200 overlapping increments on two servers are exactly 200 (%s)', async (mode, path) => {
    await start({ mode, timeout: '60s', maxWaiters: 500, ...(mode === 'uri' ? { pattern: '^/increment' } : {}) })
    /* Something to learn from. */
    for (let i = 0; i < 5; i++) await attributesAt(i % 2 === 0 ? a : b, visitor)
    await increments(200, path)
    expect((await attributesAt(a, visitor)).count).toBe(200)
    expect((await attributesAt(b, visitor)).count).toBe(200)
    const [first, second] = [a.sessions.stats().counters, b.sessions.stats().counters]
    expect(first.locksAcquired + second.locksAcquired).toBeGreaterThanOrEqual(200)
    expect(first.lockWaits + second.lockWaits).toBeGreaterThan(0)
    await waitFor(() => a.sessions.stats().locksHeld + b.sessions.stats().locksHeld === 0)
  })

  it('without a lock such increments may be lost, other attributes never', async () => {
    await start({ mode: 'none' })
    await Promise.all([
      increments(50, '/increment'),
      ...Array.from({ length: 50 }, (_, i) => visitor.copy().post(`${(i % 2 === 0 ? a : b).url}/`, { [`x${i}`]: i })),
    ])
    const seen = await attributesAt(a, visitor)
    expect(Object.keys(seen).filter((name) => name.startsWith('x'))).toHaveLength(50)
  })

  it('a request that waits in vain gets 503 with Retry-After, and an event tells', async () => {
    await start({ mode: 'all', timeout: '200ms' })
    const timeouts = record(b.sessions, 'lockTimeout')
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    const answer = await visitor.copy().get(`${b.url}/`)
    expect(answer.status).toBe(503)
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    expect(timeouts).toMatchObject([{ handle: expect.stringMatching(/^.{12}$/) }])
    expect(b.sessions.stats().counters.lockTimeouts).toBe(1)
    gate.open()
    expect((await slow).status).toBe(200)
    await waitFor(async () => (await visitor.copy().get(`${b.url}/`)).status === 200)
  })

  it('or goes on without the lock, where that is configured, and loses nothing', async () => {
    await start({ mode: 'all', timeout: '200ms', onTimeout: 'proceed' })
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    expect((await visitor.copy().post(`${b.url}/`, { quick: true })).status).toBe(200)
    gate.open()
    await slow
    expect(await attributesAt(b, visitor)).toEqual({ began: true, quick: true, slow: true })
  })

  it('the mode can be changed while running', async () => {
    await start({ mode: 'all', timeout: '200ms' })
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    expect((await visitor.copy().get(`${b.url}/`)).status).toBe(503)
    b.sessions.reconfigure({ locking: { mode: 'none' } })
    expect((await visitor.copy().get(`${b.url}/`)).status).toBe(200)
    gate.open()
    await slow
  })

  it('auto: a request that is known to read does not wait for a long one that writes', async () => {
    await start({ mode: 'auto', timeout: '10s' })
    for (let i = 0; i < 5; i++) await visitor.copy().get(`${b.url}/`)
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    const acquired = b.sessions.stats().counters.locksAcquired
    expect((await visitor.copy().get(`${b.url}/`)).status).toBe(200)
    expect(b.sessions.stats().counters.locksAcquired).toBe(acquired)
    gate.open()
    await slow
  })

  it('uri: requests that do not match never wait', async () => {
    await start({ mode: 'uri', pattern: '^/slow', timeout: '200ms' })
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    expect((await visitor.copy().get(`${b.url}/`)).status).toBe(200)
    expect((await visitor.copy().get(`${b.url}/slow`)).status).toBe(503)
    gate.open()
    await slow
  })

  it('app: the lock can be taken again by the one who has it, under request locks too', async () => {
    for (const mode of ['app', 'all'] as const) {
      await start({ mode, timeout: '1s' })
      expect((await visitor.copy().post(`${a.url}/nested`, {})).status).toBe(200)
      expect(await attributesAt(b, visitor)).toMatchObject({ nested: true, again: true })
      await waitFor(() => a.sessions.stats().locksHeld === 0)
    }
  })

  it('app: a lock that nobody released goes with the response', async () => {
    await start({ mode: 'app', timeout: '1s' })
    await visitor.copy().post(`${a.url}/forgotten`, {})
    await waitFor(() => a.sessions.stats().locksHeld === 0)
    expect((await visitor.copy().post(`${b.url}/nested`, {})).status).toBe(200)
  })

  it('app: a job outside of a request can hold it', async () => {
    await start({ mode: 'app', timeout: '10s' })
    const session = (await b.sessions.get(visitor.id as string)) as unknown as {
      count?: number
      lock<T>(work: () => Promise<T>): Promise<T>
    }
    await Promise.all([
      session.lock(async () => {
        await sleep(5)
        session.count = (session.count ?? 0) + 100
      }),
      increments(20, '/app-increment'),
    ])
    expect((await attributesAt(a, visitor)).count).toBe(120)
  })

  it('in sticky mode the requests of this server take turns', async () => {
    await start({ mode: 'all', timeout: '10s' })
    for (const server of [a]) server.sessions.reconfigure({ mode: 'sticky' })
    const answers = Array.from({ length: 20 }, () => visitor.copy().post(`${a.url}/increment`, {}))
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual(Array(20).fill(200))
    expect((await attributesAt(a, visitor)).count).toBe(20)
  })
})

describe('a server that is killed while it holds a lock', () => {
  it.each(['all', 'app'] as const)('holds up the others until the lock expires (%s)', async (mode) => {
    const cluster = await Cluster.of('n1', 'n2')
    const locking: Locking = { mode, expiry: '4s', timeout: '1m' }
    const victim = await cluster.process('victim', { mode: 'non-sticky', locking })
    const survivor = await cluster.server('survivor', { mode: 'non-sticky', locking }, addIncrements)
    const visitor = new Visitor()
    await visitor.post(`${victim.url}/`, { began: true })
    const held = visitor.copy().post(`${victim.url}/hold-lock`, {})
    held.catch(() => {})
    await waitFor(async () => (await victim.stats()).locksHeld === 1)
    await victim.kill()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => visitor.copy().post(`${survivor.url}/app-increment`, {})),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(10).fill(200))
    expect((await attributesAt(survivor, visitor)).count).toBe(10)
    expect(survivor.sessions.stats().counters.lockWaits).toBeGreaterThan(0)
    await cluster.close()
  })
})
