import { ClosedError, type HoldfastError, NodeUnreachableError } from '../../errors.js'
import { RedisConnection, type RedisConnectionOptions } from './redis-connection.js'
import { NotDone } from './redis-errors.js'
import type { RedisOperation } from './redis-operation.js'

/** What all connections of one node have in common. */
export type RedisLinkOptions = Omit<RedisConnectionOptions, 'endpoint' | 'onOpen' | 'onEnd'> & {
  /** Asked for each connection, with the number of attempts that have failed since the last good one. */
  endpoint: (failures: number) => RedisConnectionOptions['endpoint']
  /** Milliseconds without a new attempt after a connection that never answered. */
  reconnectPause: number
  /** A connection stands; `incarnation` as far as it is known. */
  onOpen(): void
  /** A connection came to an end. */
  onEnd(): void
}

/** One connection at a time to one server; a faulty one is replaced at the next operation. */
export class RedisLink {
  /** Connections that were established so far. */
  connections = 0
  /** The server's process, as it was named on the last connection. */
  incarnation: string | undefined
  readonly #options: RedisLinkOptions
  readonly #open = new Set<RedisConnection>()
  #current: RedisConnection | undefined
  #nextAttempt = 0
  /** Why the last attempt failed. */
  #failure: HoldfastError
  #failures = 0
  #closed = false

  constructor(options: RedisLinkOptions) {
    this.#options = options
    this.#failure = new NodeUnreachableError(`storage node ${options.label} could not be reached a moment ago`)
  }

  /** Sends the operations one right after the other on the same connection. */
  perform(...operations: RedisOperation[]): void {
    const connection = this.#connection()
    for (const operation of operations) {
      if (connection instanceof RedisConnection) connection.send(operation)
      else operation.reject(connection instanceof ClosedError ? connection : new NotDone('not-connected', connection))
    }
  }

  /** The connection takes no more operations; what is pending settles. */
  retire(): void {
    this.#current?.retire()
  }

  close(): void {
    this.#closed = true
    for (const connection of this.#open) connection.end(this.#closedError())
  }

  #connection(): RedisConnection | HoldfastError {
    if (this.#current?.usable) return this.#current
    this.#current?.retire()
    if (this.#closed) return this.#closedError()
    if (performance.now() < this.#nextAttempt) {
      return this.#failure
    }
    const connection = new RedisConnection({
      ...this.#options,
      endpoint: this.#options.endpoint(this.#failures),
      onOpen: this.#opened,
      onEnd: this.#forget,
    })
    this.#current = connection
    this.#open.add(connection)
    return connection
  }

  readonly #opened = (incarnation: string | undefined): void => {
    this.connections += 1
    this.#failures = 0
    this.incarnation = incarnation
    this.#options.onOpen()
  }

  readonly #forget = (connection: RedisConnection, reason: HoldfastError | undefined): void => {
    this.#open.delete(connection)
    if (this.#current === connection) this.#current = undefined
    if (!connection.proven) {
      this.#failures += 1
      if (reason !== undefined) this.#failure = reason
      this.#nextAttempt = performance.now() + this.#options.reconnectPause
    }
    this.#options.onEnd()
  }

  #closedError(): ClosedError {
    return new ClosedError(`storage node ${this.#options.label}`)
  }
}
