import { type HoldfastError, NodeRefusedError, NodeUnreachableError, ProtocolError } from '../../errors.js'
import { type HostAndPort, printHostPort } from '../address/host.js'
import {
  type ClusterMap,
  keySlot,
  nameProcesses,
  readClusterSlots,
  readRedirection,
  withHashTag,
} from './cluster-slots.js'
import type { RedisAddress } from './redis-address.js'
import { RedisDurableWrites, type ReplicaWait } from './redis-durable-writes.js'
import { NotDone } from './redis-errors.js'
import { RedisLink, type RedisLinkOptions } from './redis-link.js'
import { type RedisCommand, RedisOperation } from './redis-operation.js'
import type { RedisRoute } from './redis-route.js'

export interface ClusterOptions {
  wait: () => ReplicaWait | undefined
  maxPending: number
}

type LinkEvents = Pick<RedisLinkOptions, 'onOpen' | 'onEnd'>

/** The connections to one server of the cluster. */
interface Server {
  address: HostAndPort
  link: RedisLink
  durableLink: RedisLink
  durable: RedisDurableWrites
}

/** How many servers are asked at once for the map of slots. */
const maxAsked = 5
/** Milliseconds between two readings of the map. */
const refreshPause = 100

/**
 * A cluster, with a connection of its own to each server that is used: a server that hangs or dies takes only the
 * operations on its own keys with it. Who has which keys is read from the cluster, and read again after every trouble.
 */
export class ClusterRedis implements RedisRoute {
  readonly finds = true
  connections = 0
  incarnation: string | undefined
  readonly #label: string
  readonly #seeds: readonly HostAndPort[]
  readonly #options: ClusterOptions
  readonly #linkOptions: (server: HostAndPort, events: LinkEvents) => RedisLinkOptions
  readonly #servers = new Map<string, Server>()
  /** Where the next attempt at a command goes, whatever the map says (ASK). */
  readonly #asked = new WeakMap<object, Server>()
  #map: ClusterMap | undefined
  #failure: HoldfastError
  #refreshing: Promise<void> | undefined
  #nextRefresh = 0
  #closed = false

  constructor(
    address: RedisAddress,
    options: ClusterOptions,
    linkOptions: (server: HostAndPort, events: LinkEvents) => RedisLinkOptions,
  ) {
    this.#label = address.label
    this.#seeds = address.hosts
    this.#options = options
    this.#linkOptions = linkOptions
    this.#failure = new NodeUnreachableError(`storage node ${this.#label}: it is not known yet who has which keys`)
  }

  get masters(): readonly HostAndPort[] {
    return this.#map === undefined ? [] : this.#masters(this.#map).map(({ address }) => address)
  }

  serverKey(key: string): string {
    return withHashTag(key)
  }

