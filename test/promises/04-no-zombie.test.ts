import type { Express, Request } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { endless } from '../support/patience.js'
import { storage, storages } from '../support/storages.js'
import { keyOf, storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

function changeSession(req: Request): void {
  sessionOf(req).late = true
}

/** POST /held reads the session, waits at the gate and then changes it. */
function heldRoute(gate: Gate, change = changeSession) {
  return (app: Express) => {
    app.post('/held', async (req, res) => {
      void sessionOf(req).number
      await gate.pass()
      change(req)
      res.send('changed')
    })
  }
}

describe.each(storages)('a session that has ended (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  /** The id leads nowhere on these servers nor on a new one, and soon no storage node has more than a tombstone. */
  async function expectGone(id: string | undefined, ...servers: AppServer[]): Promise<void> {
    for (const server of servers) await server.sessions.flush()
    const fresh = await cluster.server('fresh')
    for (const server of [...servers, fresh]) {
      const late = new Visitor()
      late.id = id
      const answer = await late.get(`${server.url}/`)
      expect(answer.status).toBe(200)
      expect(answer.json()).toMatchObject({ attributes: {} })
      expect(answer.cookie).toBeUndefined()
    }
    const old = new Visitor()
    old.id = id
    for (const node of Object.values(cluster.storages)) {
      await waitFor(async () => (await storedSession(node, old))?.kind !== 'session', { message: 'a tombstone' })
    }
  }

  it.each(['/destroy', '/regenerate'])(
    'does not come back by a slower request on the same server (%s)',
    async (path) => {
      const gate = new Gate()
      const a = await cluster.server('a', {}, heldRoute(gate))
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      const old = visitor.copy()
      const held = old.post(`${a.url}/held`, {})
      await waitFor(() => gate.waiting === 1)
      expect((await visitor.post(`${a.url}${path}`, {})).status).toBe(200)
      gate.open()
      const answer = await held
      expect([answer.status, answer.cookie]).toEqual([200, undefined])
      await expectGone(old.id, a)
    },
  )

  it.each(['/destroy', '/regenerate'])(
    'does not come back by a slower request on another server (%s)',
    async (path) => {
      const gate = new Gate()
      const a = await cluster.server('a')
      const b = await cluster.server('b', {}, heldRoute(gate))
      const destroyed = record(b.sessions, 'destroyed')
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      const old = visitor.copy()
      const held = old.copy().post(`${b.url}/held`, {})
      await waitFor(() => gate.waiting === 1)
      expect((await visitor.post(`${a.url}${path}`, {})).status).toBe(200)
      gate.open()
      expect((await held).status).toBe(200)
      await waitFor(() => destroyed.length === 1)
      expect(destroyed).toMatchObject([{ elsewhere: true }])
      await expectGone(old.id, a, b)
    },
  )

  it('does not come back by session.save() of a slower request', async () => {
    const gate = new Gate()
    const save = (req: Request) => {
      changeSession(req)
      void sessionOf(req).save()
    }
    const a = await cluster.server('a', {}, heldRoute(gate, save))
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const held = visitor.copy().post(`${a.url}/held`, {})
    await waitFor(() => gate.waiting === 1)
    await visitor.post(`${a.url}/destroy`, {})
    gate.open()
    await held
    await expectGone(visitor.id, a)
  })

  it('does not come back by writes that are queued or under way', async () => {
    const ways = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const options = { nodes: cluster.nodes(ways), operationTimeout: endless, backup: { concurrency: 1 } }
    const a = await cluster.server('a', options)
    const visitors = await visitorsOf(a, 12)
    await a.sessions.flush()
    for (const way of Object.values(ways)) way.hang()
    await Promise.all(visitors.map((visitor) => visitor.post(`${a.url}/`, { more: true })))
    expect(a.sessions.stats().pendingBackups).toBeGreaterThan(5)
    const before = a.arrived
    const ends = visitors.map((visitor) => visitor.post(`${a.url}/destroy`, {}))
    await waitFor(() => a.arrived === before + visitors.length)
    for (const way of Object.values(ways)) way.heal()
    const answers = await Promise.all(ends)
    expect(answers.every((answer) => answer.status === 200)).toBe(true)
    await a.sessions.flush()
    const b = await cluster.server('b')
    for (const visitor of visitors) expect((await visitor.get(`${b.url}/`)).json()).toMatchObject({ attributes: {} })
    expect(b.sessions.stats().counters.takeovers).toBe(0)
  })

  it('does not come back by a write that a hung node carries out when it wakes up', async () => {
    const a = await cluster.server('a', { probeInterval: '50ms' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const hung = cluster.node(visitor)
    const old = visitor.copy()
    await hung.suspend()
    await visitor.post(`${a.url}/`, { stuck: true })
    await visitor.post(`${a.url}/destroy`, {})
    await waitFor(() => a.sessions.stats().nodes.some((node) => node.state === 'down'))
    await hung.resume()
    await waitFor(() => a.sessions.stats().nodes.every((node) => node.state === 'up'))
    await waitFor(async () => (await storedSession(hung, old))?.kind === 'tombstone')
    await expectGone(old.id, a)
  })

  it('does not come back although its very first write was still on the way to a hung node', async () => {
    const single = await Cluster.on(kind, 'n1')
    try {
      const a = await single.server('a', { probeInterval: '50ms' })
      await single.node('n1').suspend()
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      const old = visitor.copy()
      await waitFor(() => a.sessions.stats().unprotectedSessions === 1)
      await visitor.post(`${a.url}/destroy`, {})
      await single.node('n1').resume()
      const isBuried = async () => (await storedSession(single.node('n1'), old))?.kind === 'tombstone'
      await waitFor(isBuried, { message: 'a tombstone' })
      const b = await single.server('b')
      expect((await old.get(`${b.url}/`)).json()).toMatchObject({ attributes: {} })
    } finally {
      await single.close()
    }
  })

  it('does not come back by the copy on a node that was away when it ended', async () => {
    const a = await cluster.server('a', { probeInterval: '50ms' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const old = visitor.copy()
    const first = cluster.node(visitor)
    await first.suspend()
    await waitFor(() => a.sessions.stats().counters.relocations === 1)
    await visitor.post(`${a.url}/`, { moved: true })
    expect(visitor.node).not.toBe(old.node)
    await visitor.post(`${a.url}/destroy`, {})
    await first.resume()
    await expectGone(old.id, a)
    await expectGone(visitor.id, a)
  })

  it('does not come back by a touch, nor by a server that still has a copy and compares it', async () => {
    const a = await cluster.server('a', { idleTimeout: '1m', trustFor: 0, backup: { touchAfter: 0.1 } })
    const b = await cluster.server('b', { idleTimeout: '1m' })
    const destroyed = record(a.sessions, 'destroyed')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const atB = visitor.copy()
    await atB.get(`${b.url}/`)
    await atB.post(`${b.url}/destroy`, {})
    const answers = await Promise.all(Array.from({ length: 5 }, () => visitor.copy().get(`${a.url}/`)))
    for (const answer of answers) expect(answer.json()).toMatchObject({ attributes: {} })
    expect(destroyed).toMatchObject([{ elsewhere: true }])
    await expectGone(visitor.id, a, b)
  })

  it('is noticed within trustFor by a server that has a trusted copy', async () => {
    const a = await cluster.server('a', { trustFor: '200ms' })
    const b = await cluster.server('b')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    expect(await b.sessions.destroy(visitor.id as string)).toBe(true)
    const ended = performance.now()
    /* When the last request was sent that still found it: how long answers take makes no difference. */
    let lastFound = 0
    await waitFor(async () => {
      const sent = performance.now() - ended
      const isFound = Object.keys(await attributesAt(a, visitor)).length > 0
      if (isFound) lastFound = sent
      return !isFound
    })
    expect(lastFound).toBeLessThan(200 + 5)
    await expectGone(visitor.id, a, b)
  })

  /* Otherwise a request that uses a session keeps it from expiring by idling. */
  it.each([{ absoluteTimeout: '4s' }, { idleTimeout: '4s', activity: {} }])(
    'by expiry does not come back by a slower request: %j',
    async (timeouts) => {
      const gate = new Gate()
      const a = await cluster.server('a', timeouts, heldRoute(gate))
      const expired = record(a.sessions, 'expired')
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      const held = visitor.copy().post(`${a.url}/held`, {})
      await waitFor(() => gate.waiting === 1)
      await waitFor(() => expired.length === 1)
      gate.open()
      expect((await held).cookie).toBeUndefined()
      await expectGone(visitor.id, a)
    },
  )

  it('leaves a tombstone in the storage that outlives copies in other servers', async () => {
    const a = await cluster.server('a', { idleTimeout: '10m' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const node = cluster.node(visitor)
    await visitor.post(`${a.url}/destroy`, {})
    expect((await storedSession(node, visitor))?.kind).toBe('tombstone')
    expect(await storage[kind].secondsToLive(node, keyOf(visitor))).toBeGreaterThan(10 * 60)
  })
})
