import type { Socket } from 'node:net'
import {
  type HoldfastError,
  ItemTooLargeError,
  NodeRefusedError,
  NodeUnreachableError,
  ProtocolError,
} from '../errors.js'
import { bodyLengthOffset, type Reply, replyMagic, requestOpcode, stampOpaque, status } from './memcached-protocol.js'
import { createMemjsClient, discardMemjsServer, type MemjsClient, type MemjsServer } from './memjs-client.js'
import type { NodeAddress } from './node-address.js'
import { PendingOperations } from './pending-operations.js'

export interface ConnectionOptions {
  address: NodeAddress
  /** Milliseconds; may change. */
  operationTimeout: () => number
  maxPending: number
  maxPendingBytes: number
  /** A reply that claims to be longer is not one. */
  maxReplyBytes: number
  firstSequence: number
  /** The socket is connected. */
  onOpen(): void
  /** Called once, before the pending operations reject. */
  onEnd(connection: MemcachedConnection): void
}

/** Turns a reply into an operation's result; throws `ProtocolError` when no such reply can follow the request. */
export type ReadReply<T> = (reply: Reply, generation: number) => T

/** An operation that was sent and waits for its reply. */
interface SentOperation {
  readonly opaque: number
  readonly opcode: number
  readonly bytes: number
  readonly read: (reply: Reply, generation: number) => unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: Error) => void
  deadline: number
  next: SentOperation | undefined
}

const largestSequence = 0x7fff_ffff

/** Unique in the process, so that a token can't be mistaken for one of another connection or node. */
let lastGeneration = 0

/**
 * One memjs client and its one socket, from the first operation to the first fault. A connection that had any fault is
 * never used again: memjs keeps half a reply over a reconnect, sends old writes again and loses operations.
 */
