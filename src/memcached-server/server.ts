import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { systemClock, type TimeOfDay } from '../clock.js'
import { Connections } from '../connections.js'
import { ConfigError, type ConfigProblem, NodeUnreachableError } from '../errors.js'
import type { CommandContext } from './binary-commands.js'
import { Connection } from './connection.js'
import { type Counters, newCounters, resetCounters } from './counters.js'
import { HalfReceived } from './half-received.js'
import { ItemStore } from './item-store.js'

export interface MemcachedServerOptions {
  /** Interface to listen on. Default `127.0.0.1`. There is no authentication: only trusted machines may reach it. */
  host?: string
  /** Default 0: a free port. */
  port?: number
  /**
   * Bytes for keys, values and their bookkeeping, and for what has arrived of requests that are not complete, which takes a quarter at most.
   * Default 64 MiB. The least recently used items make room.
   */
  memoryLimit?: number
  /** Bytes of key, value and 50 bytes of header that one item may take. Default 1 MiB. */
  maxItemSize?: number
  /** With one more, the one gives way that has asked nothing for longest, of the address that has the most. Default 1024. */
  maxConnections?: number
  /** The same for one address (the first 64 bits of one of IPv6). Default 512. */
  maxConnectionsPerAddress?: number
  /** Milliseconds from the first byte of a request to its last. Default 10 s. */
  requestTimeout?: number
  clock?: TimeOfDay
}

/** A running embedded storage node. */
export interface MemcachedServer {
  readonly host: string
  /** The port that it listens on. */
  readonly port: number
  /** State and counters under memcached's names. */
  stats(): Record<string, number | string>
  /** Operations on stored items so far: reads, writes, touches, deletes, counts. */
  operations(): number
  /** Stops listening and ends every connection at once; the items are gone. Idempotent. */
  close(): Promise<void>
}

type Limits = Required<Omit<MemcachedServerOptions, 'host' | 'port' | 'clock'>>

const MEBIBYTE = 1024 * 1024
const defaults: Limits = {
  memoryLimit: 64 * MEBIBYTE,
  maxItemSize: MEBIBYTE,
  maxConnections: 1024,
  maxConnectionsPerAddress: 512,
  requestTimeout: 10_000,
}
/** Of the memory limit, for what is half received. */
const HALF_RECEIVED_SHARE = 0.25
/** Version of memcached whose behaviour is followed. */
const VERSION = '1.6.45-holdfast'
/** A refused body is read past, which costs no memory; far larger ones are taken for garbage. */
const MAX_BODY_BYTES = 64 * MEBIBYTE
const SWEEP_INTERVAL_MS = 1000
const SWEPT_PER_INTERVAL = 10_000

/**
 * Starts a storage node inside this process: a server for memcached's binary protocol and its meta commands (sources:
 * see `memcached-wire/`) with a memory limit. Meant for trying out, development and tests.
 *
 * Rejects with `ConfigError` for limits that make no sense, with `NodeUnreachableError` when it can't listen.
 */
export async function startMemcachedServer(options: MemcachedServerOptions = {}): Promise<MemcachedServer> {
  const limits = checkLimits(options)
  const node = new EmbeddedNode(limits, options.clock ?? systemClock)
  await node.listen(options.host ?? '127.0.0.1', options.port ?? 0)
  return node
}

function checkLimits(options: MemcachedServerOptions): Limits {
  const limits = {
    memoryLimit: options.memoryLimit ?? defaults.memoryLimit,
    maxItemSize: options.maxItemSize ?? defaults.maxItemSize,
    maxConnections: options.maxConnections ?? defaults.maxConnections,
    maxConnectionsPerAddress: options.maxConnectionsPerAddress ?? defaults.maxConnectionsPerAddress,
    requestTimeout: options.requestTimeout ?? defaults.requestTimeout,
  }
  const problems = Object.entries(limits).filter(([, value]) => !Number.isSafeInteger(value) || value < 1)
  if (problems.length > 0) throw new ConfigError('embedded storage node', problems.map(describeProblem))
  return limits
}

function describeProblem([path, value]: [string, number]): ConfigProblem {
  return { path, value: String(value), expected: 'a positive whole number' }
}

