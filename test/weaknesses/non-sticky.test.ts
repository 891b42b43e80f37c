import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { copiesOf, keysOn, startPair, untilNode, untilSettled } from '../non-sticky/non-sticky-fixture.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, visitorsOf } from '../support/cluster.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

const set = 0x01

describe('where memcached-session-manager loses sessions that any server serves', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let gate: Gate

  beforeEach(() => {
    visitor = new Visitor()
    gate = new Gate()
  })

  afterEach(async () => {
    gate.open()
    await cluster.close()
  })

  function addRoutes(app: Express): void {
    app.get('/held', async (req, res) => {
      const { user } = sessionOf(req)
      await gate.pass()
      res.json(user ?? null)
    })
    app.post('/held', async (req, res) => {
      sessionOf(req).early = true
      await gate.pass()
      sessionOf(req).late = true
      res.send('done')
    })
    app.post('/stream', async (req, res) => {
      res.write('first part')
      await gate.pass()
      sessionOf(req).streamed = true
      res.end('last part')
    })
  }

  async function start(ids: string[], options = {}): Promise<void> {
    cluster = await Cluster.of(...ids)
    ;[a, b] = await startPair(cluster, options, addRoutes)
    await visitor.post(`${a.url}/`, { user: 'ann' })
  }

  it('W2: a logout is not undone by requests that began before it on the other server, reading or writing', async () => {
    await start(['n1', 'n2'])
    const old = visitor.copy()
    const slow = [visitor.copy().get(`${b.url}/held`), visitor.copy().post(`${b.url}/held`, {})]
    await waitFor(() => gate.waiting === 2)
    await visitor.post(`${a.url}/destroy`, {})
    gate.open()
    await Promise.all(slow)
    for (const server of [b, a]) expect(await attributesAt(server, old.copy())).toEqual({})
    expect(await copiesOf(cluster, old, ['n1', 'n2'])).toEqual([])
  })

  it('W4: an id that leads nowhere and names a dead node is answered at once, each node asked once at most', async () => {
    await start(['n1', 'n2', 'n3'])
    await cluster.memcached('n1').kill()
    await untilNode('down', 'n1', a, b)
    await untilSettled(a, b)
    const issued = (b.sessions as unknown as { context: { tokens: { issue(): string } } }).context.tokens.issue()
    const asked = async () =>
      (await cluster.memcached('n2').storageOperations()) + (await cluster.memcached('n3').storageOperations())
    for (const [id, most] of [
      ['X-n1', 0],
      [`${issued}-n1`, 2],
    ] as const) {
      const lost = new Visitor()
      lost.id = id
      const before = await asked()
      expect([200, 503]).toContain((await lost.get(`${b.url}/`)).status)
      expect((await asked()) - before).toBeLessThanOrEqual(most)
    }
  })

  it('W16: what a short request changed is seen elsewhere while a long one goes on, and outlives the death of its server', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const doomed = await cluster.process('doomed', { mode: 'non-sticky' })
    b = await cluster.server('b', { mode: 'non-sticky' })
    await visitor.post(`${doomed.url}/`, { user: 'ann' })
    const long = visitor.copy().post(`${doomed.url}/later`, { long: true })
    long.catch(() => {})
    await visitor.copy().post(`${doomed.url}/`, { short: true })
    expect(await attributesAt(b, visitor)).toMatchObject({ user: 'ann', short: true })
    await doomed.kill()
    expect(await attributesAt(b, visitor)).toMatchObject({ user: 'ann', short: true })
  })

  it('W17: what is changed after a wait, or in the middle of a streamed response, is stored when the response ends', async () => {
    await start(['n1', 'n2'])
    const requests = ['/held', '/stream'].map((path) => visitor.copy().post(`${a.url}${path}`, {}))
    await waitFor(() => gate.waiting === 2)
    gate.open()
    await Promise.all(requests)
    expect(await attributesAt(b, visitor)).toEqual({ user: 'ann', early: true, late: true, streamed: true })
  })

  it('W18: with one regular node left the second copy is on a failover node, and enough', async () => {
    await start(['n1', 'n2'], { failoverNodes: 'n2' })
    expect([visitor.node, await copiesOf(cluster, visitor, ['n1', 'n2'])]).toEqual(['n1', ['n1', 'n2']])
    await visitor.post(`${b.url}/`, { more: true })
    await cluster.memcached('n1').kill()
    expect(await attributesAt(b, visitor)).toEqual({ user: 'ann', more: true })
    expect(visitor.node).toBe('n2')
  })

  it('W19: a server that has never seen the session finds the second copy, wherever it is', async () => {
    await start(['n1', 'n2', 'n3', 'n4'])
    const visitors = await visitorsOf(a, 12)
    await a.sessions.close()
    await b.sessions.close()
    await cluster.memcached('n1').kill()
    const c = await cluster.server('c', { mode: 'non-sticky' })
    for (const one of visitors) expect(await attributesAt(c, one)).toEqual({ number: visitors.indexOf(one) })
  })

  it('W20: copies that could not be stored are counted, and made up for', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const faulty = await cluster.faulty('n2')
    ;[a, b] = await startPair(cluster, { nodes: cluster.nodes({ n2: faulty }) }, addRoutes)
    const visitors = (await visitorsOf(a, 24)).filter((one) => one.node === 'n1')
    faulty.fail({ kind: 'status', status: 0x82 }, { opcode: set })
    for (const one of visitors) expect((await one.post(`${b.url}/`, { more: true })).status).toBe(200)
    expect(b.sessions.stats().counters.underReplicated).toBe(visitors.length)
    expect(b.sessions.stats().underReplicatedSessions).toBe(visitors.length)
    faulty.heal()
    await waitFor(() => b.sessions.stats().underReplicatedSessions === 0)
    for (const one of visitors) {
      expect((await storedSession(cluster.memcached('n2'), one))?.attributes).toMatchObject({ more: true })
    }
  })

  it('W21: requests on both servers that find the node dead at once leave one session with all their changes', async () => {
    await start(['n1', 'n2', 'n3'])
    await cluster.memcached(visitor).kill()
    const old = Array.from({ length: 12 }, () => visitor.copy())
    const answers = await Promise.all(old.map((one, i) => one.post(`${(i % 2 ? a : b).url}/`, { [`k${i}`]: i })))
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
    const expected = { user: 'ann', ...Object.fromEntries(old.map((_, i) => [`k${i}`, i])) }
    expect(new Set(old.map(({ node }) => node)).size).toBe(1)
    for (const server of [a, b]) expect(await attributesAt(server, (old[0] as Visitor).copy())).toEqual(expected)
  })

  it('W30: a request that does not use its session makes no stand-in for one that is gone', async () => {
    await start(['n1', 'n2'])
    for (const node of ['n1', 'n2']) await cluster.memcached(node).flushAll()
    await visitor.copy().get(`${b.url}/untouched`)
    await visitor.copy().get(`${a.url}/untouched`)
    for (const node of ['n1', 'n2']) expect(await keysOn(cluster, node)).toEqual([])
  })

  it.each([32_768, 65_536, 400_000])('W31: a user name of %i characters comes back whole', async (length) => {
    await start(['n1', 'n2'])
    const user = 'ü'.repeat(length)
    const session = (await a.sessions.get(visitor.id as string)) as unknown as { user: string; save(): Promise<void> }
    session.user = user
    await session.save()
    expect((await attributesAt(b, visitor)).user).toBe(user)
  })

  it('W32: a write whose answer was lost is neither lost nor done twice', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const lossy = await Promise.all(['n1', 'n2'].map((id) => cluster.faulty(id)))
    const [n1, n2] = lossy as [(typeof lossy)[0], (typeof lossy)[0]]
    ;[a, b] = await startPair(cluster, { nodes: cluster.nodes({ n1, n2 }) }, addRoutes)
    await visitor.post(`${a.url}/`, { list: [1] })
    for (const kind of ['unanswered', 'close'] as const) {
      for (const node of lossy) node.fail({ kind }, { opcode: set, requests: 1 })
      expect((await visitor.copy().post(`${a.url}/`, { list: [1, 2], [kind]: true })).status).toBe(200)
      for (const node of lossy) node.heal()
      expect(await attributesAt(b, visitor.copy())).toMatchObject({ list: [1, 2], [kind]: true })
    }
    await untilSettled(a, b)
    const stored = ['n1', 'n2'].map((id) => storedSession(cluster.memcached(id), visitor))
    for (const copy of await Promise.all(stored)) {
      expect(copy?.attributes).toEqual({ list: [1, 2], unanswered: true, close: true })
    }
  })
})