  perform(operation: RedisOperation): void {
    const { command } = operation
    if (this.#map === undefined) operation.reject(new NotDone('not-connected', this.#failure))
    else if (command.key === undefined) this.#performAnywhere(operation, this.#map)
    else this.#performOnOwner(operation, command.key, this.#map)
  }

  async prepare(failed: NotDone, command: RedisCommand<unknown>): Promise<void> {
    const address = failed.redirection && readRedirection(failed.redirection.target)
    if (address === undefined || failed.redirection === undefined) return this.#refresh()
    const server = this.#server(address)
    if (failed.why === 'ask') {
      this.#asked.set(command, server)
      return
    }
    if (this.#map !== undefined) this.#map.owners[failed.redirection.slot] = printHostPort(address)
    void this.#refresh()
  }

  leaveApart(): void {}

  close(): void {
    this.#closed = true
    for (const { link, durableLink } of this.#servers.values()) {
      link.close()
      durableLink.close()
    }
  }

  #performOnOwner(operation: RedisOperation, key: string, map: ClusterMap): void {
    const redirected = this.#asked.get(operation.command)
    if (redirected !== undefined) {
      this.#asked.delete(operation.command)
      redirected.link.perform(quietly('ASKING'), operation)
      return
    }
    const owner = map.owners[keySlot(key)]
    const server = owner === undefined ? undefined : this.#servers.get(owner)
    const wait = operation.command.durable ? this.#options.wait() : undefined
    if (server === undefined) operation.reject(new NotDone('not-connected', this.#unserved()))
    else if (wait === undefined) server.link.perform(operation)
    else server.durable.perform(operation, wait)
  }

  /** The first good answer of any master counts. */
  #performAnywhere(operation: RedisOperation, map: ClusterMap): void {
    let left = map.masters.size
    const fail = (error: Error): void => {
      left -= 1
      if (left === 0) operation.reject(error)
    }
    for (const master of map.masters) {
      this.#servers.get(master)?.link.perform(new RedisOperation(operation.command, operation.resolve, fail))
    }
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#readMap().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #readMap(): Promise<void> {
    if (this.#closed || performance.now() < this.#nextRefresh) return
    try {
      const map = await Promise.any(this.#someServers().map((server) => askForMap(server)))
      if (!this.#closed) this.#use(map)
    } catch (error) {
      this.#failure = this.#firstFailure(error)
    }
    this.#nextRefresh = performance.now() + refreshPause
  }

  #someServers(): Server[] {
    const known = [...this.#servers.values()].sort(() => Math.random() - 0.5).slice(0, maxAsked)
    const seeds = known.length >= maxAsked ? [] : this.#seeds.slice(0, maxAsked).map((seed) => this.#server(seed))
    return [...new Set([...known, ...seeds])]
  }

  #use(map: ClusterMap): void {
    this.#map = map
    const seeds = new Set(this.#seeds.map(printHostPort))
    for (const [name, server] of this.#servers) {
      if (map.servers.has(name) || seeds.has(name)) continue
      server.link.retire()
      server.durableLink.retire()
      this.#servers.delete(name)
    }
    for (const address of map.servers.values()) this.#server(address)
    for (const { link } of this.#masters(map)) if (link.incarnation === undefined) link.perform(quietly('PING'))
    this.#identify()
  }

  #server(address: HostAndPort): Server {
    const name = printHostPort(address)
    const known = this.#servers.get(name)
    if (known !== undefined) return known
    const link = new RedisLink(this.#linkOptions(address, { onOpen: this.#opened, onEnd: this.#troubled }))
    const durableLink = new RedisLink(this.#linkOptions(address, { onOpen: ignore, onEnd: this.#troubled }))
    const durable = new RedisDurableWrites(durableLink, this.#options.maxPending)
    const server = { address, link, durableLink, durable }
    this.#servers.set(name, server)
    return server
  }

  #masters(map: ClusterMap): Server[] {
    return [...map.masters].flatMap((name) => this.#servers.get(name) ?? [])
  }

  /** Known as soon as there was a connection to each master. */
  #identify(): void {
    const masters = this.#map === undefined ? [] : this.#masters(this.#map)
    this.incarnation = nameProcesses(masters.map(({ address, link }) => [printHostPort(address), link.incarnation]))
  }

  readonly #opened = (): void => {
    this.connections += 1
    this.#identify()
  }

  readonly #troubled = (): void => {
    if (!this.#closed && this.#map !== undefined) void this.#refresh()
  }

  #unserved(): NodeUnreachableError {
    return new NodeUnreachableError(`storage node ${this.#label}: no server serves the slot of the key`)
  }

  /** A refusal says more than that others could not be reached. */
  #firstFailure(error: unknown): HoldfastError {
    const errors = error instanceof AggregateError ? error.errors : [error]
    const outcomes: unknown[] = errors.map((each) => (each instanceof NotDone ? each.outcome : each))
    const telling = outcomes.find((each) => each instanceof NodeRefusedError) ?? outcomes[0]
    const { message } = telling instanceof Error ? telling : this.#unserved()
    const refused = telling instanceof NodeRefusedError
    return refused ? new NodeRefusedError(message) : new NodeUnreachableError(message)
  }
}

function askForMap(server: Server): Promise<ClusterMap> {
  return new Promise((resolve, reject) => {
    const read = (reply: unknown): ClusterMap => {
      const map = readClusterSlots(reply, server.address)
      if (map === undefined) throw new ProtocolError('gave no map of slots')
      return map
    }
    const command = { name: 'CLUSTER', args: ['SLOTS'], key: undefined, bytes: 0, read }
    server.link.perform(new RedisOperation(command, resolve as (result: never) => void, reject))
  })
}

/** An operation whose outcome interests nobody. */
function quietly(name: string): RedisOperation {
  return new RedisOperation({ name, args: [], key: undefined, bytes: 0, read: ignore }, ignore, ignore)
}

function ignore(): void {}
