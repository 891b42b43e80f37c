import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import { copiesOf, twoServers } from '../../support/non-sticky.js'
import { storage, storages } from '../../support/storages.js'
import type { Visitor } from '../../support/visitor.js'

/** What a busy machine may take to look. */
const slack = 20_000

describe.each(storages)('without stickiness, time-outs (%s)', (kind) => {
  let cluster: Cluster
  const { expiryGranularity } = storage[kind]

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  it('an idle session ends on both nodes, no later than the touch granularity allows', async () => {
    const [a, b] = await twoServers(cluster, { idleTimeout: '1s' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await attributesAt(b, visitor)
    const idleSince = performance.now()
    await waitFor(async () => (await copiesOf(cluster, visitor)).length === 0, { timeout: 10_000, interval: 50 })
    expect(performance.now() - idleSince).toBeLessThan(1000 * 1.2 + expiryGranularity + slack)
    for (const server of [a, b]) expect(await attributesAt(server, visitor.copy())).toEqual({})
  })

  it('the absolute timeout ends a session in use, also when its node dies, and its copy too', async () => {
    const [a, b] = await twoServers(cluster, { absoluteTimeout: '2500ms', idleTimeout: '10m' })
    const created = performance.now()
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const old = visitor.copy()
    await cluster.node(old).kill()
    let turn = 0
    const isGone = async () => {
      const answer = await visitor.get(`${[a, b][turn++ % 2]?.url}/`)
      return answer.status === 200 && !answer.body.includes('number')
    }
    expect(await isGone()).toBe(false)
    await cluster.node(old).restart()
    await waitFor(isGone, { timeout: 6000, interval: 20 })
    const life = performance.now() - created
    expect(life).toBeGreaterThan(2400 - expiryGranularity)
    expect(life).toBeLessThan(2500 + slack)
    await waitFor(async () => (await copiesOf(cluster, old)).length === 0, { timeout: expiryGranularity + 1000 })
  })
})
