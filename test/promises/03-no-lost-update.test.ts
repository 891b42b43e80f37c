import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(storages)('changes of different attributes at the same time (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1')
  })

  afterEach(() => cluster.close())

  /** POST /held/:name reads the session, waits at the gate and sets the attribute. */
  function heldRoute(gate: Gate) {
    return (app: Express) => {
      app.post('/held/:name', async (req, res) => {
        const session = sessionOf(req)
        void session.number
        await gate.pass()
        session[req.params.name] = true
        res.send('set')
      })
    }
  }

  it('are all kept when the requests overlap on one server', async () => {
    const gate = new Gate()
    const a = await cluster.server('a', {}, heldRoute(gate))
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const names = Array.from({ length: 20 }, (_, i) => `tab${i}`)
    const held = names.map((name) => visitor.copy().post(`${a.url}/held/${name}`, {}))
    await waitFor(() => gate.waiting === 20)
    await visitor.post(`${a.url}/`, { between: true })
    gate.open()
    await Promise.all(held)
    await a.sessions.flush()
    const expected = { number: 0, between: true, ...Object.fromEntries(names.map((name) => [name, true])) }
    expect(await attributesAt(a, visitor)).toEqual(expected)
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual(expected)
  })

  it('are kept when a slow request on one server ends after another server took the session over', async () => {
    const gate = new Gate()
    const a = await cluster.server('a', {}, heldRoute(gate))
    const b = await cluster.server('b')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const held = visitor.copy().post(`${a.url}/held/slow`, {})
    await waitFor(() => gate.waiting === 1)
    await visitor.post(`${b.url}/`, { fast: true })
    await b.sessions.flush()
    gate.open()
    expect((await held).status).toBe(200)
    await a.sessions.flush()
    expect(a.sessions.stats().counters.handovers).toBe(1)
    await visitor.post(`${b.url}/`, { after: true })
    await b.sessions.flush()
    const expected = { number: 0, slow: true, fast: true, after: true }
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual(expected)
    expect(await attributesAt(b, visitor)).toEqual(expected)
  })

  it('are stored before the response goes, also from a copy that was let go meanwhile', async () => {
    const gate = new Gate()
    const a = await cluster.server('a', { backup: { mode: 'sync', timeout: '30s' } }, heldRoute(gate))
    const b = await cluster.server('b', { backup: { mode: 'sync', timeout: '30s' } })
    const released = record(a.sessions, 'released')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const held = visitor.copy().post(`${a.url}/held/slow`, {})
    await waitFor(() => gate.waiting === 1)
    const tab = visitor.copy()
    await visitor.post(`${b.url}/`, { fast: true })
    await tab.post(`${a.url}/`, { tab: true })
    expect(released).toMatchObject([{ owner: 'b' }])
    gate.open()
    expect((await held).status).toBe(200)
    const expected = { number: 0, slow: true, fast: true, tab: true }
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual(expected)
  })

  it('are kept when the visitor is sent to and fro faster than the backups are written', async () => {
    const slow = await cluster.troubled('n1')
    const nodes = cluster.nodes({ n1: slow })
    /* Backups set out later than the next request comes, on a busy machine too. */
    const options = { nodes, backup: { delay: '1s' } }
    const servers = [await cluster.server('a', options), await cluster.server('b', options)]
    const [visitor] = (await visitorsOf(servers[0] as { url: string }, 1)) as [Visitor]
    await servers[0]?.sessions.flush()
    slow.delay(15, 'writes')
    const expected: Record<string, unknown> = { number: 0 }
    for (let hop = 1; hop <= 30; hop++) {
      expected[`hop${hop}`] = hop
      const answer = await visitor.post(`${servers[hop % 2]?.url}/`, { [`hop${hop}`]: hop })
      expect(answer.status).toBe(200)
    }
    slow.heal()
    const isComplete = async () => {
      for (const server of servers) await server.sessions.flush()
      const stored = await storedSession(cluster.node('n1'), visitor)
      return JSON.stringify(sorted(stored?.attributes)) === JSON.stringify(sorted(expected))
    }
    await waitFor(isComplete, { timeout: 5000, message: 'all thirty changes in the storage' })
    /* The session did change hands all the time, and changes did meet. */
    const { takeovers, mergedAttributes } = total(servers)
    expect(takeovers).toBeGreaterThan(5)
    expect(mergedAttributes).toBeGreaterThan(5)
  })
})

function total(servers: readonly AppServer[]): { takeovers: number; mergedAttributes: number } {
  const counters = servers.map(({ sessions }) => sessions.stats().counters)
  const sum = (name: 'takeovers' | 'mergedAttributes') => counters.reduce((all, one) => all + one[name], 0)
  return { takeovers: sum('takeovers'), mergedAttributes: sum('mergedAttributes') }
}

function sorted(attributes: Record<string, unknown> = {}): [string, unknown][] {
  return Object.entries(attributes).sort(([a], [b]) => (a < b ? -1 : 1))
}
