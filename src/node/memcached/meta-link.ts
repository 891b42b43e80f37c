import type { Socket } from 'node:net'
import { HoldfastError, ItemTooLargeError, NodeRefusedError, ProtocolError } from '../../errors.js'
import {
  encodeMetaDelete,
  encodeMetaGet,
  encodeMetaLine,
  encodeMetaSet,
  META_NOOP,
  MetaReplies,
  type MetaReply,
  printable,
} from '../../memcached-wire/meta.js'
import { troubleOf } from '../connection-trouble.js'
import { giveUpSocket } from '../give-up-socket.js'
import { RequestBatch } from '../request-batch.js'
import { IncomingFigures } from './incoming-figures.js'
import { type MemcachedAddress, memcachedKind } from './memcached-address.js'
import type { LinkEvents, MemcachedLink } from './memcached-link.js'
import type { Answer, MemcachedOperation } from './memcached-operation.js'
import { connectToMemcached } from './memcached-socket.js'
import { greetMeta, type MetaFeatures } from './meta-greeting.js'
import { nextOwnCas } from './own-cas.js'

const keepAliveDelay = 30_000

/** One socket of our own, on the meta commands of memcached's text protocol. */
export class MetaLink implements MemcachedLink {
  readonly #address: MemcachedAddress
  readonly #events: LinkEvents
  readonly #replies: MetaReplies
  readonly #batch = new RequestBatch((bytes) => this.#write(bytes))
  #socket: Socket | undefined
  #features: MetaFeatures | undefined
  /** Takes the next reply, while the greeting goes on. */
  #awaiting: ((reply: MetaReply) => void) | undefined
  /** Whether the server has said anything. */
  #heard = false
  #discarded = false
  readonly #figures = new IncomingFigures()

  constructor(address: MemcachedAddress, maxReplyBytes: number, events: LinkEvents) {
    this.#address = address
    this.#events = events
    this.#replies = new MetaReplies(maxReplyBytes)
    void this.#open()
  }

  send(operation: MemcachedOperation, opaque: number): void {
    this.#batch.add(encode(operation, opaque, this.#features as MetaFeatures), operation.value)
  }

