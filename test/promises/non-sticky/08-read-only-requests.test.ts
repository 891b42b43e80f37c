import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { attributesAt, Cluster } from '../../support/cluster.js'
import { inTime } from '../../support/in-time.js'
import { copiesOf, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { storedBytes } from '../../support/stored-session.js'
import { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness, read-only requests (%s)', (kind) => {
  let cluster: Cluster
  let visitor: Visitor

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    visitor = new Visitor()
  })

  afterEach(() => cluster.close())

  it.each([10, 100_000])('cause one read, and no write (%i bytes)', async (size) => {
    const servers = await twoServers(cluster)
    await cluster.settled()
    const text = 'x'.repeat(size)
    await visitor.post(`${servers[0].url}/`, { cart: { items: [text] } })
    const stored = () => Promise.all(cluster.ids.map((id) => storedBytes(cluster.node(id), visitor)))
    const [bytes, before] = [await stored(), await cluster.operations()]
    for (const server of [...servers, ...servers]) {
      expect(await attributesAt(server, visitor)).toEqual({ cart: { items: [text] } })
      await visitor.get(`${server.url}/untouched`)
    }
    expect((await cluster.operations()) - before).toBe(8)
    expect(await stored()).toEqual(bytes)
  })

  it('W5: keep both copies alive, with few touches of the second', async () => {
    await inTime(2000, async (life, within) => {
      const servers = await twoServers(cluster, { idleTimeout: life, backup: { touchAfter: 0.5 } })
      await cluster.settled()
      const started = performance.now()
      visitor = new Visitor()
      await visitor.post(`${servers[0].url}/`, { number: 0 })
      const before = await cluster.operations()
      let requests = 0
      let used = started
      while (used - started < 2.75 * life) {
        await waitFor(() => performance.now() - used > 20)
        const since = used
        used = performance.now()
        const attributes = await attributesAt(servers[requests++ % 2] as { url: string }, visitor)
        within(life / 2, since)
        expect(attributes).toEqual({ number: 0 })
      }
      const touches = (await cluster.operations()) - before - requests
      const copies = await copiesOf(cluster, visitor)
      within(life / 2, used)
      /* Nobody writes what would tell one server that the other has just renewed the second copy's life. */
      expect(touches).toBeGreaterThan(2)
      expect(touches).toBeLessThanOrEqual(2 * Math.ceil((used - started) / (life / 2)))
      expect(copies).toEqual(['n1', 'n2'])
    })
  })
})
