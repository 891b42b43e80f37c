import type { Redis, RedisOptions } from 'ioredis'
import { NodeUnreachableError } from '../../errors.js'
import { type HostAndPort, isSocketPath } from '../address/host.js'
import { readTlsFiles, type TlsFiles } from '../address/tls-files.js'
import { troubleOf } from '../connection-trouble.js'
import { giveUpSocket } from '../give-up-socket.js'
import type { RedisArgument } from './redis-operation.js'
import { type ReplyReceiver, RespConversation } from './resp-conversation.js'

/** A server to connect to, or the Sentinels that know which one. */
export interface RedisEndpoint {
  server: HostAndPort
  sentinels?: {
    hosts: readonly HostAndPort[]
    masterName: string
    username: string | undefined
    password: string | undefined
    /** Milliseconds that one Sentinel may take for its answer. */
    timeout: number
  }
  tls: TlsFiles | undefined
}

export interface RedisSocketEvents {
  /** Connected; commands can be sent. */
  onReady(socket: RedisSocket): void
  /** Not connected any more, or it never was. May be called more than once. */
  onLost(reason: string, cause?: unknown): void
  /** Something was published on a channel that was subscribed to. */
  onMessage?(payload: unknown): void
}

/**
 * One connection, from its opening to its end. ioredis finds the server and opens the connection; commands and replies are ours, but for
 * one that listens to messages.
 */
export interface RedisSocket {
  /** Whether commands can still be sent. */
  readonly writable: boolean
  /** Copies the arguments before it returns. Rejects with a `ReplyError` for an error reply. */
  call(name: string, args: RedisArgument[]): Promise<unknown>
  /** As `call`, for many: the receiver is told, not a promise. Not on a connection that listens to messages. */
  send(name: string, args: readonly RedisArgument[], receiver: ReplyReceiver): void
  /** Ends at once; what the system has not sent yet is dropped. Idempotent. */
  discard(): void
}

/** How servers of this kind are called. */
export const redisKind = { protocol: 'Redis', schemes: ['redis://', 'rediss://'] } as const

type Ioredis = Pick<typeof import('ioredis'), 'Redis'>
type Loader = () => Promise<Ioredis>

/**
 * Opens a connection with ioredis, which is loaded at first use. Everything in it that repeats, queues or reconnects is
 * switched off: it sends old commands again after a reconnect, and those of its offline queue long after their caller
 * was told that they failed. Time-outs are ours (`commandTimeout` would leave the connection as it is, with replies to come).
 *
 * @throws NodeUnreachableError when ioredis is not installed or a file for TLS can't be read
 */
export async function openRedisSocket(
  endpoint: RedisEndpoint,
  events: RedisSocketEvents,
  load: Loader = () => import('ioredis'),
): Promise<RedisSocket> {
  const { Redis: Client } = await loadIoredis(load)
  const tls = endpoint.tls && { host: endpoint.server.host, ...(await readTlsFiles(endpoint.tls, 'Redis')) }
  return new IoredisSocket(new Client(clientOptions(endpoint, tls)), tls !== undefined, events)
}

async function loadIoredis(load: Loader): Promise<Ioredis> {
  try {
    return await load()
  } catch (cause) {
    throw new NodeUnreachableError('storage nodes on Redis need the package ioredis: npm install ioredis', { cause })
  }
}

type ClientOptions = RedisOptions & { replyMapping: 'legacy' }
type TlsOptions = NonNullable<RedisOptions['tls']>

/** Far away: our own deadline ends a connection that takes too long. */
const never = 1_000_000_000
const disconnectTimeout = 50