  discard(): void {
    if (this.#discarded) return
    this.#discarded = true
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    if (this.#address.tls !== undefined) socket.destroy()
    else giveUpSocket(socket)
  }

  async #open(): Promise<void> {
    try {
      const socket = await connectToMemcached(this.#address)
      if (this.#discarded) socket.destroy()
      else this.#wire(socket)
    } catch (error) {
      this.#reject(error)
    }
  }

  #wire(socket: Socket): void {
    this.#socket = socket
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveDelay)
    socket.once(this.#address.tls === undefined ? 'connect' : 'secureConnect', () => void this.#greet())
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    const encrypted = this.#address.tls !== undefined
    const what = (error: Error) => troubleOf(error, { encrypted, ...memcachedKind })
    socket.on('error', (error) => this.#close(what(error), error))
    const closed = (): void => this.#close('closed the connection')
    socket.once('end', closed)
    socket.once('close', closed)
  }

  async #greet(): Promise<void> {
    const { label, username, password } = this.#address
    const login = username === undefined || password === undefined ? undefined : { username, password }
    try {
      const features = await greetMeta((line, block) => this.#ask(line, block), label, login)
      if (this.#discarded) return
      this.#features = features
      if (features === undefined) this.#events.onUnsupported('knows no meta commands that are complete enough')
      else this.#begin()
    } catch (error) {
      this.#reject(error)
    }
  }

  #begin(): void {
    this.#events.onOpen()
    this.#events.onReady()
  }

  #ask(line: string, block?: Buffer): Promise<MetaReply> {
    return new Promise((resolve) => {
      this.#awaiting = resolve
      this.#batch.add(line, block)
    })
  }

  #write(bytes: Buffer): void {
    if (!this.#discarded) this.#socket?.write(bytes)
  }

  #receive(chunk: Buffer): void {
    if (this.#discarded) return
    this.#heard = true
    this.#replies.push(chunk)
    try {
      for (let reply = this.#replies.next(); reply !== undefined; reply = this.#replies.next()) {
        this.#take(reply)
        if (this.#discarded) return
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#lose(error.message)
    }
  }

  #take(reply: MetaReply): void {
    const awaiting = this.#awaiting
    this.#awaiting = undefined
    if (awaiting !== undefined) awaiting(reply)
    else this.#answer(reply)
  }

  #answer(reply: MetaReply): void {
    const oldest = this.#events.oldest()
    if (oldest === undefined || this.#features === undefined) {
      this.#lose('sent a reply that answers no pending operation')
      return
    }
    const { kind } = oldest.operation
    if (kind === 'stats' && this.#collect(reply)) return
    if (reply.code.length > 2) {
      this.#refuse(reply, kind)
      return
    }
    // Of memcached's replies only that to `mn` carries no number.
    if (kind !== 'ping' && reply.opaque !== oldest.opaque) {
      this.#lose('sent a reply that answers no pending operation')
      return
    }
    const outcome = outcomes[kind][reply.code]
    if (outcome === undefined) this.#lose(`answered ${reply.code} to an operation that can't end so`)
    else this.#events.onAnswer({ outcome, cas: reply.cas, value: reply.value })
  }

  /** @returns whether it was part of the figures. */
  #collect({ code, text }: MetaReply): boolean {
    if (code === 'STAT') {
      const blank = text.indexOf(' ')
      this.#figures.add(text.slice(0, blank), text.slice(blank + 1))
      return true
    }
    const figures = this.#figures.take()
    if (code === 'END') this.#events.onAnswer({ outcome: 'ok', cas: 0n, value: undefined, figures })
    return code === 'END'
  }

  #refuse({ code, text }: MetaReply, kind: MemcachedOperation['kind']): void {
    if (!errorCodes.has(code)) {
      this.#lose(`answered ${code} to an operation that can't end so`)
      return
    }
    this.#events.onRefusal(refusal(this.#address.label, `${code} ${text}`))
    // Where the server doesn't understand us, it may not agree on where the next request begins; a proxy need not know `stats`.
    if (code !== 'SERVER_ERROR' && kind !== 'stats') this.#lose(`answered with the unexpected ${code}`)
  }

  /** A server that ends a connection without a word at the first line of text has no text protocol. */
  #close(what: string, cause?: unknown): void {
    if (this.#discarded) return
    const deaf = this.#awaiting !== undefined && !this.#heard
    if (deaf) this.#events.onUnsupported(what)
    else this.#lose(what, cause)
  }

  #reject(error: unknown): void {
    if (this.#discarded) return
    if (error instanceof ProtocolError) this.#lose(error.message)
    else if (error instanceof HoldfastError) this.#events.onRejected(error)
    else this.#lose("can't be connected to", error)
  }

  #lose(what: string, cause?: unknown): void {
    if (!this.#discarded) this.#events.onLost(what, cause)
  }
}

type Outcomes = Readonly<Record<string, Answer['outcome']>>

const reads: Outcomes = { HD: 'ok', VA: 'ok', EN: 'absent' }
const writes: Outcomes = { HD: 'ok', NF: 'absent', EX: 'exists', NS: 'not-stored' }

const outcomes: Readonly<Record<MemcachedOperation['kind'], Outcomes>> = {
  get: reads,
  verify: reads,
  touch: { HD: 'ok', EN: 'absent' },
  set: writes,
  add: writes,
  delete: { HD: 'ok', NF: 'absent', EX: 'exists' },
  ping: { MN: 'ok' },
  stats: {},
}

const errorCodes: ReadonlySet<string> = new Set(['ERROR', 'CLIENT_ERROR', 'SERVER_ERROR'])

function encode(operation: MemcachedOperation, opaque: number, features: MetaFeatures): string {
  const { kind, key, value, expiry, cas } = operation
  switch (kind) {
    case 'ping':
      return META_NOOP
    case 'stats':
      return encodeMetaLine('stats', key)
    case 'delete':
      return encodeMetaDelete(key, opaque, cas)
    case 'get':
      return encodeMetaGet(key, opaque, { value: true, cas: true, expiry })
    case 'touch':
      return encodeMetaGet(key, opaque, { value: false, cas: false, expiry })
    case 'verify': {
      const seen = features.conditionalGet ? { unless: cas } : undefined
      return encodeMetaGet(key, opaque, { value: features.conditionalGet, cas: true, ...seen, expiry })
    }
    default: {
      const chosen = features.ownCas ? nextOwnCas() : undefined
      const size = (value as Uint8Array).length
      return encodeMetaSet(key, opaque, size, { add: kind === 'add', expected: cas, chosen, expiry: expiry as number })
    }
  }
}

function refusal(label: string, text: string): HoldfastError {
  if (text.includes('too large')) {
    return new ItemTooLargeError(`the value is larger than storage node ${label} takes; what was stored there is gone`)
  }
  return new NodeRefusedError(`storage node ${label} answered: ${printable(text)}`)
}