export class MemcachedConnection {
  readonly generation = ++lastGeneration
  /** Whether the server has given one good answer. */
  proven = false
  readonly #options: ConnectionOptions
  readonly #pending: PendingOperations<SentOperation>
  readonly #server: MemjsServer
  readonly #client: MemjsClient
  /** Ours, because memjs' own numbering breaks after 2^31 operations: this one begins again at 0. */
  #sequence: number
  #watched = false
  #corked = false
  #ended = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#sequence = options.firstSequence
    this.#pending = new PendingOperations(options.operationTimeout, () => this.#timeOut())
    const { server, client } = createMemjsClient(options.address)
    this.#server = server
    this.#client = client
    this.#guardReplies()
  }

  send<T>(request: Buffer, read: ReadReply<T>): Promise<T> {
    const overload = this.#overload(request)
    if (overload !== undefined) return Promise.reject(overload)
    const opaque = this.#sequence
    this.#sequence = (opaque + 1) & largestSequence
    stampOpaque(request, opaque)
    return new Promise((resolve, reject) => {
      const opcode = requestOpcode(request)
      const bytes = request.length
      this.#pending.push({ opaque, opcode, bytes, read, resolve, reject, deadline: 0, next: undefined })
      this.#perform(request, opaque)
    })
  }

  /** Ends the connection; what is pending rejects with the error. Idempotent. */
  end(error: HoldfastError): void {
    if (this.#ended) return
    this.#ended = true
    this.#options.onEnd(this)
    discardMemjsServer(this.#server)
    this.#pending.end(error)
  }

  #perform(request: Buffer, opaque: number): void {
    this.#batchWrites()
    try {
      this.#client.perform('', request, opaque, this.#onReply, 1)
      if (!this.#watched) this.#watchSocket()
    } catch (cause) {
      this.#lose("can't be connected to", cause)
    }
  }

  /**
   * What is sent in one turn of the event loop goes out in one system call, which is the dearest part of an operation. The turn ends when all
   * sockets that had something to read have been served: under load each of them brings a request that asks the storage.
   */
  #batchWrites(): void {
    const socket = this.#server._socket
    if (socket === undefined || this.#corked) return
    this.#corked = true
    socket.cork()
    setImmediate(this.#uncork, socket)
  }

  readonly #uncork = (socket: Socket): void => {
    this.#corked = false
    socket.uncork()
  }

  /** memjs opens the socket within its first `perform`. It doesn't notice a server that closes: we do. */
  #watchSocket(): void {
    const socket = this.#server._socket
    if (socket === undefined) return
    this.#watched = true
    socket.setNoDelay(true)
    socket.once('connect', this.#options.onOpen)
    const closed = (): void => this.#lose('closed the connection')
    socket.once('end', closed)
    socket.once('close', closed)
  }

  #guardReplies(): void {
    const server = this.#server
    const respond = server.respond
    const handleChunk = server.responseHandler
    server.respond = (reply) => {
      if (this.#belongsToOldest(reply)) respond.call(server, reply)
      else this.#lose('sent a reply that answers no pending operation')
    }
    server.responseHandler = (chunk) => {
      handleChunk.call(server, chunk)
      if (this.#isNoReply(server.responseBuffer)) this.#lose('sent something that is not a reply')
    }
    // memjs would log in without credentials whenever a reply looks like an invitation to do so.
    if (server.username === undefined) server.saslAuth = () => this.#lose('asked for a login that nobody began')
  }

  /** memcached answers in order: any other reply means that the two sides are out of step. */
  #belongsToOldest(reply: Reply): boolean {
    const { magic, opcode, opaque } = reply.header
    const oldest = this.#pending.oldest
    return magic === replyMagic && oldest !== undefined && oldest.opaque === opaque && oldest.opcode === opcode
  }

  /** memjs waits for the rest of anything, however long it claims to be. */
  #isNoReply(beginning: Buffer): boolean {
    if (beginning.length === 0) return false
    if (beginning[0] !== replyMagic) return true
    return beginning.length >= 12 && beginning.readUInt32BE(bodyLengthOffset) > this.#options.maxReplyBytes
  }

  readonly #onReply = (error: unknown, reply: Reply): void => {
    if (this.#ended) return
    if (error !== null) {
      this.#fail(error)
      return
    }
    const operation = this.#pending.oldest as SentOperation
    this.#pending.shift()
    this.#settle(operation, reply)
  }

  #settle(operation: SentOperation, reply: Reply): void {
    if (isErrorStatus(reply.header.status)) {
      this.#refuse(operation, reply)
      return
    }
    try {
      operation.resolve(operation.read(reply, this.generation) as never)
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

  #refuse(operation: SentOperation, reply: Reply): void {
    const code = reply.header.status
    operation.reject(refusal(this.#options.address.label, code, reply.val))
    // Where the server doesn't understand us, it may not agree on where the next request begins.
    if (!passingStatuses.has(code)) this.#lose(`answered with the unexpected status 0x${code.toString(16)}`)
  }

  #fail(error: unknown): void {
    if (typeof error !== 'string') {
      this.#lose(`can't be reached: ${error instanceof Error ? error.message : 'unknown error'}`, error)
      return
    }
    this.end(new NodeRefusedError(`storage node ${this.#options.address.label} refused the login`))
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

  #overload(request: Buffer): NodeUnreachableError | undefined {
    const { maxPending, maxPendingBytes } = this.#options
    const { size, bytes } = this.#pending
    if (size >= maxPending) return this.#unreachable(`has ${size} operations pending, no more are taken`)
    if (size === 0 || bytes + request.length <= maxPendingBytes) return undefined
    return this.#unreachable(`has ${bytes} bytes pending, no more are taken`)
  }
}

/** Refusals of one operation, after which the connection is as good as before. */
const passingStatuses: ReadonlySet<number> = new Set([
  status.tooLarge,
  status.outOfMemory,
  status.busy,
  status.temporaryFailure,
])

function isErrorStatus(code: number): boolean {
  return code > status.exists && code !== status.notStored
}

function refusal(label: string, code: number, text: Buffer): HoldfastError {
  if (code === status.tooLarge) {
    return new ItemTooLargeError(`the value is larger than storage node ${label} takes; what was stored there is gone`)
  }
  const shown = text.toString('latin1', 0, 80).replace(/[^ -~]/g, '?')
  return new NodeRefusedError(`storage node ${label} answered with status 0x${code.toString(16)}: ${shown}`)
}