function clientOptions({ server, sentinels }: RedisEndpoint, tls: TlsOptions | undefined): ClientOptions {
  const options: ClientOptions = {
    ...(isSocketPath(server.host) ? { path: server.host } : server),
    lazyConnect: true,
    protocol: 2,
    replyMapping: 'legacy',
    enableReadyCheck: false,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
    disableClientInfo: true,
    connectTimeout: never,
    disconnectTimeout,
    ...(tls && { tls }),
  }
  if (sentinels === undefined) return options
  // The servers are found through Sentinel: their names are not the one that the first Sentinel goes by.
  const { host: _host, ...serverTls } = tls ?? {}
  return {
    ...options,
    sentinels: sentinels.hosts.map((sentinel) => ({ ...sentinel })),
    name: sentinels.masterName,
    role: 'master',
    ...(sentinels.username !== undefined && { sentinelUsername: sentinels.username }),
    ...(sentinels.password !== undefined && { sentinelPassword: sentinels.password }),
    sentinelRetryStrategy: () => null,
    sentinelReconnectStrategy: () => 1000,
    sentinelCommandTimeout: sentinels.timeout,
    connectTimeout: sentinels.timeout,
    failoverDetector: true,
    ...(tls && { tls: serverTls, sentinelTLS: serverTls, enableTLSForSentinelMode: true }),
  }
}

class IoredisSocket implements RedisSocket {
  readonly #redis: Redis
  readonly #encrypted: boolean
  readonly #events: RedisSocketEvents
  #conversation: RespConversation | undefined
  #discarded = false

  constructor(redis: Redis, encrypted: boolean, events: RedisSocketEvents) {
    this.#redis = redis
    this.#encrypted = encrypted
    this.#events = events
    redis.on('error', (error: Error) => events.onLost(whatHappened(error, encrypted), causeOf(error)))
    redis.once('close', () => events.onLost('closed the connection'))
    redis.once('end', () => events.onLost('closed the connection'))
    redis.once('ready', () => this.#begin())
    if (events.onMessage !== undefined)
      redis.on('messageBuffer', (_channel: Buffer, payload: unknown) => events.onMessage?.(payload))
    silenceSentinels(redis)
    redis.connect().catch(ignore)
  }

  get writable(): boolean {
    return this.#redis.status === 'ready' && this.#redis.stream.writable
  }

  call(name: string, args: RedisArgument[]): Promise<unknown> {
    const conversation = this.#conversation
    if (conversation === undefined) return this.#redis.callBuffer(name, ...args)
    return new Promise((onReply, onErrorReply) => conversation.send(name, args, { onReply, onErrorReply }))
  }

  send(name: string, args: readonly RedisArgument[], receiver: ReplyReceiver): void {
    this.#conversation?.send(name, args, receiver)
  }

  discard(): void {
    if (this.#discarded) return
    this.#discarded = true
    this.#conversation?.end()
    // The stream goes first: a reset is refused once ioredis has begun an orderly end, and the socket then never closes.
    this.#dropStream()
    // ioredis' own end also stops its search for a master and its connections to the Sentinels.
    this.#redis.disconnect()
  }

  #begin(): void {
    if (this.#events.onMessage === undefined) {
      const { stream } = this.#redis
      // Nothing is under way yet that ioredis waits for.
      stream.removeAllListeners('data')
      this.#conversation = new RespConversation(stream, (reason) => this.#events.onLost(reason))
    }
    this.#events.onReady(this)
  }

  #dropStream(): void {
    const stream = this.#redis.stream as Redis['stream'] | undefined
    if (stream === undefined || stream.destroyed) return
    if (this.#encrypted || !('resetAndDestroy' in stream)) stream.destroy()
    else giveUpSocket(stream)
  }
}

/** ioredis prints the errors of its connections to the Sentinels, for want of a listener. A Sentinel may well be down. */
function silenceSentinels(redis: Redis): void {
  const { connector } = redis as unknown as { connector: { connectToSentinel?: (...args: unknown[]) => Redis } }
  const connect = connector.connectToSentinel?.bind(connector)
  if (connect !== undefined) connector.connectToSentinel = (...args) => connect(...args).on('error', ignore)
}

/** Errors of replies carry the command with its arguments, and are not kept: only those of the system are. */
function causeOf(error: Error): unknown {
  return 'code' in error ? error : undefined
}

function whatHappened(error: Error, encrypted: boolean): string {
  if (error.message.startsWith('Command queue state error')) return 'sent a reply that answers no pending operation'
  if (/RESP type|Protocol error, got/.test(error.message)) return 'sent something that is not a reply'
  return troubleOf(error, { encrypted, ...redisKind })
}

function ignore(): void {}
