import type { Socket } from 'node:net'
import type { CommandContext } from './binary-commands.js'
import { BinaryConversation } from './binary-conversation.js'
import type { Answered, Conversation, RequestLimits } from './conversation.js'
import { TextConversation } from './text-conversation.js'

/** Bytes of answers that may wait in a socket; above, no more requests are read until they are gone. */
const MAX_UNSENT_BYTES = 1024 * 1024
/** Milliseconds that a client may leave waiting answers unread before its connection is given up. */
const STALLED_TIMEOUT_MS = 60_000
/** Milliseconds for the last answers of a connection that ends. */
const ENDING_TIMEOUT_MS = 5_000

/** One client: requests in, answers out in the same order. An idle client may stay for ever. */
export class Connection {
  readonly #socket: Socket
  readonly #context: CommandContext
  readonly #limits: RequestLimits
  #conversation: Conversation | undefined
  #ending = false

  constructor(socket: Socket, context: CommandContext, limits: RequestLimits) {
    this.#socket = socket
    this.#context = context
    this.#limits = limits
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('drain', () => this.#work())
    socket.on('timeout', () => socket.destroy())
    // The 'close' that follows an error is all that matters.
    socket.on('error', () => {})
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
    return new Kind(this.#context, this.#limits)
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
  }

  #answerRequests(): void {
    for (let answered = this.#next(); answered !== undefined; answered = this.#next()) {
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
    this.#socket.setTimeout(ENDING_TIMEOUT_MS)
    this.#socket.destroySoon()
  }
}
