import type { Express } from 'express'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import type { Sessions } from '../../src/create-session-manager.js'
import type { SessionEventName, SessionEvents } from '../../src/manager/session-events.js'
import {
  type FaultyServer,
  startFaultyServer,
  startMemcached,
  type TestMemcached,
  waitFor,
} from '../../src/testing/index.js'
import { type AppServer, startAppServer } from './app-server.js'
import { type ServerProcess, startServerProcess } from './server-process.js'
import { Visitor } from './visitor.js'

type Options = Partial<HoldfastOptions>
type Routes = (app: Express, sessions: Sessions) => void

/** Short times, so that a failure is noticed while a test looks. */
export const quick: Options = { probeInterval: '100ms', operationTimeout: '300ms' }

/** Storage nodes and servers of one test; `close()` ends what was started, the servers first. */
export class Cluster {
  /** By node id. */
  readonly memcacheds: Record<string, TestMemcached> = {}
  private readonly servers: { close(): Promise<void> }[] = []
  private readonly storage: { close(): Promise<void> }[] = []

  /** A cluster with one real memcached for each id. */
  static async of(...ids: string[]): Promise<Cluster> {
    const cluster = new Cluster()
    await Promise.all(ids.map((id) => cluster.startMemcached(id)))
    return cluster
  }

  /** The memcached of that id, or the one that a visitor's cookie names. */
  memcached(of: string | Visitor): TestMemcached {
    const id = typeof of === 'string' ? of : of.node
    const found = this.memcacheds[id ?? '']
    if (found === undefined) throw new Error(`no memcached ${id}`)
    return found
  }

  /** All nodes in the form of the configuration, some of them reached by another way (through a faulty server). */
  nodes(detours: Record<string, { host: string; port: number }> = {}): string {
    const addresses = { ...this.memcacheds, ...detours }
    return Object.entries(addresses)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([id, { host, port }]) => `${id}:${host}:${port}`)
      .join(' ')
  }

  /** A server in this process. */
  async server(route: string, options: Options = {}, routes?: Routes): Promise<AppServer> {
    const server = await startAppServer({ ...quick, route, nodes: this.nodes(), ...options }, routes)
    this.servers.push(server)
    return server
  }

  /** A server in a process of its own. */
  async process(route: string, options: Options = {}): Promise<ServerProcess> {
    const server = await startServerProcess({ ...quick, route, nodes: this.nodes(), ...options })
    this.servers.push(server)
    return server
  }

  /** Resolves when every server has stored its canary, so that operations can be counted. */
  async settled(): Promise<void> {
    const expected = this.servers.length
    for (const memcached of Object.values(this.memcacheds)) {
      await waitFor(async () => (await memcached.storageOperations()) >= expected, { message: 'the canaries' })
    }
  }

  /** Something that does wrong on request, in front of a memcached. */
  async faulty(id: string): Promise<FaultyServer> {
    const faulty = await startFaultyServer(this.memcached(id))
    this.storage.push(faulty)
    return faulty
  }

  async close(): Promise<void> {
    for (const memcached of Object.values(this.memcacheds)) await memcached.resume()
    await Promise.all(this.servers.map((server) => server.close()))
    await Promise.all(this.storage.map((server) => server.close()))
  }

  private async startMemcached(id: string): Promise<void> {
    const memcached = await startMemcached()
    this.memcacheds[id] = memcached
    this.storage.push(memcached)
  }
}

/** Visitors with a session each that holds their number. */
export async function visitorsOf(server: { url: string }, count: number): Promise<Visitor[]> {
  const visitors = Array.from({ length: count }, () => new Visitor())
  await Promise.all(visitors.map((visitor, number) => visitor.post(`${server.url}/`, { number })))
  return visitors
}

/** The session's attributes as a server sees them. */
export async function attributesAt(server: { url: string }, visitor: Visitor): Promise<Record<string, unknown>> {
  const answer = await visitor.get(`${server.url}/`)
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.body}`)
  return answer.json<{ attributes: Record<string, unknown> }>().attributes
}

/** Everything of that name that happens from now on. */
export function record<N extends SessionEventName>(sessions: Sessions, name: N): SessionEvents[N][] {
  const events: SessionEvents[N][] = []
  sessions.on(name, (event) => events.push(event))
  return events
}

/** A door in a request's way: `passed` counts who came, `open()` lets them go on. */
export class Gate {
  waiting = 0
  private readonly opened: Promise<void>
  private release = (): void => {}

  constructor() {
    this.opened = new Promise((resolve) => {
      this.release = resolve
    })
  }

  pass(): Promise<void> {
    this.waiting++
    return this.opened
  }

  open(): void {
    this.release()
  }
}
