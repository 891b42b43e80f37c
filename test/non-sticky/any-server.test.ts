import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record } from '../support/cluster.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

describe('without stickiness', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let gate: Gate

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    gate = new Gate()
    const routes: Parameters<typeof cluster.server>[2] = (app) => {
      app.post('/slow/:name', async (req, res) => {
        const session = sessionOf(req)
        session[req.params.name as string] = 1
        await gate.pass()
        res.send('done')
      })
      app.get('/redirect', (req, res) => {
        sessionOf(req).seen = true
        res.redirect('/')
      })
    }
    a = await cluster.server('a', { mode: 'non-sticky' }, routes)
    b = await cluster.server('b', { mode: 'non-sticky' }, routes)
    await cluster.settled()
  })

  afterEach(() => cluster.close())

  async function operations(): Promise<number> {
    const counts = Object.values(cluster.memcacheds).map((memcached) => memcached.storageOperations())
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }

  it('every server sees what another has just stored', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { cart: ['tea'] })
    for (let round = 0; round < 10; round++) {
      const [here, there] = round % 2 === 0 ? [a, b] : [b, a]
      await visitor.post(`${here.url}/`, { [`round${round}`]: round })
      expect(await attributesAt(there, visitor)).toMatchObject({ cart: ['tea'], [`round${round}`]: round })
    }
  })

  it('ids carry a node and no route, and stay as they are', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    expect([visitor.node, visitor.route]).toEqual([expect.stringMatching(/^n[12]$/), undefined])
    const { id } = visitor
    const answer = await visitor.post(`${b.url}/`, { number: 2 })
    expect([answer.cookie, visitor.id]).toEqual([undefined, id])
  })

  it('a session is on two nodes when the response comes', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    await visitor.post(`${b.url}/`, { number: 2 })
    for (const id of ['n1', 'n2']) {
      expect((await storedSession(cluster.memcached(id), visitor))?.attributes).toEqual({ number: 2 })
    }
  })

  it('a redirect never arrives before the data', async () => {
    for (let round = 0; round < 20; round++) {
      const visitor = new Visitor()
      const answer = await visitor.get(`${a.url}/redirect`)
      expect(answer.status).toBe(302)
      expect(await attributesAt(b, visitor)).toEqual({ seen: true })
    }
  })

  it('a known read-only request makes exactly one storage operation, whatever the size of the session', async () => {
    for (const size of [10, 100_000]) {
      const visitor = new Visitor()
      await visitor.post(`${a.url}/`, { text: 'x'.repeat(size) })
      for (const server of [a, b, a]) {
        const before = await operations()
        expect(await attributesAt(server, visitor)).toEqual({ text: 'x'.repeat(size) })
        expect((await operations()) - before).toBe(1)
      }
    }
  })

  it('a request that does not use the session makes one storage operation', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    const before = await operations()
    await visitor.get(`${b.url}/untouched`)
    expect((await operations()) - before).toBe(1)
  })

  it('ids that were not issued here cost no storage operation, and a repeated miss one', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    const forged = visitor.copy()
    forged.id = `x${visitor.id?.slice(1)}`
    const before = await operations()
    await forged.copy().get(`${b.url}/`)
    expect(await operations()).toBe(before)
    const lost = new Visitor()
    lost.id = a.sessions.get === undefined ? '' : `${issuedToken(a)}-n1`
    await lost.copy().get(`${b.url}/`)
    const afterFirst = await operations()
    expect(afterFirst - before).toBe(2)
    for (let i = 0; i < 5; i++) await lost.copy().get(`${b.url}/`)
    expect(await operations()).toBe(afterFirst + 5)
    expect(b.sessions.stats().counters.rememberedMisses).toBe(5)
  })

  it('overlapping requests on one server share the session, and each commits at its own end', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    const slow = visitor.copy().post(`${a.url}/slow/long`, {})
    await expect.poll(() => gate.waiting).toBe(1)
    await visitor.copy().post(`${a.url}/`, { short: true })
    expect(await attributesAt(b, visitor)).toMatchObject({ number: 1, short: true })
    gate.open()
    await slow
    expect(await attributesAt(b, visitor)).toEqual({ number: 1, short: true, long: 1 })
  })

  it('servers keep no session in memory when no request works with it', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    await attributesAt(b, visitor)
    await expect.poll(() => [a.sessions.stats().activeSessions, b.sessions.stats().activeSessions]).toEqual([0, 0])
  })

  it('50 rounds of 8 overlapping requests that set different attributes lose none', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { number: 1 })
    const expected: Record<string, unknown> = { number: 1 }
    for (let round = 0; round < 50; round++) {
      const requests = Array.from({ length: 8 }, (_, i) => {
        expected[`r${round}_${i}`] = i
        return visitor.copy().post(`${(i % 2 === 0 ? a : b).url}/`, { [`r${round}_${i}`]: i })
      })
      const answers = await Promise.all(requests)
      expect(answers.map((answer) => answer.status)).toEqual(Array(8).fill(200))
    }
    expect(await attributesAt(a, visitor)).toEqual(expected)
    expect(await attributesAt(b, visitor)).toEqual(expected)
    expect(a.sessions.stats().counters.conflicts + b.sessions.stats().counters.conflicts).toBeGreaterThan(0)
  })

  it('a logout holds while slower requests run on both servers', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { user: 'alice' })
    const destroyed = record(b.sessions, 'destroyed')
    const slow = [a, b].map((server) => visitor.copy().post(`${server.url}/slow/late`, {}))
    await expect.poll(() => gate.waiting).toBe(2)
    const old = visitor.copy()
    await visitor.post(`${a.url}/destroy`, {})
    gate.open()
    await Promise.all(slow)
    for (const server of [a, b, a, b]) expect(await attributesAt(server, old.copy())).toEqual({})
    expect(destroyed).toHaveLength(1)
    for (const id of ['n1', 'n2']) {
      expect((await storedSession(cluster.memcached(id), old))?.kind).toBe('tombstone')
    }
  })
})

/* An id of ours whose session was never stored. */
function issuedToken(server: AppServer): string {
  const context = (server.sessions as unknown as { context: { tokens: { issue(): string } } }).context
  return context.tokens.issue()
}
