import type { Socket } from 'node:net'
import { type BinaryFrame, encodePieces, REPLY_MAGIC } from '../memcached-wire/binary.js'
import { BinaryStream, type FrameLimits } from '../memcached-wire/binary-stream.js'
import type { CommandHandler } from './command-handler.js'
import type { Counters } from './counters.js'

/** Bytes of answers that may wait in a socket; above, no more requests are read until they are gone. */
const MAX_UNSENT_BYTES = 1024 * 1024
/** Milliseconds that a client may leave waiting answers unread before its connection is given up. */
const STALLED_TIMEOUT_MS = 60_000
/** Milliseconds for the last answers of a connection that ends. */
const ENDING_TIMEOUT_MS = 5_000

/** One client: requests in, answers out in the same order. An idle client may stay for ever. */
export class Connection {
  readonly #socket: Socket
  readonly #handler: CommandHandler
  readonly #counters: Counters
  readonly #parser: BinaryStream
  #ending = false

  constructor(socket: Socket, handler: CommandHandler, counters: Counters, limits: FrameLimits) {
    this.#socket = socket
    this.#handler = handler
    this.#counters = counters
    this.#parser = new BinaryStream(limits)
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#work())
    socket.on('timeout', () => socket.destroy())
    // The 'close' that follows an error is all that matters.
    socket.on('error', () => {})
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
  }

  #answerRequests(): void {
    let request = this.#nextRequest()
    while (request !== undefined) {
      this.#answer(request)
      request = this.#nextRequest()
    }
  }

  #nextRequest(): BinaryFrame | undefined {
    if (this.#ending) return undefined
    const congested = this.#socket.writableLength > MAX_UNSENT_BYTES
    const request = congested ? undefined : this.#parser.next()
    if (congested) this.#waitForDrain()
    else if (request === undefined) this.#readOn()
    return request
  }

  #answer(request: BinaryFrame): void {
    const { replies, ends } = this.#handler.handle(request)
    for (const reply of replies) {
      const parts = { ...reply, opcode: request.opcode, opaque: request.opaque }
      for (const bytes of encodePieces(REPLY_MAGIC, parts)) this.#send(bytes)
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
    this.#socket.setTimeout(ENDING_TIMEOUT_MS)
    this.#socket.destroySoon()
  }
}
