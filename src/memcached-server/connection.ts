import type { Socket } from 'node:net'
import { encodeReply, type Request } from './binary-protocol.js'
import type { CommandHandler } from './command-handler.js'
import type { Counters } from './counters.js'
import { type FrameLimits, FrameParser } from './frame-parser.js'
import type { HalfReceived, Sender } from './half-received.js'

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
  readonly handler: CommandHandler
  readonly counters: Counters
  readonly limits: FrameLimits
  readonly halfReceived: HalfReceived
  /** Milliseconds. Default 10 s. */
  readonly requestTimeout?: number | undefined
  /** Called when the client has sent at least one whole request. */
  readonly onUse: (socket: Socket) => void
}

/** One client: requests in, answers out in the same order. An idle client may stay as long as there is room. */
export class Connection implements Sender {
  readonly #socket: Socket
  readonly #handler: CommandHandler
  readonly #counters: Counters
  readonly #parser: FrameParser
  readonly #parts: ConnectionParts
  #unfinished: NodeJS.Timeout | undefined
  #ending = false

  constructor(socket: Socket, parts: ConnectionParts) {
    this.#socket = socket
    this.#parts = parts
    this.#handler = parts.handler
    this.#counters = parts.counters
    this.#parser = new FrameParser(parts.limits)
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
    this.#counters.abandoned_requests++
    this.#ending = true
    this.#forget()
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    if (this.#ending) return
    this.#counters.bytes_read += chunk.length
    this.#parser.push(chunk)
    this.#work()
  }

  /** Answers what has arrived, as far as the client takes the answers. */
  #work(): void {
    if (this.#ending) return
    this.#socket.cork()
    try {
      this.#answerRequests()
    } catch {
      // Bytes that are no request: nothing that follows could be understood. Earlier answers still go out.
      this.#counters.protocol_errors++
      this.#end()
    } finally {
      this.#socket.uncork()
    }
    if (!this.#ending) this.#noteRest()
  }

  /* Congestion is the client's doing as well, and has a limit of time of its own. */
  #noteRest(): void {
    const { halfReceived, requestTimeout = REQUEST_TIMEOUT_MS } = this.#parts
    const isWaiting = this.#parser.isWithinRequest && !this.#socket.isPaused()
    if (isWaiting) this.#unfinished ??= setTimeout(() => this.abandon(), requestTimeout).unref()
    else this.#stopWaiting()
    halfReceived.note(this, this.#parser.heldBytes)
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
    let request = this.#nextRequest()
    if (request === undefined) return
    /* The next one may have begun: it has its own time. */
    this.#stopWaiting()
    this.#parts.onUse(this.#socket)
    while (request !== undefined) {
      this.#answer(request)
      request = this.#nextRequest()
    }
  }

  #nextRequest(): Request | undefined {
    if (this.#ending) return undefined
    const congested = this.#socket.writableLength > MAX_UNSENT_BYTES
    const request = congested ? undefined : this.#parser.next()
    if (congested) this.#waitForDrain()
    else if (request === undefined) this.#readOn()
    return request
  }

  #answer(request: Request): void {
    const { replies, ends } = this.#handler.handle(request)
    for (const reply of replies) {
      for (const bytes of encodeReply(request, reply)) this.#send(bytes)
    }
    if (ends) this.#end()
  }

  #send(bytes: Buffer): void {
    this.#counters.bytes_written += bytes.length
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
