import { printHostPort } from '../address/host.js'
import { nameProcesses } from './cluster-slots.js'
import type { RedisAddress } from './redis-address.js'
import type { RedisStorageNode } from './redis-node.js'
import { redisEndpoints, redisLogin } from './redis-topology.js'
import { TrackingConnection } from './tracking-connection.js'

export interface RedisTrackingOptions {
  address: RedisAddress
  prefix: string
  /** Milliseconds. */
  operationTimeout: () => number
  /** The keys have changed or gone, as the server calls them; `undefined`: any may have. */
  onInvalidated(keys: readonly string[] | undefined): void
  /** Called at each check. */
  onCheck(): void
}

/** Milliseconds between two checks, and what a check's answer may take. */
export const CHECK_INTERVAL = 1000
/** Milliseconds that a check vouches for what was known when it began. */
export const PROOF_LASTS = 2 * CHECK_INTERVAL

/**
 * News of changed keys from one server, from the master that the Sentinels name, or from all masters of a cluster: from
 * those with which the storage node works, or from none at all. When one connection is lost, all are opened anew.
 *
 * Once a second it is checked that the news still come, and that the storage node still works with the same servers: a
 * ping on each connection, and one of the storage node, which finds out about a demoted master.
 */
export class RedisTracking {
  /** Why there are no news, for people; `undefined`: there are, or it was not tried yet. */
  problem: string | undefined
  readonly #node: RedisStorageNode
  readonly #options: RedisTrackingOptions
  #connections: { name: string; connection: TrackingConnection }[] = []
  #timer: NodeJS.Timeout | undefined
  #failures = 0
  #incarnation: string | undefined
  #complete = false
  #nodeProvenAt = Number.NEGATIVE_INFINITY
  #asking = false

  constructor(node: RedisStorageNode, options: RedisTrackingOptions) {
    this.#node = node
    this.#options = options
  }

  get running(): boolean {
    return this.#timer !== undefined
  }

  /** Whether every change up to at most `PROOF_LASTS` ago has been told. */
  trusted(now: number): boolean {
    if (!this.#complete || this.#nodeProvenAt < now - PROOF_LASTS) return false
    if (this.#node.incarnation !== this.#incarnation) return false
    for (const { connection } of this.#connections) if (connection.provenAt < now - PROOF_LASTS) return false
    return true
  }

  /** Idempotent. */
  start(): void {
    if (this.#timer !== undefined) return
    this.#timer = setInterval(() => this.#check(), CHECK_INTERVAL).unref()
    this.#askNode()
    this.#connect()
  }

  /** What was told until now is worth nothing any more. Idempotent; it can be started again. */
  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#drop('is stopped')
    this.problem = undefined
  }

  #connect(): void {
    const { address, prefix, operationTimeout, onInvalidated } = this.#options
    const endpoints = redisEndpoints(address, this.#node.masters, this.#failures, operationTimeout())
    this.#connections = endpoints.map((endpoint) => {
      const connection: TrackingConnection = new TrackingConnection({
        label: address.label,
        endpoint,
        prefix,
        login: redisLogin(address),
        connectTimeout: Math.max(CHECK_INTERVAL, operationTimeout()),
        onReady: () => this.#noticeReady(),
        onInvalidated,
        onEnd: (reason) => this.#lose(connection, reason),
      })
      return { name: printHostPort(endpoint.server), connection }
    })
  }

  #noticeReady(): void {
    if (!this.#connections.every(({ connection }) => connection.ready)) return
    const processes = this.#connections.map(({ name, connection }) => [name, connection.incarnation] as const)
    const isCluster = this.#options.address.topology === 'cluster'
    this.#incarnation = isCluster ? nameProcesses(processes) : processes[0]?.[1]
    this.#complete = true
    this.#failures = 0
    this.problem = undefined
  }

  #lose(lost: TrackingConnection, reason: string): void {
    if (!this.#connections.some(({ connection }) => connection === lost)) return
    this.#failures += 1
    this.#drop(reason)
  }

  /** Ends all connections; the next check opens new ones. */
  #drop(reason: string): void {
    const connections = this.#connections
    this.#connections = []
    this.#complete = false
    this.problem = reason
    for (const { connection } of connections) connection.end(reason)
    this.#options.onInvalidated(undefined)
  }

  #check(): void {
    this.#options.onCheck()
    if (this.#timer === undefined) return
    this.#askNode()
    if (this.#isElsewhere()) this.#drop('leads to another server than the storage operations')
    if (this.#connections.length === 0) this.#connect()
    else for (const { connection } of this.#connections) connection.check()
  }

  #isElsewhere(): boolean {
    const { incarnation } = this.#node
    return this.#complete && incarnation !== undefined && incarnation !== this.#incarnation
  }

  /** Without reads of its own, the storage node would not notice that its server is the master no more. */
  #askNode(): void {
    if (this.#asking) return
    const sentAt = performance.now()
    this.#asking = true
    this.#node
      .ping()
      .then(
        () => {
          this.#nodeProvenAt = sentAt
        },
        () => this.#options.onInvalidated(undefined),
      )
      .finally(() => {
        this.#asking = false
      })
  }
}
