import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { inTime } from '../support/in-time.js'
import { patience } from '../support/patience.js'
import { storage, storages } from '../support/storages.js'
import { keyOf, storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(storages)('time-outs (%s)', (kind) => {
  let cluster: Cluster
  const { expiryGranularity } = storage[kind]

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  async function isGone(server: AppServer, visitor: Visitor): Promise<boolean> {
    return Object.keys(await attributesAt(server, visitor.copy())).length === 0
  }

  /** Milliseconds until the storage does not have the session any more; asking does not keep it alive. */
  async function lifeInStorage(visitor: Visitor, since: number): Promise<number> {
    const node = cluster.node(visitor)
    const isDeleted = async () => (await storedSession(node, visitor)) === undefined
    await waitFor(isDeleted, { timeout: 10_000, interval: 50 })
    return performance.now() - since
  }

  it('an idle session ends in memory and in the storage', async () => {
    const a = await cluster.server('a', { idleTimeout: '500ms' })
    const expired = record(a.sessions, 'expired')
    const started = performance.now()
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    await waitFor(() => expired.length === 1)
    expect(performance.now() - started).toBeGreaterThan(490)
    expect(await isGone(a, visitor)).toBe(true)
    await waitFor(async () => (await storedSession(cluster.node(visitor), visitor)) === undefined)
    expect(await isGone(await cluster.server('b'), visitor)).toBe(true)
  })

  it('a request after the idle timeout finds nothing, even before the expiry was noticed', async () => {
    const a = await cluster.server('a', { idleTimeout: '200ms' })
    const visitors = await visitorsOf(a, 5)
    const idleSince = performance.now()
    await waitFor(() => performance.now() - idleSince > 205)
    for (const visitor of visitors) expect(await isGone(a, visitor)).toBe(true)
  })

  it('use keeps a session alive on the server and past the life of its first backup', async () => {
    await inTime(1500, async (life, within) => {
      const a = await cluster.server('a', { idleTimeout: life })
      let used = performance.now()
      const end = used + 2.5 * life
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      while (used < end) {
        await waitFor(() => performance.now() - used > 100)
        const since = used
        used = performance.now()
        const attributes = await attributesAt(a, visitor)
        within(life, since)
        expect(attributes).toEqual({ number: 0 })
      }
      const b = await cluster.server('b')
      const attributes = await attributesAt(b, visitor)
      within(life, used)
      expect(attributes).toEqual({ number: 0 })
    })
  })

  it('an idle session whose server died ends no later than the touch granularity allows', async () => {
    const a = await cluster.server('a', { idleTimeout: '2s', backup: { touchAfter: 0.2 } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const idleSince = performance.now()
    await a.sessions.close()
    /* In whole seconds. */
    const left = await storage[kind].secondsToLive(cluster.node(visitor), keyOf(visitor))
    expect(left * 1000).toBeLessThanOrEqual(2000 * 1.2 + expiryGranularity + 1000)
    const life = await lifeInStorage(visitor, idleSince)
    expect(life).toBeGreaterThan(1400)
    expect(life).toBeLessThan(patience)
    expect(await isGone(await cluster.server('b'), visitor)).toBe(true)
  })

  it('the idle timeout goes on to hold at the server that took over', async () => {
    await inTime(1000, async (life, within) => {
      const options = { idleTimeout: life }
      const a = await cluster.server('a', options)
      const b = await cluster.server('b', options)
      const expired = record(b.sessions, 'expired')
      const created = performance.now()
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.close()
      const used = performance.now()
      const attributes = await attributesAt(b, visitor)
      within(life, created)
      expect(attributes).toEqual({ number: 0 })
      await waitFor(() => expired.length === 1)
      expect(performance.now() - used).toBeGreaterThan(life - 10)
      expect(await isGone(b, visitor)).toBe(true)
    })
  })

  it('a copy that idled here while the visitor was elsewhere does not end the session', async () => {
    await inTime(1500, async (life, within) => {
      const options = { idleTimeout: life, backup: { mode: 'sync', timeout: '10s' } } as const
      const a = await cluster.server('a', options)
      const b = await cluster.server('b', options)
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      const leftAt = performance.now()
      let used = leftAt
      /* Asked again and again until the copy at a is over, and not a moment longer: soon it would be swept away. */
      while (used - leftAt <= life + 10) {
        const since = used
        used = performance.now()
        await visitor.post(`${b.url}/`, { at: 'b' })
        within(life, since)
      }
      const attributes = await attributesAt(a, visitor)
      within(life, used)
      expect(attributes).toEqual({ number: 0, at: 'b' })
      expect(visitor.route).toBe('a')
    })
  })

  it('the absolute timeout ends a session in use, also after takeover and relocation', async () => {
    await inTime(3000, async (life, within) => {
      const options = { absoluteTimeout: life, idleTimeout: '1m' }
      const a = await cluster.server('a', options)
      const b = await cluster.server('b', options)
      const started = performance.now()
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      const created = performance.now()
      await a.sessions.flush()
      await a.sessions.close()
      let lastFound = 0
      const useUntilGone = async () => {
        const sent = performance.now() - created
        const answer = await visitor.get(`${b.url}/`)
        const isGone = answer.status === 200 && !answer.body.includes('number')
        if (!isGone) lastFound = sent
        return isGone
      }
      const wasGone = await useUntilGone()
      within(life, started)
      expect(wasGone).toBe(false)
      expect(visitor.route).toBe('b')
      const first = visitor.node as string
      await cluster.node(first).kill()
      await waitFor(() => b.sessions.stats().counters.relocations === 1 || performance.now() - started > life)
      within(life, started)
      await waitFor(useUntilGone)
      expect(performance.now() - started).toBeGreaterThan(life - 10)
      expect(lastFound).toBeLessThan(life + 10)
      await cluster.node(first).restart()
      expect(await isGone(await cluster.server('c', options), visitor)).toBe(true)
    })
  })

  it('the storage’s copy does not outlive the absolute timeout', async () => {
    const a = await cluster.server('a', { absoluteTimeout: '2s', idleTimeout: '10m' })
    const created = performance.now()
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.close()
    /* In whole seconds. */
    const left = await storage[kind].secondsToLive(cluster.node(visitor), keyOf(visitor))
    expect(left * 1000).toBeLessThanOrEqual(2000 + expiryGranularity + 1000)
    expect(await lifeInStorage(visitor, created)).toBeLessThan(patience)
  })
})
