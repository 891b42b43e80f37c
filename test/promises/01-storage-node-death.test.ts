import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { answeredAgain, startLoad } from '../support/load.js'
import { endless, patience } from '../support/patience.js'
import { storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(storages)('when a storage node dies (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  async function expectOnlyOn(id: string, visitors: Visitor[], counts: Map<Visitor, number>): Promise<void> {
    for (const visitor of visitors) {
      expect(visitor.node).toBe(id)
      const stored = await storedSession(cluster.node(id), visitor)
      expect(stored?.attributes).toMatchObject({ count: counts.get(visitor) })
    }
  }

  it.each(['async', 'sync'] as const)('by kill -9 under load, every request is answered (%s)', async (mode) => {
    const a = await cluster.server('a', { operationTimeout: endless, backup: { mode } })
    const down = record(a.sessions, 'nodeDown')
    const relocated = record(a.sessions, 'relocated')
    const visitors = await visitorsOf(a, 20)
    await a.sessions.flush()
    const onFirst = visitors.filter((visitor) => visitor.node === 'n1').length
    expect(onFirst).toBeGreaterThan(0)
    const load = startLoad(() => a.url, visitors)
    await waitFor(() => load.report.answers > 100)
    await cluster.node('n1').kill()
    await waitFor(() => visitors.every((visitor) => visitor.node === 'n2'))
    const { statuses, failures, latencies, acknowledged } = await load.stop()
    expect([...statuses]).toEqual([200])
    expect(failures).toBe(0)
    expect(Math.max(...latencies)).toBeLessThan(patience)
    expect(down).toMatchObject([{ node: 'n1' }])
    expect(new Set(relocated.map((event) => event.handle)).size).toBe(onFirst)
    await a.sessions.flush()
    await expectOnlyOn('n2', visitors, acknowledged)
  })

  it.each(['async', 'sync'] as const)(
    'by hanging, requests are answered long before it is noticed (%s)',
    async (mode) => {
      const a = await cluster.server('a', { operationTimeout: endless, backup: { mode, timeout: '100ms' } })
      const down = record(a.sessions, 'nodeDown')
      const visitors = await visitorsOf(a, 20)
      await a.sessions.flush()
      const load = startLoad(() => a.url, visitors)
      await answeredAgain(load, 2)
      await cluster.node('n1').suspend()
      await answeredAgain(load, 3)
      const { statuses, failures, latencies } = await load.stop()
      expect([...statuses]).toEqual([200])
      expect(failures).toBe(0)
      expect(Math.max(...latencies)).toBeLessThan(patience)
      expect(down).toEqual([])
    },
  )

  it.each(['async', 'sync'] as const)('by hanging under load, every request is answered (%s)', async (mode) => {
    const a = await cluster.server('a', { operationTimeout: '2s', backup: { mode, timeout: '100ms' } })
    const down = record(a.sessions, 'nodeDown')
    const visitors = await visitorsOf(a, 20)
    await a.sessions.flush()
    const load = startLoad(() => a.url, visitors)
    await waitFor(() => load.report.answers > 100)
    await cluster.node('n1').suspend()
    await waitFor(() => visitors.every((visitor) => visitor.node === 'n2'), { timeout: 12_000 })
    await answeredAgain(load, 2)
    /* The hung node is waited for until it is known; from then on nobody asks it. */
    const askedOfHung = () => a.sessions.stats().nodes[0]?.operations
    const before = askedOfHung()
    await answeredAgain(load, 10)
    expect(askedOfHung()).toBe(before)
    const { statuses, failures, acknowledged } = await load.stop()
    expect([...statuses]).toEqual([200])
    expect(failures).toBe(0)
    expect(down).toMatchObject([{ node: 'n1' }])
    await a.sessions.flush()
    await expectOnlyOn('n2', visitors, acknowledged)
  })

  it('sessions that are due for a comparison with a hung node go on from memory after backup.timeout', async () => {
    const a = await cluster.server('a', { operationTimeout: endless, trustFor: 0, backup: { timeout: '100ms' } })
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    await Promise.all([cluster.node('n1').suspend(), cluster.node('n2').suspend()])
    const all = await Promise.all(visitors.map((visitor) => attributesAt(a, visitor)))
    expect(all.map(({ number }) => number)).toEqual(visitors.map((_, number) => number))
    expect(a.sessions.stats().counters.verificationTimeouts).toBe(10)
  })

  it('in sync mode the change is on another node, and the cookie names it, when the response comes', async () => {
    const a = await cluster.server('a', { probeInterval: '1m', backup: { mode: 'sync', timeout: '1s' } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const first = visitor.node as string
    await cluster.node(first).kill()
    const answer = await visitor.post(`${a.url}/`, { paid: true })
    expect(answer.status).toBe(200)
    expect(visitor.node).not.toBe(first)
    expect((await storedSession(cluster.node(visitor), visitor))?.attributes).toEqual({ number: 0, paid: true })
  })

  it('another server finds sessions whose ids still name the dead node', async () => {
    const a = await cluster.server('a')
    const b = await cluster.server('b')
    const visitors = await visitorsOf(a, 20)
    await a.sessions.flush()
    const orphans = visitors.filter((visitor) => visitor.node === 'n1')
    await cluster.node('n1').kill()
    await waitFor(() => a.sessions.stats().nodes[1]?.sessions === 20 && a.sessions.stats().pendingBackups === 0)
    for (const visitor of orphans) {
      expect(visitor.node).toBe('n1')
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor) })
      expect([visitor.node, visitor.route]).toEqual(['n2', 'b'])
    }
  })

  it('and the server has not moved its sessions yet, another one asks to come again instead of logging out', async () => {
    const a = await cluster.process('a')
    const b = await cluster.server('b')
    const visitors = await visitorsOf(a, 20)
    await waitFor(async () => (await a.stats()).pendingBackups === 0)
    const [orphan] = visitors.filter((visitor) => visitor.node === 'n1') as [Visitor]
    await a.suspend()
    await cluster.node('n1').kill()
    const answer = await orphan.get(`${b.url}/`)
    expect([answer.status, answer.cookie]).toEqual([503, undefined])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    await a.resume()
    await waitFor(async () => (await orphan.get(`${b.url}/`)).status === 200)
    expect(await attributesAt(b, orphan)).toEqual({ number: visitors.indexOf(orphan) })
  })

  it('and no other is up, sessions live in memory under ids without a node, and are stored when one returns', async () => {
    const a = await cluster.server('a')
    const [old] = (await visitorsOf(a, 1)) as [Visitor]
    await Promise.all([cluster.node('n1').kill(), cluster.node('n2').kill()])
    await waitFor(() => a.sessions.stats().nodes.every((node) => node.state === 'down'))
    const [fresh] = (await visitorsOf(a, 1)) as [Visitor]
    expect(fresh.node).toBeUndefined()
    expect((await old.post(`${a.url}/`, { more: 1 })).status).toBe(200)
    expect(await attributesAt(a, old)).toEqual({ number: 0, more: 1 })
    await waitFor(() => a.sessions.stats().unprotectedSessions === 2)
    await cluster.node('n2').restart()
    await waitFor(() => a.sessions.stats().unprotectedSessions + a.sessions.stats().pendingBackups === 0)
    const b = await cluster.server('b')
    for (const visitor of [old, fresh]) {
      await visitor.get(`${a.url}/`)
      expect(visitor.node).toBe('n2')
    }
    /* As long as n1 may have something newer, a server that has just started asks visitors to come again. */
    await waitFor(async () => (await old.copy().get(`${b.url}/`)).status === 200)
    expect(await attributesAt(b, old)).toEqual({ number: 0, more: 1 })
    expect(await attributesAt(b, fresh)).toEqual({ number: 0 })
  })

  it('failover nodes are used while no regular node is up, and left when one is', async () => {
    const a: AppServer = await cluster.server('a', { failoverNodes: ['n2'] })
    const visitors = await visitorsOf(a, 5)
    expect(visitors.map((visitor) => visitor.node)).toEqual(Array(5).fill('n1'))
    await a.sessions.flush()
    await cluster.node('n1').kill()
    await waitFor(() => a.sessions.stats().nodes[1]?.sessions === 5)
    await cluster.node('n1').restart()
    await waitFor(() => a.sessions.stats().nodes[0]?.sessions === 5)
    await a.sessions.flush()
    for (const visitor of visitors) expect(await storedSession(cluster.node('n1'), visitor)).toBeDefined()
    expect(a.sessions.stats().counters.relocations).toBe(10)
  })
})
