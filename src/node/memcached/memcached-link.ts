import type { HoldfastError } from '../../errors.js'
import type { Answer, MemcachedOperation } from './memcached-operation.js'

/** One socket to a server, in one of memcached's protocols, from its opening to its first fault. */
export interface MemcachedLink {
  /** Sends an operation; has copied its value when it returns. Only once the link is ready. */
  send(operation: MemcachedOperation, opaque: number): void
  /** Gives the socket up at once: nothing more goes out and nothing comes in. Idempotent. */
  discard(): void
}

/** An operation that was sent and waits for its answer. */
export interface AwaitedAnswer {
  readonly operation: MemcachedOperation
  readonly opaque: number
}

/** What a link tells its connection. Of the endings the first one counts. */
export interface LinkEvents {
  /** The server was reached. */
  onOpen(): void
  /** Operations can be sent. */
  onReady(): void
  /** The oldest operation without an answer: memcached answers in order. */
  oldest(): AwaitedAnswer | undefined
  /** The answer to the oldest operation. */
  onAnswer(answer: Answer): void
  /** The server didn't carry the oldest operation out. */
  onRefusal(error: HoldfastError): void
  /** The link is of no use any more; `what` says what the server did, as the end of a sentence. */
  onLost(what: string, cause?: unknown): void
  /** The server doesn't speak the link's protocol, or not well enough. */
  onUnsupported(what: string): void
  /** The server doesn't want to have anything to do with us. */
  onRejected(error: HoldfastError): void
}
