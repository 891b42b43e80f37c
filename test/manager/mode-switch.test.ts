import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/session/session.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, visitorsOf } from '../support/cluster.js'
import { type Load, startLoad } from '../support/load.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

const nodes = ['n1', 'n2']

describe('a change of the mode at run time', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let gate: Gate
  let turn = 0

  beforeEach(async () => {
    cluster = await Cluster.of(...nodes)
    gate = new Gate()
  })

  afterEach(() => cluster.close())

  async function startServers(mode: 'sticky' | 'non-sticky', backup: object = {}): Promise<void> {
    const routes: Parameters<typeof cluster.server>[2] = (app, sessions) => {
      app.post('/slow/:name', async (req, res) => {
        const session = sessionOf(req)
        session.seen = true
        await gate.pass()
        session[req.params.name as string] = true
        res.send('done')
      })
      app.post('/job', async (req, res) => {
        const session = (await sessions.get(req.body.id)) as Session
        await gate.pass()
        Object.assign(session, { job: true })
        await session.save()
        res.send('done')
      })
    }
    a = await cluster.server('a', { mode, backup: backup as never }, routes)
    b = await cluster.server('b', { mode, backup: backup as never }, routes)
  }

  /* As a load balancer does that knows routes: who has none may come to any server. */
  function balanced(visitor: Visitor): string {
    if (visitor.route === 'a') return a.url
    if (visitor.route === 'b') return b.url
    return (turn++ % 2 === 0 ? a : b).url
  }

  function change(server: AppServer, mode: 'sticky' | 'non-sticky'): void {
    server.sessions.reconfigure({ mode })
  }

  async function answersGrow(load: Load): Promise<void> {
    const { answers } = load.report
    await waitFor(() => load.report.answers > answers + 200, { timeout: 15_000 })
  }

  async function copiesOf(visitor: Visitor): Promise<string[]> {
    const found = await Promise.all(nodes.map((id) => storedSession(cluster.memcached(id), visitor)))
    return nodes.filter((_, i) => found[i]?.kind === 'session')
  }

  async function haveTwoCopies(visitors: readonly Visitor[]): Promise<void> {
    for (const visitor of visitors) {
      await waitFor(async () => (await copiesOf(visitor)).length === 2, { timeout: 10_000, message: 'the second copy' })
    }
  }

  async function expectAll(load: Load, visitors: readonly Visitor[]): Promise<void> {
    const { statuses, failures, acknowledged } = await load.stop()
    expect([...statuses]).toEqual([200])
    expect(failures).toBe(0)
    for (const visitor of visitors) {
      const seen = (await visitor.get(`${balanced(visitor)}/`)).json<{ attributes: unknown }>().attributes
      expect(seen).toEqual({ number: visitors.indexOf(visitor), count: acknowledged.get(visitor) })
    }
  }

  it.each([
    ['sticky', 'non-sticky', 'async'],
    ['sticky', 'non-sticky', 'sync'],
    ['non-sticky', 'sticky', 'async'],
  ] as const)(
    'under load, one server after the other, from %s to %s and back (%s): nothing is lost and no request fails',
    async (from, to, backup) => {
      await startServers(from, { mode: backup })
      const visitors = await visitorsOf(a, 24)
      const load = startLoad(balanced, visitors)
      for (const mode of [to, from, to]) {
        for (const server of [a, b]) {
          await answersGrow(load)
          change(server, mode)
        }
        await answersGrow(load)
      }
      await expectAll(load, visitors)
      for (const { sessions } of [a, b]) {
        expect(sessions.stats().mode).toBe(to)
        expect(sessions.settings().mode).toBe(to)
      }
    },
  )

  it('with sync backup not even the balancer has to keep visitors in place', async () => {
    await startServers('sticky', { mode: 'sync' })
    const visitors = await visitorsOf(a, 16)
    const load = startLoad(() => (turn++ % 2 === 0 ? a : b).url, visitors)
    for (const mode of ['non-sticky', 'sticky'] as const) {
      for (const server of [a, b]) {
        await answersGrow(load)
        change(server, mode)
      }
    }
    await answersGrow(load)
    await expectAll(load, visitors)
  })

  it('idle sessions of sticky mode get their second copy, and the memory lets go of them', async () => {
    await startServers('sticky')
    const visitors = await visitorsOf(a, 30)
    await a.sessions.flush()
    for (const visitor of visitors) expect(await copiesOf(visitor)).toHaveLength(1)
    change(a, 'non-sticky')
    await haveTwoCopies(visitors)
    await waitFor(() => a.sessions.stats().activeSessions === 0 && !a.sessions.stats().protecting)
    expect(a.sessions.stats().underReplicatedSessions).toBe(0)
  })

  it('sessions whose backup is still pending reach the storage, on both nodes', async () => {
    await startServers('sticky', { delay: '1s' })
    const visitors = await visitorsOf(a, 20)
    await a.sessions.flush()
    await Promise.all(visitors.map((visitor) => visitor.post(`${a.url}/`, { late: true })))
    expect(a.sessions.stats().pendingBackups).toBeGreaterThan(0)
    change(a, 'non-sticky')
    await a.sessions.flush()
    change(b, 'non-sticky')
    for (const visitor of visitors) {
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor), late: true })
    }
    await haveTwoCopies(visitors)
  })

  it('a session that no node has yet is served meanwhile, and stored when a node returns', async () => {
    await startServers('sticky')
    await Promise.all(nodes.map((id) => cluster.memcached(id).suspend()))
    await waitFor(() => [a, b].every(({ sessions }) => sessions.stats().nodes.every(({ state }) => state === 'down')))
    const visitors = await visitorsOf(a, 20)
    change(a, 'non-sticky')
    expect((await visitors[0]?.get(`${a.url}/`))?.status).toBe(503)
    await Promise.all(nodes.map((id) => cluster.memcached(id).resume()))
    await waitFor(() => a.sessions.stats().nodes.every(({ state }) => state === 'up'))
    for (const visitor of visitors) {
      expect(await attributesAt(a, visitor)).toEqual({ number: visitors.indexOf(visitor) })
    }
    change(b, 'non-sticky')
    await haveTwoCopies(visitors)
    for (const visitor of visitors) {
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor) })
    }
  })

  it('a server that is new in non-sticky mode gives sessions of sticky mode their second copy when they are read', async () => {
    await startServers('sticky')
    const visitors = await visitorsOf(a, 10)
    await a.close()
    change(b, 'non-sticky')
    for (const visitor of visitors) {
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor) })
    }
    await haveTwoCopies(visitors)
  })

  it('ids follow the mode, with a route or without, and either is accepted', async () => {
    await startServers('sticky')
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    await a.sessions.flush()
    const withRoute = visitor.copy()
    expect(withRoute.route).toBe('a')
    for (const server of [a, b]) change(server, 'non-sticky')
    expect(await attributesAt(b, visitor)).toEqual({ number: 1 })
    expect([visitor.route, visitor.token]).toEqual([undefined, withRoute.token])
    expect(await attributesAt(a, withRoute.copy())).toEqual({ number: 1 })
    for (const server of [a, b]) change(server, 'sticky')
    expect(await attributesAt(b, visitor)).toEqual({ number: 1 })
    expect([visitor.route, visitor.token]).toEqual(['b', withRoute.token])
    expect(await attributesAt(b, withRoute.copy())).toEqual({ number: 1 })
  })

  it.each([
    ['sticky', 'non-sticky'],
    ['non-sticky', 'sticky'],
  ] as const)('requests that began in %s mode and end in %s mode keep their changes', async (from, to) => {
    await startServers(from)
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    const slow = visitor.copy()
    const answer = slow.post(`${a.url}/slow/late`, {})
    await waitFor(() => gate.waiting === 1)
    change(a, to)
    await visitor.post(`${a.url}/`, { meanwhile: true })
    gate.open()
    expect((await answer).status).toBe(200)
    await a.sessions.flush()
    expect(await attributesAt(a, visitor)).toEqual({ number: 1, seen: true, meanwhile: true, late: true })
    change(b, to)
    expect(await attributesAt(b, visitor)).toEqual({ number: 1, seen: true, meanwhile: true, late: true })
  })

  it.each([
    ['sticky', 'non-sticky'],
    ['non-sticky', 'sticky'],
  ] as const)('a job that got a session in %s mode and saves it in %s mode overwrites nothing', async (from, to) => {
    await startServers(from)
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    const job = new Visitor().post(`${a.url}/job`, { id: visitor.id })
    await waitFor(() => gate.waiting === 1)
    change(a, to)
    await visitor.post(`${a.url}/`, { number: 2 })
    gate.open()
    expect((await job).status).toBe(200)
    await visitor.post(`${a.url}/`, { after: true })
    await a.sessions.flush()
    const expected = { number: 2, job: true, after: true }
    expect(await attributesAt(a, visitor)).toEqual(expected)
    change(b, to)
    expect(await attributesAt(b, visitor)).toEqual(expected)
  })

  it('a session that non-sticky mode left on two nodes stays dead after a logout in sticky mode', async () => {
    await startServers('non-sticky')
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    for (const server of [a, b]) change(server, 'sticky')
    await visitor.post(`${a.url}/`, { number: 2 })
    const old = visitor.copy()
    await visitor.post(`${a.url}/destroy`, {})
    for (const id of nodes) expect((await storedSession(cluster.memcached(id), old))?.kind).not.toBe('session')
    expect(await attributesAt(b, old)).toEqual({})
  })

  it('leaves no timers, sockets or sessions behind', async () => {
    await startServers('sticky')
    const visitors = await visitorsOf(a, 20)
    const round = async () => {
      for (const mode of ['non-sticky', 'sticky'] as const) {
        for (const server of [a, b]) change(server, mode)
        for (const visitor of visitors) await visitor.post(`${balanced(visitor)}/`, { mode })
        await waitFor(() => [a, b].every(({ sessions }) => !sessions.stats().protecting))
        await Promise.all([a, b].map(({ sessions }) => sessions.flush()))
      }
    }
    const resources = () =>
      process.getActiveResourcesInfo().filter((name) => name === 'Timeout' || name === 'TCPSocketWrap').length
    await round()
    const before = resources()
    for (let i = 0; i < 5; i++) await round()
    await waitFor(() => resources() <= before, { message: `at most ${before} timers and sockets` })
    for (const { sessions } of [a, b]) expect(sessions.stats()).toMatchObject({ pendingBackups: 0, protecting: false })
    const held = [a, b].reduce((sum, { sessions }) => sum + sessions.stats().activeSessions, 0)
    expect(held).toBeLessThanOrEqual(2 * visitors.length)
  })
})
