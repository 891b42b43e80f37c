import type { Express } from 'express'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import type { Sessions } from '../../src/create-session-manager.js'
import type { SessionEventName, SessionEvents } from '../../src/manager/context/session-events.js'
import { type FaultyServer, startFaultyServer, type TestMemcached, waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from './app-server.js'
import { Detour } from './detour.js'
import { type ServerProcess, startServerProcess } from './server-process.js'
import { type Place, type StorageKind, storage, type TestStorage } from './storages.js'
import type { TroubledWay } from './troubled-way.js'
import { Visitor } from './visitor.js'

type Options = Partial<HoldfastOptions>
type Routes = (app: Express, sessions: Sessions) => void

/** Short times, so that a failure is noticed while a test looks; no shorter than what a busy machine takes to answer. */
export const quick: Options = { probeInterval: '100ms', operationTimeout: '2s' }

/** A storage node of a cluster. */
export type ClusterNode = TestStorage & { readonly kind: StorageKind }

/** Storage nodes and servers of one test; `close()` ends what was started, the servers first. */
export class Cluster {
  readonly kind: StorageKind
  /** By node id. */
  readonly storages: Record<string, ClusterNode> = {}
  private readonly servers: { close(): Promise<void> }[] = []
  private readonly started: { close(): Promise<void> }[] = []

  private constructor(kind: StorageKind) {
    this.kind = kind
  }

  /** A cluster with one real memcached for each id. */
  static of(...ids: string[]): Promise<Cluster> {
    return Cluster.on('memcached', ...ids)
  }

  /** A cluster with one real storage node of that kind for each id. */
  static async on(kind: StorageKind, ...ids: string[]): Promise<Cluster> {
    const cluster = new Cluster(kind)
    await Promise.all(ids.map((id) => cluster.start(id)))
    return cluster
  }

  get ids(): string[] {
    return Object.keys(this.storages).sort()
  }

  /** The storage node of that id, or the one that a visitor's cookie names. */
  node(of: string | Visitor): ClusterNode {
    const id = typeof of === 'string' ? of : of.node
    const found = this.storages[id ?? '']
    if (found === undefined) throw new Error(`no storage node ${id}`)
    return found
  }

  /** By node id, in a cluster of memcached servers. */
  get memcacheds(): Record<string, TestMemcached> {
    if (this.kind !== 'memcached') throw new Error(`the nodes are of the kind ${this.kind}`)
    return this.storages as unknown as Record<string, TestMemcached>
  }

  /** The memcached of that id, or the one that a visitor's cookie names. */
  memcached(of: string | Visitor): TestMemcached & { kind: StorageKind } {
    if (this.kind !== 'memcached') throw new Error(`the nodes are of the kind ${this.kind}`)
    return this.node(of) as unknown as TestMemcached & { kind: StorageKind }
  }

  /** All nodes in the form of the configuration, some of them reached by another way (through a detour or faulty server). */
  nodes(detours: Record<string, Place> = {}): string {
    return this.ids.map((id) => `${id}:${storage[this.kind].url(detours[id] ?? this.node(id))}`).join(' ')
  }

  /** A server in this process. */
  async server(route: string, options: Options = {}, routes?: Routes): Promise<AppServer> {
    const server = await startAppServer({ ...quick, route, nodes: this.nodes(), ...options }, routes)
    this.servers.push(server)
    return server
  }

  /** A server in a process of its own. */
  async process(route: string, options: Options = {}): Promise<ServerProcess> {
    const server = await startServerProcess({
      ...quick,
      ...storage[this.kind].inProcesses,
      route,
      nodes: this.nodes(),
      ...options,
    })
    this.servers.push(server)
    return server
  }

  /** Resolves when every server has exchanged its notes with every node, so that operations can be counted. */
  async settled(): Promise<void> {
    const expected = this.servers.length
    for (const node of Object.values(this.storages)) {
      await waitFor(async () => (await node.storageOperations()) >= expected, { message: 'the notes of the servers' })
    }
  }

  /** Something that does wrong on request, in front of a memcached. */
  async faulty(id: string): Promise<FaultyServer> {
    const faulty = await startFaultyServer(this.memcached(id))
    this.started.push(faulty)
    return faulty
  }

  /** A way to a storage node that makes trouble on request, whatever kind the node is of. */
  async troubled(id: string): Promise<TroubledWay> {
    const way = await storage[this.kind].trouble(this.node(id))
    this.started.push(way)
    return way
  }

  /** A way to a storage node that can be cut. */
  async detour(id: string): Promise<Detour> {
    const detour = await Detour.to(this.node(id))
    this.started.push(detour)
    return detour
  }

  /** Operations on keys at all storage nodes so far. */
  async operations(): Promise<number> {
    const counts = await Promise.all(Object.values(this.storages).map((node) => node.storageOperations()))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async close(): Promise<void> {
    for (const node of Object.values(this.storages)) await node.resume()
    await Promise.all(this.servers.map((server) => server.close()))
    await Promise.all(this.started.map((server) => server.close()))
  }

  private async start(id: string): Promise<void> {
    const node = await storage[this.kind].start()
    this.storages[id] = Object.assign(node, { kind: this.kind })
    this.started.push(node)
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
