import { type HoldfastError, ItemTooLargeError, NodeRefusedError } from '../../errors.js'
import {
  BODY_LENGTH_OFFSET,
  encodeExpiryRequest,
  encodeKeyRequest,
  encodeStoreRequest,
  Opcode,
  REPLY_MAGIC,
  Status,
} from '../../memcached-wire/binary.js'
import { troubleOf } from '../connection-trouble.js'
import { IncomingFigures } from './incoming-figures.js'
import { type MemcachedAddress, memcachedKind } from './memcached-address.js'
import type { LinkEvents, MemcachedLink } from './memcached-link.js'
import type { Answer, MemcachedOperation } from './memcached-operation.js'
import {
  createMemjsClient,
  discardMemjsServer,
  type MemjsClient,
  type MemjsReply,
  type MemjsServer,
} from './memjs-client.js'
import { WriteBatch } from './write-batch.js'

/**
 * One memjs client and its one socket, on the binary protocol. A link that had any fault is never used again: memjs
 * keeps half a reply over a reconnect, sends old writes again and loses operations.
 */
export class BinaryLink implements MemcachedLink {
  readonly #label: string
  readonly #maxReplyBytes: number
  readonly #events: LinkEvents
  readonly #server: MemjsServer
  readonly #client: MemjsClient
  readonly #batch = new WriteBatch()
  #watched = false
  #discarded = false
  readonly #figures = new IncomingFigures()

  /** Ready at once: memjs connects with the first operation, and keeps what is sent before. */
  constructor(address: MemcachedAddress, maxReplyBytes: number, events: LinkEvents) {
    this.#label = address.label
    this.#maxReplyBytes = maxReplyBytes
    this.#events = events
    const { server, client } = createMemjsClient(address)
    this.#server = server
    this.#client = client
    this.#guardReplies()
  }

  send(operation: MemcachedOperation, opaque: number): void {
    const socket = this.#server._socket
    if (socket !== undefined) this.#batch.begin(socket)
    try {
      this.#client.perform('', encode(operation, opaque), opaque, this.#onReply, 1)
      if (!this.#watched) this.#watchSocket()
    } catch (cause) {
      this.#lose("can't be connected to", cause)
    }
  }

  discard(): void {
    if (this.#discarded) return
    this.#discarded = true
    discardMemjsServer(this.#server)
  }

  /** memjs opens the socket within its first `perform`. It doesn't notice a server that closes: we do. */
  #watchSocket(): void {
    const socket = this.#server._socket
    if (socket === undefined) return
    this.#watched = true
    socket.setNoDelay(true)
    socket.once('connect', () => this.#events.onOpen())
    const closed = (): void => this.#lose('closed the connection')
    socket.once('end', closed)
    socket.once('close', closed)
  }

  #guardReplies(): void {
    const server = this.#server
    const respond = server.respond
    const handleChunk = server.responseHandler
    server.respond = (reply) => {
      if (this.#belongsToOldest(reply)) {
        if (!this.#collect(reply)) respond.call(server, reply)
      } else this.#lose('sent a reply that answers no pending operation')
    }
    server.responseHandler = (chunk) => {
      handleChunk.call(server, chunk)
      if (this.#isNoReply(server.responseBuffer)) this.#lose('sent something that is not a reply')
    }
    // memjs would log in without credentials whenever a reply looks like an invitation to do so.
    if (server.username === undefined) server.saslAuth = () => this.#lose('asked for a login that nobody began')
  }

  /** memcached answers in order: any other reply means that the two sides are out of step. */
  #belongsToOldest({ header: { magic, opcode, opaque } }: MemjsReply): boolean {
    const oldest = this.#events.oldest()
    return oldest?.opaque === opaque && magic === REPLY_MAGIC && opcode === opcodeOf(oldest.operation)
  }

  /** @returns whether it was one of several figures: memjs takes the first reply for the whole answer. */
  #collect({ header: { opcode, status }, key, val }: MemjsReply): boolean {
    if (opcode !== Opcode.stat || status !== Status.ok || key.length === 0) return false
    this.#figures.add(key.toString('latin1'), val.toString('latin1'))
    return true
  }

  /** memjs waits for the rest of anything, however long it claims to be. */
  #isNoReply(beginning: Buffer): boolean {
    if (beginning.length === 0) return false
    if (beginning[0] !== REPLY_MAGIC) return true
    return beginning.length >= 12 && beginning.readUInt32BE(BODY_LENGTH_OFFSET) > this.#maxReplyBytes
  }

  readonly #onReply = (error: unknown, reply: MemjsReply): void => {
    if (this.#discarded) return
    if (error !== null) this.#fail(error)
    else this.#read(reply)
  }

  #read(reply: MemjsReply): void {
    const code = reply.header.status
    const outcome = outcomes[code]
    if (outcome !== undefined) {
      const { opcode, cas } = reply.header
      const value = opcode === Opcode.get || opcode === Opcode.gat ? reply.val : undefined
      const figures = opcode === Opcode.stat ? { figures: this.#figures.take() } : undefined
      this.#events.onAnswer({ outcome, cas: cas.readBigUInt64BE(0), value, ...figures })
      return
    }
    this.#events.onRefusal(refusal(this.#label, code, reply.val))
    // Where the server doesn't understand us, it may not agree on where the next request begins; a proxy need not know `stat`.
    if (!passingStatuses.has(code) && reply.header.opcode !== Opcode.stat)
      this.#lose(`answered with the unexpected status 0x${code.toString(16)}`)
  }

  #fail(error: unknown): void {
    if (typeof error === 'string') {
      const why = 'its address has no user and password, or not the right ones'
      const message = `storage node ${this.#label} refused the login: ${why}`
      this.#events.onRejected(new NodeRefusedError(message, { refuses: 'everything' }))
    } else {
      this.#lose(this.#troubleOf(error), error)
    }
  }

