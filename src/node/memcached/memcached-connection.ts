import { type HoldfastError, NodeUnreachableError, ProtocolError } from '../../errors.js'
import type { NodeAddress } from '../node-address.js'
import { PendingOperations } from '../pending-operations.js'
import { BinaryLink } from './binary-link.js'
import type { LinkEvents, MemcachedLink } from './memcached-link.js'
import { type Answer, type MemcachedOperation, operationBytes } from './memcached-operation.js'

export interface ConnectionOptions {
  address: NodeAddress
  /** Milliseconds; may change. */
  operationTimeout: () => number
  maxPending: number
  maxPendingBytes: number
  /** A reply that claims to be longer is not one. */
  maxReplyBytes: number
  firstSequence: number
  /** The server was reached. */
  onOpen(): void
  /** Called once, before the pending operations reject. */
  onEnd(connection: MemcachedConnection): void
}

/** Turns an answer into an operation's result; throws `ProtocolError` when no such answer can follow the operation. */
export type ReadAnswer<T> = (answer: Answer, generation: number) => T

/** An operation that waits for its answer. */
interface SentOperation {
  readonly operation: MemcachedOperation
  readonly opaque: number
  readonly bytes: number
  readonly read: (answer: Answer, generation: number) => unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
  deadline: number
  next: SentOperation | undefined
}

const largestSequence = 0x7fff_ffff

/** Unique in the process, so that a token can't be mistaken for one of another connection or node. */
let lastGeneration = 0

/** Operations on one server, from the first one to the first fault; a connection that had any is never used again. */
export class MemcachedConnection {
  readonly generation = ++lastGeneration
  /** Whether the server has given one good answer. */
  proven = false
  readonly #options: ConnectionOptions
  readonly #pending: PendingOperations<SentOperation>
  readonly #link: MemcachedLink
  /** Comes back in the reply and ties the two together. Ours, because memjs' own numbering breaks after 2^31 operations. */
  #sequence: number
  #ended = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#sequence = options.firstSequence
    this.#pending = new PendingOperations(options.operationTimeout, () => this.#timeOut())
    this.#link = new BinaryLink(options.address, options.maxReplyBytes, this.#events())
  }

  send<T>(operation: MemcachedOperation, read: ReadAnswer<T>): Promise<T> {
    const bytes = operationBytes(operation)
    const overload = this.#overload(bytes)
    if (overload !== undefined) return Promise.reject(overload)
    const opaque = this.#sequence
    this.#sequence = (opaque + 1) & largestSequence
    return new Promise((resolve, reject) => {
      this.#pending.push({ operation, opaque, bytes, read, resolve, reject, deadline: 0, next: undefined })
      this.#link.send(operation, opaque)
    })
  }

  /** Ends the connection; what is pending rejects with the error. Idempotent. */
  end(error: HoldfastError): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.onEnd(this)
    this.#link.discard()
    this.#pending.end(error)
  }

  #events(): LinkEvents {
    return {
      onOpen: this.#options.onOpen,
      onReady: () => {},
      oldest: () => this.#pending.oldest,
      onAnswer: (answer) => this.#settle(answer),
      onRefusal: (error) => this.#take()?.reject(error),
      onLost: (what, cause) => this.#lose(what, cause),
      onRejected: (error) => this.end(error),
    }
  }

  #take(): SentOperation | undefined {
    const operation = this.#pending.oldest
    this.#pending.shift()
    return operation
  }

  #settle(answer: Answer): void {
    const operation = this.#take()
    if (operation === undefined) return
    try {
      operation.resolve(operation.read(answer, this.generation) as never)
      this.proven = true
    } catch (error) {
      operation.reject(this.#translate(error))
      if (error instanceof ProtocolError) this.#lose(error.message)
    }
  }

  #translate(error: unknown): Error {
    if (error instanceof ProtocolError) return this.#unreachable(error.message)
    return error instanceof Error ? error : this.#unreachable('answered something unreadable', error)
  }

  #timeOut(): void {
    this.#lose(`gave no answer within ${this.#options.operationTimeout()} ms`)
  }

  #lose(what: string, cause?: unknown): void {
    this.end(this.#unreachable(what, cause))
  }

  #unreachable(what: string, cause?: unknown): NodeUnreachableError {
    const message = `storage node ${this.#options.address.label} ${what}`
    return new NodeUnreachableError(message, cause === undefined ? undefined : { cause })
  }

  #overload(more: number): NodeUnreachableError | undefined {
    const { maxPending, maxPendingBytes } = this.#options
    const { size, bytes } = this.#pending
    if (size >= maxPending) return this.#unreachable(`has ${size} operations pending, no more are taken`)
    if (size === 0 || bytes + more <= maxPendingBytes) return undefined
    return this.#unreachable(`has ${bytes} bytes pending, no more are taken`)
  }
}
