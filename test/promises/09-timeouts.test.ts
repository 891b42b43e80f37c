import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { storage, storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

/** What a busy machine may take to look. */
const slack = 2000

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
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const idleSince = performance.now()
    await waitFor(() => expired.length === 1)
    expect(performance.now() - idleSince).toBeGreaterThan(400)
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
    const a = await cluster.server('a', { idleTimeout: '1500ms' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const end = performance.now() + 4000
    const expectAlive = async () => {
      expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
      return performance.now() > end
    }
    await waitFor(expectAlive, { interval: 100 })
    expect(await attributesAt(await cluster.server('b'), visitor)).toEqual({ number: 0 })
  })

  it('an idle session whose server died ends no later than the touch granularity allows', async () => {
    const a = await cluster.server('a', { idleTimeout: '2s', backup: { touchAfter: 0.2 } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const idleSince = performance.now()
    await a.sessions.close()
    const life = await lifeInStorage(visitor, idleSince)
    expect(life).toBeGreaterThan(1400)
    expect(life).toBeLessThan(2000 * 1.2 + expiryGranularity + slack)
    expect(await isGone(await cluster.server('b'), visitor)).toBe(true)
  })

  it('the idle timeout goes on to hold at the server that took over', async () => {
    const options = { idleTimeout: '1s' }
    const a = await cluster.server('a', options)
    const b = await cluster.server('b', options)
    const expired = record(b.sessions, 'expired')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.close()
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
    const idleSince = performance.now()
    await waitFor(() => expired.length === 1)
    expect(performance.now() - idleSince).toBeLessThan(1000 + 1000 + slack)
    expect(await isGone(b, visitor)).toBe(true)
  })

  it('a copy that idled here while the visitor was elsewhere does not end the session', async () => {
    const a = await cluster.server('a', { idleTimeout: '1500ms', backup: { mode: 'sync', timeout: '1s' } })
    const b = await cluster.server('b', { idleTimeout: '1500ms', backup: { mode: 'sync', timeout: '1s' } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const leftAt = performance.now()
    /* Asked again and again until the copy at a is over, and not a moment longer: soon it would be swept away. */
    await waitFor(
      async () => {
        await visitor.post(`${b.url}/`, { at: 'b' })
        return performance.now() - leftAt > 1510
      },
      { interval: 100 },
    )
    expect(await attributesAt(a, visitor)).toEqual({ number: 0, at: 'b' })
    expect(visitor.route).toBe('a')
  })

  it('the absolute timeout ends a session in use, also after takeover and relocation', async () => {
    const options = { absoluteTimeout: '3s', idleTimeout: '10s' }
    const a = await cluster.server('a', options)
    const b = await cluster.server('b', options)
    const created = performance.now()
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    await a.sessions.close()
    const useUntilGone = async () => {
      const answer = await visitor.get(`${b.url}/`)
      return !answer.body.includes('number')
    }
    expect(await useUntilGone()).toBe(false)
    expect(visitor.route).toBe('b')
    const first = visitor.node as string
    await cluster.node(first).kill()
    await waitFor(useUntilGone, { timeout: 6000 })
    expect(performance.now() - created).toBeGreaterThan(2900)
    expect(performance.now() - created).toBeLessThan(3000 + slack)
    expect(b.sessions.stats().counters.relocations).toBe(1)
    expect(await isGone(await cluster.server('c', options), visitor)).toBe(true)
  })

  it('the storage’s copy does not outlive the absolute timeout', async () => {
    const a = await cluster.server('a', { absoluteTimeout: '2s', idleTimeout: '10m' })
    const created = performance.now()
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.close()
    expect(await lifeInStorage(visitor, created)).toBeLessThan(2000 + expiryGranularity + slack)
  })
})
