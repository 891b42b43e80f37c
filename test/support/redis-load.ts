import { expect } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from './app-server.js'
import { attributesAt, quick, visitorsOf } from './cluster.js'
import { answeredAgain, type Load, type LoadReport, startLoad } from './load.js'
import type { Visitor } from './visitor.js'

export type Mode = NonNullable<HoldfastOptions['mode']>

export const modes: readonly Mode[] = ['sticky', 'non-sticky']

/** Two servers on the same storage, and visitors with a session each who keep them busy. */
export class BusyServers {
  readonly servers: readonly AppServer[]
  readonly visitors: readonly Visitor[]
  /** Visitors who have a session and don't come for now. */
  readonly idle: readonly Visitor[]
  readonly load: Load
  readonly #mode: Mode

  private constructor(mode: Mode, servers: readonly AppServer[], visitors: readonly Visitor[]) {
    this.#mode = mode
    this.servers = servers
    this.visitors = visitors.slice(0, visitors.length / 2)
    this.idle = visitors.slice(visitors.length / 2)
    let turn = 0
    const next = () => servers[turn++ % servers.length] as AppServer
    this.load = startLoad((visitor) => (mode === 'sticky' ? this.homeOf(visitor) : next()).url, this.visitors)
  }

  static async start(mode: Mode, nodes: string, options: Partial<HoldfastOptions> = {}): Promise<BusyServers> {
    const start = (route: string) => startAppServer({ ...quick, mode, route, nodes, ...options })
    const servers = await Promise.all(['a', 'b'].map(start))
    const groups = await Promise.all(servers.map((server) => visitorsOf(server, 8)))
    await Promise.all(servers.map(({ sessions }) => sessions.flush()))
    const [ofA = [], ofB = []] = groups
    const visitors = [...ofA.slice(0, 4), ...ofB.slice(0, 4), ...ofA.slice(4), ...ofB.slice(4)]
    const busy = new BusyServers(mode, servers, visitors)
    await answeredAgain(busy.load)
    return busy
  }

  /** In sticky mode, the server that has the session. */
  homeOf(visitor: Visitor): AppServer {
    return this.servers[visitor.route === 'b' ? 1 : 0] as AppServer
  }

  /** A server that does not have the session: it finds what the storage has. */
  otherThan(visitor: Visitor): AppServer {
    return this.servers.find((server) => server !== this.homeOf(visitor)) as AppServer
  }

  /** Resolves when every visitor was answered again some times. */
  goOn(): Promise<void> {
    return answeredAgain(this.load)
  }

  /** Ends the load, and looks for every session in the storage, as it was acknowledged last. */
  async stopAndCompare(): Promise<LoadReport> {
    const report = await this.load.stop()
    /* A server that has just found the storage away says so, and has the changes still. */
    for (const { sessions } of this.servers) {
      await waitFor(async () => (await sessions.flush()).unsaved === 0, {
        timeout: 20_000,
        message: 'the last changes',
      })
    }
    for (const visitor of this.visitors) {
      const seen = await attributesAt(this.otherThan(visitor), visitor)
      expect(seen).toEqual({ number: expect.any(Number), count: report.acknowledged.get(visitor) })
    }
    for (const visitor of this.idle) {
      expect(await attributesAt(this.otherThan(visitor), visitor)).toEqual({ number: expect.any(Number) })
    }
    return report
  }

  async close(): Promise<void> {
    await this.load.stop()
    await Promise.all(this.servers.map((server) => server.close()))
  }

  get mode(): Mode {
    return this.#mode
  }
}
