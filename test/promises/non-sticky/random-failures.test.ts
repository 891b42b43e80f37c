import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../../support/app-server.js'
import { Cluster } from '../../support/cluster.js'
import { allUp, knownDown, repaired, twoServers } from '../../support/non-sticky.js'
import { oneOf, type Random, randomFrom } from '../../support/random.js'
import { Shopper, shopperRoutes } from '../../support/shopper.js'
import { storages } from '../../support/storages.js'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const duration = 8000

describe.each(storages)('without stickiness, random requests on two servers (%s)', (kind) => {
  let cluster: Cluster
  let servers: [AppServer, AppServer]

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2', 'n3')
    servers = await twoServers(cluster, {}, shopperRoutes)
  })

  afterEach(() => cluster.close())

  /** One failure of one node, from its beginning until nothing of it is left. */
  async function failure(random: Random): Promise<void> {
    const id = oneOf(cluster.ids, random)
    const node = cluster.node(id)
    const how = random(3)
    if (how === 0) await node.restart()
    else if (how === 1) await node.kill()
    else await node.suspend()
    if (how > 0) await knownDown(id, ...servers)
    await repaired(...servers)
    if (how === 1) await node.restart()
    else if (how === 2) await node.resume()
    await allUp(...servers)
    await repaired(...servers)
  }

  it(`while nodes fail one at a time lose nothing, and none fails (SEED=${seed})`, async () => {
    const random = randomFrom(seed)
    const shoppers = ['0', '1', '2', '3'].map((name) => new Shopper(name))
    for (const shopper of shoppers) expect(await shopper.logIn(servers[0])).toBe(true)
    const end = performance.now() + duration
    let isOver = false
    const tabs = shoppers.flatMap((shopper) =>
      [0, 1, 2].map(async (tab) => {
        while (!isOver) await shopper.visit(tab, oneOf(servers, random), random)
      }),
    )
    while (performance.now() < end) await failure(random)
    isOver = true
    await Promise.all(tabs)
    for (const shopper of shoppers) {
      for (const server of servers) expect(await shopper.lookAtTheEnd(server)).toBe(true)
      expect(new Set(shopper.requests.map(({ status }) => status))).toEqual(new Set([200]))
      expect(shopper.violations()).toEqual([])
    }
  })
})
