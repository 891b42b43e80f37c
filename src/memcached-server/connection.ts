import type { Socket } from 'node:net'
import type { CommandContext } from './binary-commands.js'
import { BinaryConversation } from './binary-conversation.js'
import type { Answered, Conversation, RequestLimits } from './conversation.js'
import type { HalfReceived, Sender } from './half-received.js'
import { TextConversation } from './text-conversation.js'

/** Bytes of answers that may wait in a socket; above, no more requests are read until they are gone. */
const MAX_UNSENT_BYTES = 1024 * 1024
/** Milliseconds that a client may leave waiting answers unread before its connection is given up. */
const STALLED_TIMEOUT_MS = 60_000
/** Milliseconds for the last answers of a connection that ends. */
const ENDING_TIMEOUT_MS = 5_000

/** Milliseconds from the first byte of a request to its last; what is still on its way then never comes. */
const REQUEST_TIMEOUT_MS = 10_000

/** What the connections of one server share. */
export interface ConnectionParts {
  readonly context: CommandContext
  readonly limits: RequestLimits
  readonly halfReceived: HalfReceived
  /** Milliseconds. Default 10 s. */
  readonly requestTimeout?: number | undefined
  /** Called when the client has sent at least one whole request. */
  readonly onUse: (socket: Socket) => void
}

/** One client: requests in, answers out in the same order. An idle client may stay as long as there is room. */
export class Connection implements Sender {
  readonly #socket: Socket
  readonly #context: CommandContext
  readonly #parts: ConnectionParts
  #conversation: Conversation | undefined
  #unfinished: NodeJS.Timeout | undefined
  #ending = false

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket
    this.#parts = parts
    this.#context = parts.context
    socket.on('close', () => this.#forget())
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#work())
    socket.on('timeout', () => socket.destroy())
    // The 'close' that follows an error is all that matters.
    socket.on('error', () => {})
  }

  /** Nothing more is read of what it sends. */
  abandon(): void {
    this.#context.counters.abandoned_requests++
    this.#ending = true
    this.#forget()
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#ending) return
    this.#context.counters.bytes_read += chunk.length
    this.#conversation ??= this.#begin(chunk)
    this.#conversation.push(chunk)
    this.#work()
  }

  /** The first byte tells the protocol: a line of text begins with the letter of a command. */
  #begin(chunk: Buffer): Conversation {
    const Kind = /^[a-z]/i.test(chunk.toString('latin1', 0, 1)) ? TextConversation : BinaryConversation
    return new Kind(this.#context, this.#parts.limits)
  }

  /** Answers what has arrived, as far as the client takes the answers. */
  #work(): void {
    if (this.#ending) return
    this.#socket.cork()
    try {
      this.#answerRequests()
    } catch {
      // Bytes that are no request: nothing that follows could be understood. Earlier answers still go out.
      this.#context.counters.protocol_errors++
      this.#end()
    } finally {
      this.#socket.uncork()
    }
    if (!this.#ending) this.#noteRest()
  }

  /* Congestion is the client's doing as well, and has a limit of time of its own. */
  #noteRest(): void {
    const { halfReceived, requestTimeout = REQUEST_TIMEOUT_MS } = this.#parts
    const isWaiting = this.#conversation?.isWithinRequest === true && !this.#socket.isPaused()
    if (isWaiting) this.#unfinished ??= setTimeout(() => this.abandon(), requestTimeout).unref()
    else this.#stopWaiting()
    halfReceived.note(this, this.#conversation?.heldBytes ?? 0)
  }

  #stopWaiting(): void {
    clearTimeout(this.#unfinished)
    this.#unfinished = undefined
  }

  #forget(): void {
    this.#stopWaiting()
    this.#parts.halfReceived.note(this, 0)
  }

  #answerRequests(): void {
    let answered = this.#next()
    if (answered === undefined) return
    /* The next one may have begun: it has its own time. */
    this.#stopWaiting()
    this.#parts.onUse(this.#socket)
    for (; answered !== undefined; answered = this.#next()) {
      for (const bytes of answered.pieces) this.#send(bytes)
      if (answered.ends) this.#end()
    }
  }

  #next(): Answered | undefined {
    if (this.#ending) return undefined
    const congested = this.#socket.writableLength > MAX_UNSENT_BYTES
    const answered = congested ? undefined : this.#conversation?.next()
    if (congested) this.#waitForDrain()
    else if (answered === undefined) this.#readOn()
    return answered
  }

  #send(bytes: Buffer): void {
    this.#context.counters.bytes_written += bytes.length
    this.#socket.write(bytes)
  }

  #waitForDrain(): void {
    this.#socket.pause()
    this.#socket.setTimeout(STALLED_TIMEOUT_MS)
  }

  #readOn(): void {
    if (!this.#socket.isPaused()) return
    this.#socket.setTimeout(0)
    this.#socket.resume()
  }

  #end(): void {
    this.#ending = true
    this.#forget()
    this.#socket.setTimeout(ENDING_TIMEOUT_MS)
    this.#socket.destroySoon()
  }
}
