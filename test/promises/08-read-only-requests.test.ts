import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { inTime } from '../support/in-time.js'
import { storedBytes } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe('read-only requests', () => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.of('n1')
  })

  afterEach(() => cluster.close())

  async function operationsOf(server: AppServer, work: () => Promise<unknown>) {
    await server.sessions.flush()
    const before = await cluster.memcached('n1').stats()
    await work()
    await server.sessions.flush()
    const after = await cluster.memcached('n1').stats()
    const grown = (name: string) => Number(after[name]) - Number(before[name])
    return { reads: grown('cmd_get'), writes: grown('cmd_set'), touches: grown('cmd_touch') }
  }

  async function visitorAt(server: AppServer): Promise<Visitor> {
    await cluster.settled()
    const [visitor] = (await visitorsOf(server, 1)) as [Visitor]
    await visitor.post(`${server.url}/`, { cart: { items: ['tea'] } })
    await server.sessions.flush()
    return visitor
  }

  it('cause no storage operation while the copy is trusted', async () => {
    const a = await cluster.server('a')
    const visitor = await visitorAt(a)
    const operations = await operationsOf(a, async () => {
      for (let i = 0; i < 50; i++) expect(await attributesAt(a, visitor)).toMatchObject({ cart: { items: ['tea'] } })
    })
    expect(operations).toEqual({ reads: 0, writes: 0, touches: 0 })
    expect(a.sessions.stats().counters.localHits).toBeGreaterThanOrEqual(50)
  })

  it('cause one read each, and no write, when every copy is compared', async () => {
    const a = await cluster.server('a', { trustFor: 0 })
    const visitor = await visitorAt(a)
    const before = await storedBytes(cluster.memcached('n1'), visitor)
    const operations = await operationsOf(a, async () => {
      for (let i = 0; i < 20; i++) await attributesAt(a, visitor)
    })
    /* A read that renews the expiry counts as a touch at memcached. */
    expect(operations).toEqual({ reads: 0, writes: 0, touches: 20 })
    expect(await storedBytes(cluster.memcached('n1'), visitor)).toEqual(before)
  })

  it('do not even open the session’s attributes when the handler leaves the session alone', async () => {
    const a = await cluster.server('a')
    const visitor = await visitorAt(a)
    const operations = await operationsOf(a, async () => {
      for (let i = 0; i < 20; i++) await visitor.get(`${a.url}/untouched`)
    })
    expect(operations).toEqual({ reads: 0, writes: 0, touches: 0 })
  })

  it.each(['async', 'sync'] as const)(
    'are told from changes, which cost one write and nothing else (%s)',
    async (mode) => {
      const a = await cluster.server('a', { backup: { mode } })
      const visitor = await visitorAt(a)
      const operations = await operationsOf(a, async () => {
        for (let count = 1; count <= 10; count++) {
          await visitor.post(`${a.url}/`, { count })
          await a.sessions.flush()
        }
      })
      expect(operations).toEqual({ reads: 0, writes: 10, touches: 0 })
    },
  )

  it('W5: keep the session alive, with few touches and no write', async () => {
    await inTime(2000, async (life, within) => {
      const a = await cluster.server('a', { idleTimeout: life, backup: { touchAfter: 0.5 } })
      let used = performance.now()
      const visitor = await visitorAt(a)
      const started = used
      let requests = 0
      const operations = await operationsOf(a, async () => {
        while (used - started < 2.25 * life || requests < 100) {
          const since = used
          used = performance.now()
          requests++
          const attributes = await attributesAt(a, visitor)
          /* By then the stored copy has been touched, whenever its half life was over. */
          within(life / 2, since)
          expect(attributes).toMatchObject({ number: 0 })
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
      const halfLives = (used - started) / (life / 2)
      expect(operations.writes).toBe(0)
      expect(operations.reads + operations.touches).toBeGreaterThanOrEqual(3)
      expect(operations.reads + operations.touches).toBeLessThanOrEqual(2 * Math.floor(halfLives))
      /* The stored copy would have expired twice by now. */
      const b = await cluster.server('b')
      const attributes = await attributesAt(b, visitor)
      within(life / 2, used)
      expect(attributes).toMatchObject({ number: 0 })
    })
  })
})
