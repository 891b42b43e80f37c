import { ClosedError, type HoldfastError, NodeUnreachableError } from '../../errors.js'
import type { MemcachedAddress } from './memcached-address.js'
import { MemcachedConnection, type ReadAnswer } from './memcached-connection.js'
import type { MemcachedOperation } from './memcached-operation.js'

export interface MemcachedClientOptions {
  address: MemcachedAddress
  /** Milliseconds that each operation may take, including the time to connect; a function when that may change. */
  operationTimeout: number | (() => number)
  /** Default: 10,000. */
  maxPending?: number
  /** Bytes of requests that wait for their replies. Default: 64 MiB. */
  maxPendingBytes?: number
  /** A reply that claims to be longer ends the connection. Default: 32 MiB. */
  maxReplyBytes?: number
  /** Where a connection begins to number its operations. Default: 0. */
  firstSequence?: number
  /** Milliseconds without a new attempt after a connection that never answered. Default: 50. */
  reconnectPause?: number
}

const mebibyte = 1024 * 1024

const defaults = {
  maxPending: 10_000,
  maxPendingBytes: 64 * mebibyte,
  maxReplyBytes: 32 * mebibyte,
  firstSequence: 0,
  reconnectPause: 50,
}

/** Operations on one memcached server, over one connection at a time. A faulty one is replaced at the next operation. */
export class MemcachedClient {
  /** Connections that were established so far. */
  connections = 0
  readonly #options: MemcachedClientOptions & typeof defaults
  #current: MemcachedConnection | undefined
  #nextAttempt = 0
  /** Why the last attempt failed. */
  #failure: HoldfastError
  #closed = false

  constructor(options: MemcachedClientOptions) {
    this.#options = { ...defaults, ...options }
    this.#failure = new NodeUnreachableError(`storage node ${options.address.label} could not be reached a moment ago`)
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Whether what was read on the connection of that generation still means anything. */
  holds(generation: number): boolean {
    return this.#current?.generation === generation
  }

  send<T>(operation: MemcachedOperation, read: ReadAnswer<T>): Promise<T> {
    const connection = this.#current ?? this.#open()
    return connection instanceof MemcachedConnection ? connection.send(operation, read) : Promise.reject(connection)
  }

  close(): void {
    this.#closed = true
    this.#current?.end(this.#closedError())
  }

  #open(): MemcachedConnection | HoldfastError {
    if (this.#closed) return this.#closedError()
    if (performance.now() < this.#nextAttempt) {
      return this.#failure
    }
    const onOpen = (): void => {
      this.connections += 1
    }
    const { operationTimeout: timeout } = this.#options
    const operationTimeout = typeof timeout === 'function' ? timeout : () => timeout
    this.#current = new MemcachedConnection({ ...this.#options, operationTimeout, onOpen, onEnd: this.#forget })
    return this.#current
  }

  readonly #forget = (connection: MemcachedConnection, reason: HoldfastError): void => {
    this.#current = undefined
    if (connection.proven) return
    this.#nextAttempt = performance.now() + this.#options.reconnectPause
    this.#failure = reason
  }

  #closedError(): ClosedError {
    return new ClosedError(`storage node ${this.#options.address.label}`)
  }
}
