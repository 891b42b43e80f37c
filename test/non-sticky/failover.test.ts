import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { startLoad } from '../support/load.js'
import { loseStored, storeBytes, storedBytes, storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

const options = { mode: 'non-sticky' } as const

/** Resolves when every session has as many copies as it should have. */
async function repaired(...servers: AppServer[]): Promise<void> {
  await waitFor(() => servers.every(({ sessions }) => !sessions.stats().protecting), {
    timeout: 10_000,
    message: 'the copies to be complete',
  })
}

describe('without stickiness, when storage nodes fail', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2', 'n3')
    a = await cluster.server('a', options)
    b = await cluster.server('b', options)
  })

  afterEach(() => cluster.close())

  async function isDown(id: string): Promise<void> {
    await waitFor(() =>
      [a, b].every(({ sessions }) => sessions.stats().nodes.find((node) => node.id === id)?.state === 'down'),
    )
  }

  async function copiesOf(visitor: Visitor): Promise<string[]> {
    const found: string[] = []
    for (const [id, place] of Object.entries(cluster.memcacheds)) {
      const running = a.sessions.stats().nodes.find((node) => node.id === id)?.state === 'up'
      if (running && (await storedSession(place, visitor))?.kind === 'session') found.push(id)
    }
    return found
  }

  it('kill -9 of the primary node under load, and then of the next, loses nothing and fails no request', async () => {
    const relocated = record(a.sessions, 'relocated')
    const visitors = await visitorsOf(a, 20)
    let turn = 0
    const load = startLoad(() => (turn++ % 2 === 0 ? a : b).url, visitors)
    await waitFor(() => load.report.answers > 100)
    await cluster.memcached('n1').kill()
    await waitFor(() => visitors.every((visitor) => visitor.node !== 'n1'))
    await isDown('n1')
    await repaired(a, b)
    await cluster.memcached('n2').kill()
    await waitFor(() => visitors.every((visitor) => visitor.node === 'n3'))
    const { statuses, failures, acknowledged } = await load.stop()
    expect([...statuses]).toEqual([200])
    expect(failures).toBe(0)
    expect(relocated.length).toBeGreaterThan(0)
    for (const visitor of visitors) {
      const seen = await attributesAt(b, visitor)
      expect(seen).toMatchObject({ number: visitors.indexOf(visitor), count: acknowledged.get(visitor) })
    }
    expect(a.sessions.stats().counters.relocations + b.sessions.stats().counters.relocations).toBeGreaterThan(0)
  })

  it('a hung node costs a bounded wait, and fails no request', async () => {
    const visitors = await visitorsOf(a, 10)
    let turn = 0
    const load = startLoad(() => (turn++ % 2 === 0 ? a : b).url, visitors)
    await waitFor(() => load.report.answers > 100)
    await cluster.memcached('n1').suspend()
    await waitFor(() => visitors.every((visitor) => visitor.node !== 'n1'), { timeout: 10_000 })
    await isDown('n1')
    const { statuses, failures, acknowledged } = await load.stop()
    expect([...statuses]).toEqual([200])
    expect(failures).toBe(0)
    for (const visitor of visitors) {
      expect(await attributesAt(a, visitor)).toMatchObject({ count: acknowledged.get(visitor) })
    }
  })

  it('idle sessions survive any two deaths that come one after the other', async () => {
    const visitors = await visitorsOf(a, 30)
    for (const id of ['n1', 'n2']) {
      await cluster.memcached(id).kill()
      await isDown(id)
      await repaired(a, b)
    }
    for (const visitor of visitors) {
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor) })
      expect(visitor.node).toBe('n3')
    }
  })

  it('a node that returns empty gets its copies back, and wins over nobody', async () => {
    const visitors = await visitorsOf(a, 20)
    await cluster.memcached('n1').restart()
    await waitFor(() => a.sessions.stats().counters.restores > 0)
    await repaired(a, b)
    for (const visitor of visitors) {
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor) })
      await waitFor(async () => (await copiesOf(visitor)).length === 2)
    }
  })

  it('a read restores the copy that its primary node has lost', async () => {
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const first = visitor.node as string
    await loseStored(cluster.memcached(visitor), visitor)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
    await waitFor(async () => (await copiesOf(visitor)).includes(first))
    expect(visitor.node).toBe(first)
  })

  it('a node that returns with old data does not win, and is brought up to date', async () => {
    const visitors = (await visitorsOf(a, 30)).filter((visitor) => visitor.node === 'n1')
    expect(visitors.length).toBeGreaterThan(0)
    const copies = visitors.map((visitor) => visitor.copy())
    await cluster.memcached('n1').suspend()
    await isDown('n1')
    for (const visitor of visitors) expect((await visitor.post(`${a.url}/`, { more: 1 })).status).toBe(200)
    await cluster.memcached('n1').resume()
    await waitFor(() => [a, b].every(({ sessions }) => sessions.stats().nodes.every((node) => node.state === 'up')))
    for (const copy of copies) expect(await attributesAt(b, copy)).toMatchObject({ more: 1 })
    await repaired(a, b)
    for (const visitor of visitors) {
      const there = await storedSession(cluster.memcached('n1'), visitor)
      expect(there?.attributes ?? { more: 1 }).toMatchObject({ more: 1 })
    }
  })

  it('a session that was ended while a node was away does not come back with it', async () => {
    const visitors = (await visitorsOf(a, 30)).filter((visitor) => visitor.node === 'n1')
    const copies = visitors.map((visitor) => visitor.copy())
    await cluster.memcached('n1').suspend()
    await isDown('n1')
    for (const visitor of visitors) await visitor.post(`${a.url}/destroy`, {})
    await cluster.memcached('n1').resume()
    await waitFor(() => [a, b].every(({ sessions }) => sessions.stats().nodes.every((node) => node.state === 'up')))
    for (const copy of copies) expect(await attributesAt(b, copy)).toEqual({})
  })

  it('an older copy that a node has never wins over a newer one', async () => {
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const place = cluster.memcached(visitor)
    const old = (await storedBytes(place, visitor)) as Buffer
    await visitor.post(`${a.url}/`, { more: 1 })
    const copy = (await copiesOf(visitor)).find((id) => id !== visitor.node) as string
    await storeBytes(cluster.memcached(copy), visitor, old)
    await place.kill()
    await isDown(visitor.node as string)
    /* Only the old copy is left: it is all there is. */
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
  })

  it('with all nodes down requests get a 503, no new session, and go on when one returns', async () => {
    const [visitor, ...others] = (await visitorsOf(a, 10)) as [Visitor, ...Visitor[]]
    const { id } = visitor
    await Promise.all(['n1', 'n2', 'n3'].map((node) => cluster.memcached(node).suspend()))
    await Promise.all(['n1', 'n2', 'n3'].map(isDown))
    const answer = await visitor.get(`${a.url}/`)
    expect([answer.status, answer.cookie]).toEqual([503, undefined])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    const fresh = others[0]?.copy() as Visitor
    fresh.id = undefined
    expect((await fresh.post(`${a.url}/`, { number: 1 })).status).toBe(503)
    await Promise.all(['n1', 'n2', 'n3'].map((node) => cluster.memcached(node).resume()))
    for (const server of [a, b]) await waitFor(async () => (await visitor.get(`${server.url}/`)).status === 200)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
    expect(visitor.token).toBe(id?.split('-')[0])
  })

  it('a node that is taken out of the configuration gives its sessions to the others', async () => {
    const visitors = await visitorsOf(a, 20)
    const left = cluster.nodes().split(' ').slice(1).join(' ')
    for (const { sessions } of [a, b]) sessions.reconfigure({ nodes: left })
    await waitFor(() => a.sessions.stats().nodes.length === 2, { timeout: 10_000 })
    await cluster.memcached('n1').kill()
    for (const visitor of visitors) {
      expect(await attributesAt(b, visitor)).toEqual({ number: visitors.indexOf(visitor) })
      expect(visitor.node).not.toBe('n1')
    }
  })
})
