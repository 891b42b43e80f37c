import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { exchange } from '../../src/testing/exchange.js'
import { waitFor } from '../../src/testing/index.js'
import { startPair } from '../non-sticky/non-sticky-fixture.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate } from '../support/cluster.js'
import { keyOf } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

const [set, add] = [0x01, 0x02]

describe('where locks of memcached-session-manager do not hold', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let gates: Record<string, Gate>
  let runs: number

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    visitor = new Visitor()
    gates = { one: new Gate(), two: new Gate() }
    runs = 0
  })

  afterEach(async () => {
    for (const gate of Object.values(gates)) gate.open()
    await cluster.close()
  })

  function addRoutes(app: Express): void {
    app.post('/held/:name', async (req, res) => {
      const name = req.params.name as string
      sessionOf(req)[name] = true
      await gates[name]?.pass()
      res.send('done')
    })
    app.post('/count', async (req, res) => {
      runs++
      const count = (sessionOf(req).count as number | undefined) ?? 0
      await new Promise((resolve) => setImmediate(resolve))
      sessionOf(req).count = count + 1
      res.send('done')
    })
    app.get('/page', (req, res) => {
      if (req.query.write !== undefined) sessionOf(req)[req.query.write as string] = true
      res.json(sessionOf(req).began)
    })
  }

  async function start(locking: HoldfastOptions['locking'], options: Partial<HoldfastOptions> = {}): Promise<void> {
    ;[a, b] = await startPair(cluster, { locking, ...options }, addRoutes)
    await visitor.post(`${a.url}/`, { began: true })
    await waitFor(() => a.sessions.stats().locksHeld === 0)
  }

  async function hold(server: AppServer, name: string): Promise<Promise<unknown>[]> {
    const request = visitor.copy().post(`${server.url}/held/${name}`, {})
    await waitFor(() => gates[name]?.waiting === 1)
    return [request]
  }

  /** What the nodes say of the session's lock: its life in seconds and its version; `undefined`: there is none. */
  async function lockOn(): Promise<{ node: string; key: string; life: number; version: string } | undefined> {
    const key = keyOf(visitor).replace(':', ':lock:')
    for (const node of ['n1', 'n2']) {
      const [, life, version = ''] = /^HD t(\S+) c(\d+)/.exec(await tell(node, `mg ${key} t c`)) ?? []
      if (life !== undefined) return { node, key, life: Number(life), version }
    }
    return undefined
  }

  function tell(node: string, command: string): Promise<string> {
    return exchange(cluster.memcached(node), command, (text) => text.endsWith('\r\n'))
  }

  it('W3: a lock is renewed while its request lives, so that no other gets in between', async () => {
    await start({ mode: 'all', expiry: '2s', timeout: '10s' })
    const [first] = await hold(a, 'one')
    const taken = await lockOn()
    const second = visitor.copy().post(`${b.url}/count`, {})
    await waitFor(async () => (await lockOn())?.version !== taken?.version, { message: 'the renewal' })
    expect([runs, b.sessions.stats().lockWaiters]).toEqual([0, 1])
    gates.one?.open()
    await Promise.all([first, second])
    expect(await attributesAt(a, visitor)).toEqual({ began: true, one: true, count: 1 })
  })

  it("W3: whoever lost its lock neither releases another one's, nor drops its changes", async () => {
    await start({ mode: 'all', timeout: '10s' })
    const [first] = await hold(a, 'one')
    const lost = await lockOn()
    await tell(lost?.node as string, `delete ${lost?.key}`)
    const [second] = await hold(b, 'two')
    const taken = await lockOn()
    gates.one?.open()
    await first
    await waitFor(() => a.sessions.stats().locksHeld === 0)
    expect(await lockOn()).toMatchObject({ version: taken?.version })
    const third = visitor.copy().post(`${a.url}/count`, {})
    await waitFor(() => a.sessions.stats().lockWaiters === 1)
    expect(runs).toBe(0)
    gates.two?.open()
    await Promise.all([second, third])
    expect(await attributesAt(a, visitor)).toEqual({ began: true, one: true, two: true, count: 1 })
  })

  it('W14: a lock is released when what was changed under it can be read, however slow the storage is', async () => {
    const slow = await Promise.all(['n1', 'n2'].map((id) => cluster.faulty(id)))
    const [n1, n2] = slow as [(typeof slow)[0], (typeof slow)[0]]
    await start({ mode: 'all', timeout: '10s' }, { nodes: cluster.nodes({ n1, n2 }) })
    for (const node of slow) node.fail({ kind: 'delay', ms: 20 }, { opcode: set })
    await Promise.all(Array.from({ length: 12 }, (_, i) => visitor.copy().post(`${(i % 2 ? a : b).url}/count`, {})))
    expect((await attributesAt(a, visitor)).count).toBe(12)
  })

  it('W15: a lock expires by itself from its first moment on', async () => {
    await start({ mode: 'all', expiry: '5s', timeout: '10s' })
    const [first] = await hold(a, 'one')
    const { life } = (await lockOn()) ?? { life: -1 }
    expect(life).toBeGreaterThan(0)
    expect(life).toBeLessThanOrEqual(5)
    gates.one?.open()
    await first
  })

  it('W15: a lock whose answer was lost holds nobody up until it expires', async () => {
    const lossy = await Promise.all(['n1', 'n2'].map((id) => cluster.faulty(id)))
    const [n1, n2] = lossy as [(typeof lossy)[0], (typeof lossy)[0]]
    await start({ mode: 'all', expiry: '60s', timeout: '10s' }, { nodes: cluster.nodes({ n1, n2 }) })
    for (const node of lossy) node.fail({ kind: 'unanswered' }, { opcode: add, requests: 1 })
    expect((await visitor.copy().post(`${a.url}/count`, {})).status).toBe(200)
    expect((await visitor.copy().post(`${b.url}/count`, {})).status).toBe(200)
    expect((await attributesAt(b, visitor)).count).toBe(2)
    await waitFor(async () => (await lockOn()) === undefined, { message: 'no lock to be left' })
  })

  it('W22: a request that waited in vain does not run at all, or writes behind the fence', async () => {
    await start({ mode: 'all', timeout: '100ms' })
    const [first] = await hold(a, 'one')
    expect((await visitor.copy().post(`${b.url}/count`, {})).status).toBe(503)
    expect(runs).toBe(0)
    b.sessions.reconfigure({ locking: { onTimeout: 'proceed' } })
    expect((await visitor.copy().post(`${b.url}/count`, {})).status).toBe(200)
    gates.one?.open()
    await first
    expect(await attributesAt(b, visitor)).toEqual({ began: true, one: true, count: 1 })
    expect(a.sessions.stats().counters.conflicts).toBeGreaterThan(0)
  })

  it('W23: a request that was learned to read only, and writes after all, loses nothing, and locks from then on', async () => {
    await start({ mode: 'auto', timeout: '10s' })
    for (let i = 0; i < 4; i++) await visitor.copy().get(`${b.url}/page?visit=${i}`)
    const [first] = await hold(a, 'one')
    const acquired = () => b.sessions.stats().counters.locksAcquired
    const before = acquired()
    expect((await visitor.copy().get(`${b.url}/page?write=late`)).status).toBe(200)
    expect(acquired()).toBe(before)
    gates.one?.open()
    await first
    expect(await attributesAt(a, visitor)).toEqual({ began: true, one: true, late: true })
    await visitor.copy().get(`${b.url}/page`)
    expect(acquired()).toBe(before + 1)
  })

  it('W2: a logout holds although it waited for the lock in vain and went on without', async () => {
    await start({ mode: 'all', timeout: '100ms', onTimeout: 'proceed' })
    const [slow] = await hold(b, 'one')
    const old = visitor.copy()
    await visitor.post(`${a.url}/destroy`, {})
    gates.one?.open()
    await slow
    for (const server of [a, b]) expect(await attributesAt(server, old.copy())).toEqual({})
  })
})
