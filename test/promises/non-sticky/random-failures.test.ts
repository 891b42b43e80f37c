import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import { allUp, knownDown, repaired, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import type { Visitor } from '../../support/visitor.js'

const seed = Number(process.env.SEED ?? Date.now() % 1_000_000)
const duration = 8000

/** mulberry32: small, and the same on every machine. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** A visitor with several tabs, each of which sets and removes attributes of its own. */
class Shopper {
  /** What was answered with 200; of a change that was not, it is unknown. */
  readonly acknowledged = new Map<string, unknown>()
  readonly statuses = new Set<number>()
  private readonly visitor: Visitor

  constructor(visitor: Visitor) {
    this.visitor = visitor
  }

  async use(tab: number, servers: readonly AppServer[], random: (below: number) => number, until: () => boolean) {
    for (let step = 0; !until(); step++) {
      const { url } = servers[random(servers.length)] as AppServer
      const name = `tab${tab}_${random(4)}`
      const value = random(3) === 0 ? null : `${tab}/${step}`
      const isRead = random(3) === 0
      const answer = isRead ? await this.visitor.get(`${url}/`) : await this.visitor.post(`${url}/`, { [name]: value })
      this.statuses.add(answer.status)
      if (answer.status === 200 && !isRead) this.acknowledged.set(name, value)
      if (answer.status !== 200 && !isRead) this.acknowledged.delete(name)
    }
  }

  /** What is missing or different at a server, with its name. */
  async lostAt(server: AppServer): Promise<string[]> {
    const seen = await attributesAt(server, this.visitor.copy())
    const changes = [...this.acknowledged].filter(([name, value]) => (seen[name] ?? null) !== value)
    return changes.map(([name, value]) => `${name}: ${JSON.stringify(value)}, not ${JSON.stringify(seen[name])}`)
  }
}

describe.each(storages)('without stickiness, random requests on two servers (%s)', (kind) => {
  let cluster: Cluster
  let servers: [AppServer, AppServer]

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2', 'n3')
    servers = await twoServers(cluster)
  })

  afterEach(() => cluster.close())

  /** One failure of one node, from its beginning until nothing of it is left. */
  async function failure(random: (below: number) => number): Promise<void> {
    const id = cluster.ids[random(cluster.ids.length)] as string
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
    const shoppers = (await visitorsOf(servers[0], 4)).map((visitor) => new Shopper(visitor))
    const end = performance.now() + duration
    let isOver = false
    const tabs = shoppers.flatMap((shopper) => [0, 1, 2].map((tab) => shopper.use(tab, servers, random, () => isOver)))
    while (performance.now() < end) await failure(random)
    isOver = true
    await Promise.all(tabs)
    for (const shopper of shoppers) {
      expect([...shopper.statuses]).toEqual([200])
      for (const server of servers) expect(await shopper.lostAt(server)).toEqual([])
    }
  })
})
