import { HoldfastError, NodeUnreachableError, ProtocolError } from '../../errors.js'
import { explained } from '../connection-trouble.js'
import { PendingOperations } from '../pending-operations.js'
import { BinaryLink } from './binary-link.js'
import { type MemcachedAddress, memcachedKind } from './memcached-address.js'
import type { LinkEvents, MemcachedLink } from './memcached-link.js'
import { type Answer, type MemcachedOperation, operationBytes } from './memcached-operation.js'
import { MetaLink } from './meta-link.js'

export interface ConnectionOptions {
  address: MemcachedAddress
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
  onEnd(connection: MemcachedConnection, reason: HoldfastError): void
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

/** In the place of one that could not be made. */
const noLink: MemcachedLink = { send: () => {}, discard: () => {} }

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
  #link: MemcachedLink
  /** Before that operations wait. */
  #ready = false
  /** Comes back in the reply and ties the two together. Ours, because memjs' own numbering breaks after 2^31 operations. */
  #sequence: number
  #ended = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#sequence = options.firstSequence
    this.#pending = new PendingOperations(options.operationTimeout, () => this.#timeOut())
    const { address, maxReplyBytes } = options
    if (address.protocol === 'binary') this.#link = this.#openBinary()
    else this.#link = new MetaLink(address, maxReplyBytes, this.#events())
  }

  send<T>(operation: MemcachedOperation, read: ReadAnswer<T>): Promise<T> {
    const bytes = operationBytes(operation)
    const overload = this.#overload(bytes)
    if (overload !== undefined) return Promise.reject(overload)
    const opaque = this.#sequence
    this.#sequence = (opaque + 1) & largestSequence
    return new Promise((resolve, reject) => {
      const kept = this.#ready ? operation : withOwnValue(operation)
      this.#pending.push({ operation: kept, opaque, bytes, read, resolve, reject, deadline: 0, next: undefined })
      if (this.#ready) this.#link.send(operation, opaque)
    })
  }

  /** Ends the connection; what is pending rejects with the error. Idempotent. */
  end(error: HoldfastError): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.onEnd(this, error)
    this.#link.discard()
    this.#pending.end(error)
  }

  #events(): LinkEvents {
    return {
      onOpen: this.#options.onOpen,
      onReady: () => this.#begin(),
      oldest: () => this.#pending.oldest,
      onAnswer: (answer) => this.#settle(answer),
      onRefusal: (error) => this.#take()?.reject(error),
      onLost: (what, cause) => this.#lose(what, cause),
      onUnsupported: (what) => this.#fallBack(what),
      onRejected: (error) => this.end(error),
    }
  }

  #openBinary(): MemcachedLink {
    try {
      const link = new BinaryLink(this.#options.address, this.#options.maxReplyBytes, this.#events())
      this.#ready = true
      return link
    } catch (error) {
      const failure = error instanceof HoldfastError ? error : this.#unreachable("can't be connected to", error)
      /* Not at once: whoever makes the connection does not have it yet. */
      queueMicrotask(() => this.end(failure))
      return noLink
    }
  }

  /** Every server of memcached's family speaks the one protocol or the other. */
  #fallBack(what: string): void {
    const { protocol, tls } = this.#options.address
    if (protocol !== undefined || tls !== undefined) {
      this.#lose(what)
      return
    }
    this.#link.discard()
    this.#link = this.#openBinary()
    if (this.#ready) this.#begin()
  }

  /** Sends what has waited. */
  #begin(): void {
    this.#ready = true
    for (let each = this.#pending.oldest; each !== undefined && !this.#ended; each = each.next) {
      this.#link.send(each.operation, each.opaque)
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
    const encrypted = this.#options.address.tls !== undefined
    this.end(this.#unreachable(explained(what, { proven: this.proven, encrypted, ...memcachedKind }), cause))
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

/** The caller may use the memory again as soon as its call has returned. */
function withOwnValue(operation: MemcachedOperation): MemcachedOperation {
  return operation.value === undefined ? operation : { ...operation, value: Buffer.from(operation.value) }
}