  #troubleOf(error: unknown): string {
    if (!(error instanceof Error)) return "can't be reached: unknown error"
    return troubleOf(error, { encrypted: false, ...memcachedKind })
  }

  #lose(what: string, cause?: unknown): void {
    if (!this.#discarded) this.#events.onLost(what, cause)
  }
}

const outcomes: Readonly<Record<number, Answer['outcome']>> = {
  [Status.ok]: 'ok',
  [Status.notFound]: 'absent',
  [Status.exists]: 'exists',
  [Status.notStored]: 'not-stored',
}

/** Refusals of one operation, after which the connection is as good as before. */
const passingStatuses: ReadonlySet<number> = new Set([
  Status.tooLarge,
  Status.outOfMemory,
  Status.busy,
  Status.temporaryFailure,
])

/** A verification is a touch, which tells the state and sends no value. */
function opcodeOf({ kind, expiry }: MemcachedOperation): number {
  if (kind === 'get') return expiry === undefined ? Opcode.get : Opcode.gat
  if (kind === 'verify') return Opcode.touch
  if (kind === 'stats') return Opcode.stat
  return kind === 'ping' ? Opcode.noop : Opcode[kind]
}

function encode(operation: MemcachedOperation, opaque: number): Buffer {
  const { kind, key, value, expiry, cas } = operation
  const opcode = opcodeOf(operation)
  if (value !== undefined) return encodeStoreRequest(opcode, opaque, key, value, expiry as number, cas)
  if (expiry !== undefined) return encodeExpiryRequest(opcode, opaque, key, expiry)
  return encodeKeyRequest(opcode, opaque, key, kind === 'delete' ? cas : 0n)
}

function refusal(label: string, code: number, text: Buffer): HoldfastError {
  if (code === Status.tooLarge) {
    return new ItemTooLargeError(`the value is larger than storage node ${label} takes; what was stored there is gone`)
  }
  const shown = text.toString('latin1', 0, 80).replace(/[^ -~]/g, '?')
  return new NodeRefusedError(`storage node ${label} answered with status 0x${code.toString(16)}: ${shown}`)
}
