import type { Mode } from '../../src/config/settings.js'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { Cluster, Gate } from '../support/cluster.js'
import type { Detour } from '../support/detour.js'
import { copiesOf } from '../support/non-sticky.js'
import { oneOf, type Random } from '../support/random.js'
import { type Shopper, shopperRoutes } from '../support/shopper.js'
import type { StorageKind } from '../support/storages.js'
import type { Visitor } from '../support/visitor.js'

/** What a history runs on. */
export interface Configuration {
  mode: Mode
  storage: StorageKind
  nodes: number
  /** How many, one after the other. */
  troubles: number
}

/** One request in so many comes to another server than the one that has the session. */
const flapping = 10
/** Probes find the return of a node soon; operations are given what a busy machine takes to answer. */
const times = { probeInterval: '100ms', operationTimeout: '1s' } as const

/** Real storage nodes, servers with a way of its own to each of them, and a balancer that flaps. */
export class Shop {
  readonly cluster: Cluster
  readonly routes: readonly string[]
  mode: Mode
  private underWay = 0
  private gate: Gate | undefined
  private readonly ways = new Map<string, Map<string, Detour>>()
  private readonly servers = new Map<string, AppServer>()
  private readonly random: Random

  private constructor(cluster: Cluster, routes: readonly string[], mode: Mode, random: Random) {
    this.cluster = cluster
    this.routes = routes
    this.mode = mode
    this.random = random
  }

  static async start({ mode, storage, nodes }: Configuration, servers: number, random: Random): Promise<Shop> {
    const cluster = await Cluster.on(storage, ...numbered(nodes, (i) => `n${i + 1}`))
    const routes = numbered(servers, (i) => String.fromCharCode(97 + i))
    const shop = new Shop(cluster, routes, mode, random)
    try {
      for (const route of routes) await shop.openServer(route)
      return shop
    } catch (error) {
      await shop.close()
      throw error
    }
  }

  /** Those that take requests. */
  get running(): AppServer[] {
    return [...this.servers.values()]
  }

  /** The way from a server to a node. */
  way(route: string, node: string): Detour {
    return this.ways.get(route)?.get(node) as Detour
  }

  /** Where the balancer sends a request. */
  serverFor(browser: Visitor): AppServer {
    const owner = this.servers.get(browser.route ?? '')
    const isInPlace = this.mode === 'sticky' && owner !== undefined && this.random(flapping) > 0
    return isInPlace ? owner : oneOf(this.running, this.random)
  }

  /** The server that has a session, without a flap. */
  ownerOf(browser: Visitor): AppServer {
    const owner = this.mode === 'sticky' ? this.servers.get(browser.route ?? '') : undefined
    return owner ?? oneOf(this.running, this.random)
  }

  /** Every step of a visitor goes through here, so that all of them can be held for a moment. */
  async admit(step: () => Promise<void>): Promise<void> {
    await this.gate?.pass()
    this.underWay++
    try {
      await step()
    } finally {
      this.underWay--
    }
  }

  /** Does something while no request is under way. */
  async withoutRequests(work: () => Promise<void>): Promise<void> {
    this.gate = new Gate()
    try {
      await waitFor(() => this.underWay === 0, { message: 'requests under way to be over' })
      await work()
    } finally {
      this.gate.open()
      this.gate = undefined
    }
  }

  /** An orderly restart: the balancer sends nobody there meanwhile. */
  async replaceServer(route: string): Promise<void> {
    const server = this.servers.get(route)
    this.servers.delete(route)
    await server?.close()
    await this.openServer(route)
  }

  /** Server after server, as an operator's script does it. */
  async switchMode(between: () => Promise<void>): Promise<void> {
    const mode = this.mode === 'sticky' ? 'non-sticky' : 'sticky'
    for (const server of this.running) {
      server.sessions.reconfigure({ mode })
      await between()
    }
    this.mode = mode
  }

  /**
   * Resolves when nothing is left of a trouble: the next one may take away as much again.
   * @param sessions those that visitors work with
   */
  async healed(sessions: () => readonly Shopper[]): Promise<void> {
    await this.whole()
    for (const shopper of sessions()) await this.serves(shopper)
    await this.stored()
    const copies = this.mode === 'sticky' ? 1 : 2
    for (const shopper of sessions()) {
      const isThere = async () => shopper.isOver || (await copiesOf(this.cluster, shopper.browser)).length >= copies
      await waitFor(isThere, { message: `${copies} copies of the session of ${shopper.name}` })
    }
  }

  /** Resolves when everything is stored as often as it is to be. */
  async stored(): Promise<void> {
    await this.whole()
    for (const { sessions } of this.running) await flushed(sessions)
    await this.whole()
  }

  async close(): Promise<void> {
    for (const ways of this.ways.values()) for (const way of ways.values()) way.heal()
    await this.cluster.close()
  }

  /* In sticky mode the server that has the session finds out here when its node has lost the backup, and stores it again. */
  private async serves(shopper: Shopper): Promise<void> {
    const isServed = () => shopper.isOver || shopper.look(this.ownerOf(shopper.browser))
    await waitFor(isServed, { interval: 50, message: `${shopper.name} to be served again` })
  }

  /** Resolves when every server reaches every node, and knows of nothing that is to be stored again. */
  private async whole(): Promise<void> {
    const isWhole = ({ sessions }: AppServer) => {
      const { nodes, protecting, unprotectedSessions, underReplicatedSessions } = sessions.stats()
      const isComplete = !protecting && unprotectedSessions === 0 && underReplicatedSessions === 0
      return isComplete && nodes.every((node) => node.state === 'up')
    }
    await waitFor(() => this.running.every(isWhole), { message: 'every server to be whole again' })
  }

  private async openServer(route: string): Promise<void> {
    const ways = this.ways.get(route) ?? (await this.openWays(route))
    const nodes = this.cluster.nodes(Object.fromEntries(ways))
    const options = { ...times, mode: this.mode, trustFor: 0, backup: { mode: 'sync' }, nodes } as const
    this.servers.set(route, await this.cluster.server(route, options, shopperRoutes))
  }

  private async openWays(route: string): Promise<Map<string, Detour>> {
    const ways = new Map<string, Detour>()
    for (const id of this.cluster.ids) ways.set(id, await this.cluster.detour(id))
    this.ways.set(route, ways)
    return ways
  }
}

async function flushed(sessions: AppServer['sessions']): Promise<void> {
  const isFlushed = async () => {
    const { unsaved, unwrittenEnds } = await sessions.flush()
    const left = `server ${sessions.toJSON().route} has ${unsaved} unsaved sessions and ${unwrittenEnds} unwritten ends`
    if (unsaved + unwrittenEnds > 0) throw new Error(left)
    return true
  }
  await waitFor(isFlushed, { message: 'everything to be stored' })
}

function numbered<T>(count: number, make: (i: number) => T): T[] {
  return Array.from({ length: count }, (_, i) => make(i))
}
