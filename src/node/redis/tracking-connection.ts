import { NodeUnreachableError } from '../../errors.js'
import { openRedisSocket, type RedisEndpoint, type RedisSocket } from './ioredis-client.js'
import { NotDone, printable } from './redis-errors.js'
import { type RedisLogin, shakeHands } from './redis-handshake.js'

export interface TrackingConnectionOptions {
  /** For people. */
  label: string
  endpoint: RedisEndpoint
  login: RedisLogin
  /** News of keys that begin so. */
  prefix: string
  /** Milliseconds that it may take to connect. */
  connectTimeout: number
  /** From now on every change is told. */
  onReady(): void
  /** The keys have changed or gone, as the server calls them; `undefined`: any may have. */
  onInvalidated(keys: readonly string[] | undefined): void
  /** Called once; nothing is told any more. */
  onEnd(reason: string): void
}

const channel = '__redis__:invalidate'

/**
 * A connection on which a Redis server tells which keys have changed (CLIENT TRACKING in broadcast mode).
 * Source: https://redis.io/docs/latest/develop/reference/client-side-caching/
 *
 * It speaks RESP2 and is redirected to itself, because ioredis hands messages on but not RESP3's pushes of this kind. That
 * also keeps the pings on the same stream: whoever has the answer to a ping has had all news from before it. NOLOOP is not
 * used. It would keep quiet about writes of this very connection, and this one writes nothing; on the connections
 * that do, it would leave open whether another server's write came before or after ours.
 */
export class TrackingConnection {
  /** The server's process, where that is known. */
  incarnation: string | undefined
  /** When the last ping that was answered was sent, on the clock of `performance.now()`. */
  provenAt = Number.NEGATIVE_INFINITY
  readonly #options: TrackingConnectionOptions
  readonly #openedAt = performance.now()
  #socket: RedisSocket | undefined
  #ready = false
  #pinging = false
  #ended = false

  constructor(options: TrackingConnectionOptions) {
    this.#options = options
    const events = {
      onReady: (socket: RedisSocket) => void this.#begin(socket),
      onLost: (reason: string) => this.end(reason),
      onMessage: (payload: unknown) => this.#hear(payload),
    }
    openRedisSocket(options.endpoint, events).then(
      (socket) => {
        this.#socket = socket
        if (this.#ended) socket.discard()
      },
      (error: Error) => this.end(error.message),
    )
  }

  get ready(): boolean {
    return this.#ready && !this.#ended
  }

  /** For a regular interval: sends a ping, or ends the connection when the last one was not answered. */
  check(): void {
    if (this.#ended) return
    /* Timers run before sockets are read: an answer that has arrived counts. */
    if (this.#pinging) setImmediate(() => this.#pinging && this.end('gave no answer to a ping'))
    else if (this.#ready) void this.#ping(this.#socket as RedisSocket)
    else if (performance.now() - this.#openedAt > this.#options.connectTimeout) this.end('took too long to connect')
  }

  end(reason: string): void {
    if (this.#ended) return
    this.#ended = true
    this.#socket?.discard()
    this.#options.onEnd(reason)
  }

  async #begin(socket: RedisSocket): Promise<void> {
    const { label, login, prefix, onReady } = this.#options
    this.#socket = socket
    try {
      this.incarnation = await shakeHands(socket, label, login)
      const id = String(await socket.call('CLIENT', ['ID']))
      const keys = prefix === '' ? [] : ['PREFIX', prefix]
      await socket.call('CLIENT', ['TRACKING', 'ON', 'REDIRECT', id, 'BCAST', ...keys])
      const sentAt = performance.now()
      await socket.call('subscribe', [channel])
      if (this.#ended) return
      this.provenAt = sentAt
      this.#ready = true
      onReady()
    } catch (error) {
      this.end(reasonOf(error as Error))
    }
  }

  async #ping(socket: RedisSocket): Promise<void> {
    const sentAt = performance.now()
    this.#pinging = true
    try {
      await socket.call('ping', [])
      this.provenAt = sentAt
    } catch (error) {
      this.end(reasonOf(error as Error))
    }
    this.#pinging = false
  }

  #hear(payload: unknown): void {
    if (!this.#ended) this.#options.onInvalidated(Array.isArray(payload) ? payload.map(String) : undefined)
  }
}

function reasonOf(error: Error): string {
  if (error instanceof NotDone || error instanceof NodeUnreachableError) return error.message
  return error.name === 'ReplyError' ? `answered: ${printable(error.message)}` : printable(error.message)
}
