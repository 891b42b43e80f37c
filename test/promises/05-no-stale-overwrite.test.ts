import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import type { ServerProcess } from '../support/server-process.js'
import { storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(storages)('a server that lost a session (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1')
  })

  afterEach(() => cluster.close())

  it('W6: never answers with its old copy while the balancer flaps', async () => {
    const options = { backup: { mode: 'sync', timeout: '5s' } } as const
    const servers = [await cluster.server('a', options), await cluster.server('b', options)]
    const [visitor] = (await visitorsOf(servers[0] as { url: string }, 1)) as [Visitor]
    for (let hop = 1; hop <= 20; hop++) {
      const server = servers[hop % 2] as (typeof servers)[0]
      if (hop > 1) expect((await attributesAt(server, visitor)).last).toBe(hop - 1)
      await visitor.post(`${server.url}/`, { last: hop })
    }
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual({ number: 0, last: 20 })
    const takeovers = servers.map(({ sessions }) => sessions.stats().counters.takeovers)
    expect(takeovers).toEqual([10, 10])
  })

  it('notices within trustFor although the cookie still names it', async () => {
    const a = await cluster.server('a', { trustFor: '200ms' })
    const b = await cluster.server('b')
    const takenOver = record(a.sessions, 'takenOver')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    await visitor.copy().post(`${b.url}/`, { by: 'b' })
    await b.sessions.flush()
    const changed = performance.now()
    /* When the last request was sent that was still answered with the old copy: how long answers take makes no difference. */
    let lastOld = 0
    await waitFor(async () => {
      const sent = performance.now() - changed
      const isNew = (await attributesAt(a, visitor.copy())).by === 'b'
      if (!isNew) lastOld = sent
      return isNew
    })
    expect(lastOld).toBeLessThan(200 + 5)
    expect(takenOver).toMatchObject([{ from: 'b' }])
  })

  it('lets go of its copy at its next write; the later change of an attribute is that of the session', async () => {
    const a = await cluster.server('a')
    const b = await cluster.server('b', { trustFor: '100ms' })
    const released = record(a.sessions, 'released')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const old = visitor.copy()
    await visitor.post(`${b.url}/`, { number: 'of b' })
    await b.sessions.flush()
    await old.post(`${a.url}/`, { number: 'of a' })
    await a.sessions.flush()
    expect(released).toMatchObject([{ owner: 'b' }])
    expect(a.sessions.stats().activeSessions).toBe(0)
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual({ number: 'of a' })
    await waitFor(async () => (await attributesAt(b, visitor)).number === 'of a')
  })

  it('hands over its pending changes; of one attribute the later change wins', async () => {
    const a = await cluster.server('a')
    const b = await cluster.server('b', { trustFor: '100ms' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.post(`${a.url}/`, { shared: 0, removed: 1 })
    await a.sessions.flush()
    const old = visitor.copy()
    await visitor.post(`${b.url}/`, { shared: 'of b' })
    await b.sessions.flush()
    await old.post(`${a.url}/`, { shared: 'of a', own: 'of a', removed: null })
    await a.sessions.flush()
    const { handovers, yieldedAttributes } = a.sessions.stats().counters
    expect({ handovers, yieldedAttributes }).toEqual({ handovers: 1, yieldedAttributes: 0 })
    const expected = { number: 0, shared: 'of a', own: 'of a' }
    expect((await storedSession(cluster.node('n1'), visitor))?.owner).toBe('b')
    await waitFor(async () => (await attributesAt(b, visitor)).own === 'of a')
    expect(await attributesAt(b, visitor)).toEqual(expected)
  })

  describe('because its process was paused', () => {
    let paused: ServerProcess

    /** A change of the paused server that is on its way when it is stopped, and one of its successor. */
    async function overtake(change: object, successors: object): Promise<Visitor> {
      const detour = await cluster.troubled('n1')
      paused = await cluster.process('a', { nodes: cluster.nodes({ n1: detour }), operationTimeout: '1s' })
      const [visitor] = (await visitorsOf(paused, 1)) as [Visitor]
      const unstored = async () => (await paused.stats()).pendingBackups + (await paused.stats()).unprotectedSessions
      await waitFor(async () => (await unstored()) === 0)
      detour.refuseWrites()
      await visitor.copy().post(`${paused.url}/`, change)
      /* The browser has its answer a moment before the change has its stamp. */
      await waitFor(async () => (await unstored()) > 0)
      await paused.suspend()
      const b = await cluster.server('b')
      await visitor.post(`${b.url}/`, successors)
      await b.sessions.flush()
      expect(visitor.route).toBe('b')
      detour.heal()
      await paused.resume()
      await waitFor(async () => (await paused.events()).includes('released'))
      return visitor
    }

    it("can't overwrite its successor's change when it wakes up", async () => {
      const visitor = await overtake({ number: 'stale' }, { number: 'new' })
      expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual({ number: 'new' })
      expect((await paused.stats()).activeSessions).toBe(0)
    })

    it('adds what its successor has not changed when it wakes up', async () => {
      const visitor = await overtake({ mine: 'late', number: 'stale' }, { number: 'new' })
      const stored = await storedSession(cluster.node('n1'), visitor)
      expect(stored?.attributes).toEqual({ number: 'new', mine: 'late' })
      expect(stored?.owner).toBe('b')
      expect((await paused.stats()).counters.handovers).toBe(1)
    })
  })
})

