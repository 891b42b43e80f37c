import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { patience } from '../support/patience.js'
import { storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(storages)('idle sessions (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  async function areAllOn(id: string, visitors: Visitor[]): Promise<boolean> {
    for (const visitor of visitors) {
      if ((await storedSession(cluster.node(id), visitor)) === undefined) return false
    }
    return true
  }

  it('W11: are backed up elsewhere when their node dies, and survive their server’s death then', async () => {
    const a = await cluster.process('a')
    const visitors = await visitorsOf(a, 40)
    await waitFor(async () => (await a.stats()).pendingBackups === 0)
    await cluster.node('n1').kill()
    await waitFor(() => areAllOn('n2', visitors))
    const relocated = (await a.events()).filter((name) => name === 'relocated')
    expect(relocated.length).toBeGreaterThanOrEqual(visitors.filter((visitor) => visitor.node === 'n1').length)
    await a.kill()
    const b = await cluster.server('b')
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
    expect(b.sessions.stats().counters.takeovers).toBe(40)
  })

  it('are moved at no more than backup.protectRate', async () => {
    const a = await cluster.server('a', { failoverNodes: ['n2'], backup: { protectRate: 100 } })
    const visitors = await visitorsOf(a, 100)
    await a.sessions.flush()
    const times: number[] = []
    a.sessions.on('relocated', () => times.push(performance.now()))
    const started = performance.now()
    await cluster.node('n1').kill()
    await waitFor(() => times.length === 100)
    expect(a.sessions.stats().nodes[1]?.sessions).toBe(visitors.length)
    /* However late the machine tells of them: no earlier than at that rate, beyond the first few. */
    for (const [count, time] of times.entries()) {
      expect(time - started).toBeGreaterThan(((count - 15) / 100) * 1000)
    }
    expect((times[99] as number) - started).toBeLessThan(patience)
  })

  it('W11: are stored again when their node returns empty, and survive their server’s death then', async () => {
    const a = await cluster.process('a')
    const visitors = await visitorsOf(a, 20)
    await waitFor(async () => (await a.stats()).pendingBackups === 0)
    const onFirst = visitors.filter((visitor) => visitor.node === 'n1')
    expect(onFirst.length).toBeGreaterThan(0)
    await cluster.node('n1').restart()
    await waitFor(async () => {
      const restored = (await a.events()).filter((name) => name === 'restored' || name === 'relocated')
      return restored.length >= onFirst.length && (await a.stats()).pendingBackups === 0
    })
    await a.kill()
    const b = await cluster.server('b')
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
  })

  it('of a single node that was restarted between two probes are stored again', async () => {
    const single = await Cluster.on(kind, 'n1')
    try {
      const a = await single.server('a', { probeInterval: '3s' })
      const restored = record(a.sessions, 'restored')
      const visitors = await visitorsOf(a, 20)
      await a.sessions.flush()
      await single.node('n1').restart()
      for (const visitor of visitors) expect(await storedSession(single.node('n1'), visitor)).toBeUndefined()
      await waitFor(() => restored.length === 20)
      await a.sessions.flush()
      for (const [number, visitor] of visitors.entries()) {
        expect((await storedSession(single.node('n1'), visitor))?.attributes).toEqual({ number })
      }
    } finally {
      await single.close()
    }
  })

  it('that were removed from their node by eviction are stored again when they are next used', async () => {
    const a = await cluster.server('a', { trustFor: 0 })
    const restored = record(a.sessions, 'restored')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    await cluster.node(visitor).flushAll()
    expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
    await a.sessions.flush()
    expect(restored.length).toBe(1)
    expect(await storedSession(cluster.node(visitor), visitor)).toBeDefined()
  })
})