class EmbeddedNode implements MemcachedServer {
  host = ''
  port = 0
  readonly #limits: Limits
  readonly #clock: TimeOfDay
  readonly #startedAt: number
  readonly #counters: Counters = newCounters()
  readonly #store: ItemStore
  readonly #context: CommandContext
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #connections: Connections
  readonly #halfReceived: HalfReceived
  #sweeper: NodeJS.Timeout | undefined
  #closed: Promise<void> | undefined

  constructor(limits: Limits, clock: TimeOfDay) {
    const { memoryLimit, maxItemSize } = limits
    const counters = this.#counters
    this.#limits = limits
    this.#clock = clock
    this.#startedAt = clock.now()
    const { maxConnections, maxConnectionsPerAddress } = limits
    this.#connections = new Connections({ total: maxConnections, perNetwork: maxConnectionsPerAddress })
    /* One item that is on its way must have room, however small the store is. */
    this.#halfReceived = new HalfReceived(Math.max(memoryLimit * HALF_RECEIVED_SHARE, 2 * maxItemSize))
    this.#store = new ItemStore({
      memoryLimit,
      maxItemSize,
      clock,
      counters,
      otherBytes: () => this.#halfReceived.bytes,
    })
    this.#context = {
      operations: 0,
      now: () => clock.now(),
      store: this.#store,
      counters,
      version: VERSION,
      stats: () => this.stats(),
      settings: () => ({ maxbytes: memoryLimit, maxconns: this.#limits.maxConnections, item_size_max: maxItemSize }),
      resetStats: () => resetCounters(counters),
    }
    this.#server = createServer((socket) => this.#accept(socket))
  }

  async listen(host: string, port: number): Promise<void> {
    try {
      await listening(this.#server, host, port)
    } catch (error) {
      throw listenError(host, port, error)
    }
    this.host = host
    this.port = (this.#server.address() as AddressInfo).port
    // A connection that can't be accepted (no file descriptors left, say) must not end the process.
    this.#server.on('error', () => this.#counters.accept_errors++)
    this.#sweeper = setInterval(() => this.#store.sweep(SWEPT_PER_INTERVAL), SWEEP_INTERVAL_MS).unref()
  }

  stats(): Record<string, number | string> {
    const now = this.#clock.now()
    return {
      pid: process.pid,
      uptime: Math.floor((now - this.#startedAt) / 1000),
      time: Math.floor(now / 1000),
      version: VERSION,
      max_connections: this.#limits.maxConnections,
      curr_connections: this.#sockets.size,
      ...this.#counters,
      limit_maxbytes: this.#limits.memoryLimit,
      item_size_max: this.#limits.maxItemSize,
      bytes: this.#store.bytes,
      half_received_bytes: this.#halfReceived.bytes,
      curr_items: this.#store.size,
    }
  }

  operations(): number {
    return this.#context.operations
  }

  close(): Promise<void> {
    this.#closed ??= this.#shutDown()
    return this.#closed
  }

  #shutDown(): Promise<void> {
    clearInterval(this.#sweeper)
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    for (const socket of this.#sockets) socket.destroy()
    this.#store.flush()
    return closed
  }

  #accept(socket: Socket): void {
    this.#counters.total_connections++
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    const leaving = this.#connections.add(socket)
    if (leaving !== undefined) this.#counters.rejected_connections++
    leaving?.destroy()
    const maxKeptBody = this.#limits.maxItemSize
    new Connection(socket, {
      context: this.#context,
      limits: { maxKeptBody, maxBody: Math.max(MAX_BODY_BYTES, maxKeptBody) },
      halfReceived: this.#halfReceived,
      requestTimeout: this.#limits.requestTimeout,
      onUse: (used) => this.#connections.used(used),
    })
  }
}

function listening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    /* Not shared between the workers of node:cluster: behind one address there would be several stores. */
    server.listen({ host, port, exclusive: true }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function listenError(host: string, port: number, error: unknown): NodeUnreachableError {
  const address = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  const { code, message } = error as NodeJS.ErrnoException
  const reason = code === 'EADDRINUSE' ? 'the address is in use' : message
  return new NodeUnreachableError(`embedded storage node can't listen on ${address}: ${reason}`, { cause: error })
}