describe.each(storages)('a storage node that returns with old data (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  /** A session whose node was paused with version 1 while the session went on elsewhere. */
  async function leaveBehind() {
    const a = await cluster.server('a', { probeInterval: '50ms' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const old = visitor.copy()
    const paused = cluster.node(visitor)
    await paused.suspend()
    await waitFor(() => a.sessions.stats().counters.relocations === 1)
    await visitor.post(`${a.url}/`, { number: 'new' })
    await a.sessions.flush()
    expect(visitor.node).not.toBe(old.node)
    return { a, old, visitor, paused }
  }

  it('W13: never wins over newer data, even for an id that still names it', async () => {
    const { a, old, visitor, paused } = await leaveBehind()
    /* This server dies too: nobody is left who knows which copy is the newer one. */
    await a.sessions.close()
    await paused.resume()
    expect((await storedSession(paused, old))?.attributes).toEqual({ number: 0 })
    for (const route of ['b', 'c']) {
      const server = await cluster.server(route)
      expect(await attributesAt(server, old.copy())).toEqual({ number: 'new' })
      expect(await attributesAt(server, visitor.copy())).toEqual({ number: 'new' })
      await server.sessions.flush()
    }
  })

  it('nor one that stays away: a server with an old copy from it finds the newer one elsewhere', async () => {
    const options = { probeInterval: '50ms', backup: { mode: 'sync', timeout: '5s' } } as const
    const a = await cluster.server('a', options)
    const b = await cluster.server('b', options)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.post(`${b.url}/`, { by: 'b' })
    await visitor.post(`${a.url}/`, { by: 'a' })
    const first = visitor.node as string
    await cluster.node(first).kill()
    await waitFor(() => [a, b].every(({ sessions }) => sessions.stats().nodes.some((node) => node.state === 'down')))
    await visitor.post(`${a.url}/`, { by: 'a again' })
    expect(visitor.node).not.toBe(first)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, by: 'a again' })
    await visitor.post(`${b.url}/`, { by: 'b again' })
    await Promise.all([a.sessions.flush(), b.sessions.flush()])
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, by: 'b again' })
  })

  it('has its old copies removed', async () => {
    const { old, paused } = await leaveBehind()
    await paused.resume()
    await waitFor(async () => (await storedSession(paused, old)) === undefined)
  })

  it('carries out a write that it had kept, and newer data still wins', async () => {
    /* No probe finds the paused node out before the write is on its way. */
    const a = await cluster.server('a', { probeInterval: '1h' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const old = visitor.copy()
    const paused = cluster.node(visitor)
    await paused.suspend()
    await old.copy().post(`${a.url}/`, { number: 'kept in its socket' })
    await waitFor(() => a.sessions.stats().counters.relocations === 1)
    await visitor.post(`${a.url}/`, { number: 'newest' })
    await a.sessions.close()
    await paused.resume()
    await waitFor(async () => (await storedSession(paused, old))?.attributes.number === 'kept in its socket')
    const b = await cluster.server('b')
    expect(await attributesAt(b, old)).toEqual({ number: 'newest' })
  })
})
