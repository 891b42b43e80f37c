import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import { copiesOf, knownDown, nonSticky, repaired, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'

describe.each(storages)('without stickiness, idle sessions (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2', 'n3')
  })

  afterEach(() => cluster.close())

  it('W11: have two copies again soon after a node died, without a request, and survive the next death', async () => {
    const [a, b] = await twoServers(cluster)
    const visitors = await visitorsOf(a, 15)
    for (const id of ['n1', 'n2']) {
      await cluster.node(id).kill()
      await knownDown(id, a, b)
      await repaired(a, b)
    }
    expect(a.sessions.stats().counters.restores).toBeGreaterThan(0)
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
  })

  it('get their copies back when a node was restarted and is empty', async () => {
    const [a] = await twoServers(cluster)
    const visitors = await visitorsOf(a, 15)
    await cluster.node('n1').restart()
    const areComplete = async () => {
      const copies = await Promise.all(visitors.map((visitor) => copiesOf(cluster, visitor)))
      return copies.every((ids) => ids.length === 2)
    }
    await waitFor(areComplete, { timeout: 10_000, interval: 50, message: 'two copies of each session' })
  })

  it('are copied at no more than backup.protectRate', async () => {
    const a = await cluster.server('a', { ...nonSticky, backup: { protectRate: 40 } })
    const visitors = await visitorsOf(a, 90)
    const concerned = await Promise.all(visitors.map((visitor) => copiesOf(cluster, visitor)))
    const count = concerned.filter((ids) => ids.includes('n1')).length
    const started = performance.now()
    await cluster.node('n1').kill()
    await waitFor(() => a.sessions.stats().counters.restores >= count, { timeout: 15_000 })
    /* The first are copied at the first tick. */
    expect(performance.now() - started).toBeGreaterThan(((count - 5) / 40) * 1000)
  })
})
