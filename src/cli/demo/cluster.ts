import { randomBytes } from 'node:crypto'
import type { Mode } from '../../config/settings.js'
import { Balancer } from './balancer.js'
import { DemoError } from './demo-error.js'
import type { EventLog } from './event-log.js'
import type { ProcessState } from './managed-process.js'
import { pageOrUnavailable } from './page-or-unavailable.js'
import { ServerProcess } from './server-process.js'
import type { CloseReport } from './server-stats.js'
import { LOOPBACK, StorageProcess } from './storage-process.js'
import { until } from './within.js'

export interface ClusterOptions {
  /** The memcached program; `undefined`: embedded storage nodes. */
  memcached: string | undefined
  mode: Mode
  /** Of servers a and b. */
  serverPorts: readonly number[]
  /** Of their dashboards; `undefined`: there are none. */
  adminPorts?: readonly number[] | undefined
  /** Of nodes n1 and n2. */
  nodePorts: readonly number[]
}

export interface ProcessView {
  name: string
  kind: 'server' | 'node'
  state: ProcessState
  pid: number | undefined
  port: number
  software: string
  /** Sessions in the memory of a server; `undefined` for a node, or when the server doesn't answer. */
  sessions: number | undefined
  /** Of those, how many wait to be stored, or can't be; as above. */
  pending: number | undefined
  /** The address of a server's dashboard. */
  dashboard?: string | undefined
}

const SERVER_STOP_MS = 10_000
const NODE_STOP_MS = 3000
const DRAIN_MS = 5000
const SERVERS_SEEN_MS = 30_000

/** Two servers, two storage nodes and the balancer in front of them. */
export class Cluster {
  readonly servers: readonly ServerProcess[]
  readonly nodes: readonly StorageProcess[]
  readonly balancer: Balancer
  readonly mode: Mode
  readonly #log: EventLog
  #ending = false

  constructor(options: ClusterOptions, log: EventLog) {
    this.#log = log
    this.mode = options.mode
    this.nodes = options.nodePorts.map((port, i) => new StorageProcess(`n${i + 1}`, port, options.memcached, log))
    const nodes = this.nodes.map((node) => node.url).join(',')
    const secret = randomBytes(32).toString('base64url')
    const { mode, adminPorts } = options
    this.servers = options.serverPorts.map((port, i) => {
      const adminPort = adminPorts?.[i]
      return new ServerProcess({ route: 'ab'[i] ?? '', mode, host: LOOPBACK, port, nodes, secret, adminPort }, log)
    })
    this.balancer = new Balancer({
      sticky: options.mode === 'sticky',
      backends: this.servers.map(({ name, port }) => ({ route: name, host: LOOPBACK, port })),
      onUnavailable: pageOrUnavailable,
      onChange: (route, up) => log.publish('balancer', up ? 'serverUp' : 'serverDown', `server=${route}`),
    })
  }

  /** Starts everything; when one part can't start, stops what already runs and throws. */
  async start(): Promise<void> {
    try {
      await Promise.all(this.nodes.map((node) => node.start()))
      await Promise.all(this.servers.map((server) => server.start()))
      /* It looked for them before they listened; visitors who were sent to and fro now would outrun their backups. */
      await until('the balancer sees both servers', SERVERS_SEEN_MS, () =>
        this.servers.every(({ name }) => this.balancer.isUp(name)),
      )
    } catch (error) {
      await this.stop()
      throw error
    }
  }

  /** Servers first, so that they can store what they still have. */
  async stop(): Promise<void> {
    this.#ending = true
    this.balancer.close()
    await Promise.all(this.servers.map((server) => server.stop(SERVER_STOP_MS)))
    await Promise.all(this.nodes.map((node) => node.stop(NODE_STOP_MS)))
  }

  killNow(): void {
    for (const process of [...this.servers, ...this.nodes]) process.killNow()
  }

  server(name: string): ServerProcess {
    const server = this.servers.find((candidate) => candidate.name === name)
    if (server === undefined) throw new DemoError(`there is no server ${name}`)
    return server
  }

  async kill(name: string): Promise<void> {
    const process = this.#process(name)
    if (process.state === 'dead') throw new DemoError(`${name} is dead already`)
    this.#log.publish(name, 'killed', 'kill -9')
    await process.kill()
  }

  async revive(name: string): Promise<void> {
    await this.#begin(this.#process(name))
  }

  /**
   * The orderly way: the balancer holds the visitors of that server for a moment, until its requests are done and their
   * changes stored; then they go to the other server and this one restarts.
   */
  async restart(name: string): Promise<CloseReport> {
    const server = this.server(name)
    if (server.state !== 'running') throw new DemoError(`${name} is ${server.state}`)
    this.#log.publish(name, 'restart', 'drain, flush, SIGTERM, start')
    this.balancer.hold(name)
    try {
      await until(`requests of ${name} end`, DRAIN_MS, () => this.balancer.inFlight(name) === 0)
      await server.flush()
      this.balancer.drain(name)
      await server.stop(SERVER_STOP_MS)
      const report = server.closeReport
      if (report === undefined) throw new DemoError(`${name} didn't end in order`)
      await this.#begin(server)
      return report
    } finally {
      this.balancer.join(name)
    }
  }

  async view(): Promise<ProcessView[]> {
    return await Promise.all([...this.servers.map(viewServer), ...this.nodes.map(viewNode)])
  }

  /** What a button began must not start anything any more once everything stops. */
  async #begin(process: ServerProcess | StorageProcess): Promise<void> {
    if (this.#ending) throw new DemoError('the demo is ending')
    await process.start()
  }

  #process(name: string): ServerProcess | StorageProcess {
    const process = [...this.servers, ...this.nodes].find((candidate) => candidate.name === name)
    if (process === undefined) throw new DemoError(`there is no process ${name}`)
    return process
  }
}

async function viewServer(server: ServerProcess): Promise<ProcessView> {
  const { name, state, pid, port, dashboard } = server
  const stats = state === 'running' ? await server.stats().catch(() => undefined) : undefined
  const sessions = stats?.activeSessions
  const pending = stats && stats.pendingBackups + stats.unprotected
  return { name, kind: 'server', state, pid, port, software: 'Express', sessions, pending, dashboard }
}

function viewNode({ name, state, pid, port, software }: StorageProcess): ProcessView {
  return { name, kind: 'node', state, pid, port, software, sessions: undefined, pending: undefined }
}
