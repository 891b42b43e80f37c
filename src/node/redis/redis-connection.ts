import { HoldfastError, NodeUnreachableError, ProtocolError } from '../../errors.js'
import { explained } from '../connection-trouble.js'
import { PendingOperations } from '../pending-operations.js'
import { openRedisSocket, type RedisEndpoint, type RedisSocket, redisKind } from './ioredis-client.js'
import { NotDone, readErrorReply } from './redis-errors.js'
import { type RedisLogin, shakeHands } from './redis-handshake.js'
import type { RedisOperation } from './redis-operation.js'
import type { ReplyReceiver } from './resp-conversation.js'

export interface RedisConnectionOptions {
  /** For people. */
  label: string
  endpoint: RedisEndpoint
  login: RedisLogin
  /** Milliseconds; may change. */
  operationTimeout: () => number
  maxPending: number
  maxPendingBytes: number
  /** The server has been greeted; `incarnation` identifies its process where that is known. */
  onOpen(incarnation: string | undefined): void
  /** Called once, before the pending operations reject. */
  onEnd(connection: RedisConnection, reason: HoldfastError | undefined): void
}

/**
 * One connection to a Redis server, from the first operation to the first fault. A connection that had any fault is never
 * used again, so a late reply can't answer another operation.
 */
export class RedisConnection implements ReplyReceiver {
  /** Whether the server has given a good answer. */
  proven = false
  readonly #options: RedisConnectionOptions
  readonly #pending: PendingOperations<RedisOperation>
  #socket: RedisSocket | undefined
  #ready = false
  #retired = false
  #ended = false

  constructor(options: RedisConnectionOptions) {
    this.#options = options
    this.#pending = new PendingOperations(options.operationTimeout, () => this.#timeOut())
    this.#open()
  }

  /** Whether operations can be given to this connection. */
  get usable(): boolean {
    return !this.#retired && !this.#ended && (!this.#ready || this.#socket?.writable === true)
  }

  send(operation: RedisOperation): void {
    const overload = this.#overload(operation)
    if (overload !== undefined) {
      operation.reject(overload)
      return
    }
    this.#pending.push(operation)
    if (this.#ready) this.#write(operation)
  }

  /** Takes no more operations, and ends when what is pending has settled. */
  retire(): void {
    this.#retired = true
    this.#stopIfDrained()
  }

  /** Ends the connection; what is pending rejects with the error, or as not done where it was not sent. Idempotent. */
  end(error: HoldfastError): void {
    if (this.#ended) return
    let operation = this.#stop(error)
    for (; operation !== undefined; operation = operation.next) {
      operation.reject(operation.sent ? error : new NotDone('not-connected', error))
    }
  }

  /** @returns what was pending, oldest first. */
  #stop(reason?: HoldfastError): RedisOperation | undefined {
    this.#ended = true
    this.#options.onEnd(this, reason)
    this.#socket?.discard()
    return this.#pending.clear()
  }

  #open(): void {
    const events = {
      onReady: (socket: RedisSocket) => void this.#greet(socket),
      onLost: (reason: string, cause?: unknown) => this.#lose(reason, cause),
    }
    openRedisSocket(this.#options.endpoint, events).then(
      (socket) => {
        this.#socket = socket
        if (this.#ended) socket.discard()
      },
      (error) => (error instanceof HoldfastError ? this.end(error) : this.#lose("can't be connected to", error)),
    )
  }

  async #greet(socket: RedisSocket): Promise<void> {
    const { label, login, onOpen } = this.#options
    try {
      const incarnation = await shakeHands(socket, label, login)
      if (this.#ended) return
      this.proven = true
      onOpen(incarnation)
      this.#ready = true
      for (let next = this.#pending.oldest; next !== undefined; next = next.next) this.#write(next)
    } catch (error) {
      this.#failGreeting(error)
    }
  }

  #failGreeting(error: unknown): void {
    if (!(error instanceof NotDone)) {
      this.end(error as HoldfastError)
      return
    }
    for (let next = this.#pending.oldest; next !== undefined; next = this.#pending.oldest) {
      this.#pending.shift()
      next.reject(error)
    }
    this.end(error.outcome)
  }

  #write(operation: RedisOperation): void {
    const socket = this.#socket as RedisSocket
    operation.sent = true
    socket.send(operation.command.name, operation.command.args, this)
  }

  /** For the socket: the reply to the oldest operation. */
  onReply(reply: unknown): void {
    const operation = this.#take()
    if (operation === undefined) return
    try {
      operation.resolve(operation.command.read(reply) as never)
    } catch (error) {
      if (error instanceof NotDone && error.wantsOtherConnection) this.retire()
      operation.reject(this.#translate(error))
      if (error instanceof ProtocolError) this.#lose(error.message)
    }
    this.#stopIfDrained()
  }

  /** For the socket: the oldest operation was refused. */
  onErrorReply(error: Error): void {
    const operation = this.#take()
    if (operation === undefined) return
    const meaning = readErrorReply(this.#options.label, error.message)
    if (meaning instanceof NotDone && meaning.wantsOtherConnection) this.retire()
    operation.reject(meaning)
    this.#stopIfDrained()
  }

  /** Redis answers in the order of the commands. */
  #take(): RedisOperation | undefined {
    if (this.#ended) return undefined
    const operation = this.#pending.oldest
    this.#pending.shift()
    return operation
  }

  #stopIfDrained(): void {
    if (this.#retired && !this.#ended && this.#pending.size === 0) this.#stop()
  }

  #translate(error: unknown): Error {
    if (error instanceof ProtocolError) return this.#unreachable(error.message)
    return error instanceof Error ? error : this.#unreachable('answered something unreadable', error)
  }

  #timeOut(): void {
    this.#lose(`gave no answer within ${this.#options.operationTimeout()} ms`)
  }

  #lose(what: string, cause?: unknown): void {
    const encrypted = this.#options.endpoint.tls !== undefined
    this.end(this.#unreachable(explained(what, { proven: this.proven, encrypted, ...redisKind }), cause))
  }

  #unreachable(what: string, cause?: unknown): NodeUnreachableError {
    const message = `storage node ${this.#options.label} ${what}`
    return new NodeUnreachableError(message, cause === undefined ? undefined : { cause })
  }

  #overload(operation: RedisOperation): NodeUnreachableError | undefined {
    const { maxPending, maxPendingBytes } = this.#options
    const { size, bytes } = this.#pending
    if (size >= maxPending) return this.#unreachable(`has ${size} operations pending, no more are taken`)
    if (size === 0 || bytes + operation.bytes <= maxPendingBytes) return undefined
    return this.#unreachable(`has ${bytes} bytes pending, no more are taken`)
  }
}
