import type { Duplex } from 'node:stream'
import { ProtocolError } from '../../errors.js'
import { RequestBatch } from '../request-batch.js'
import type { RedisArgument } from './redis-operation.js'
import { encodeCommand, ReplyError, RespReplies } from './resp.js'

/** Told of the replies to what it has sent, in that order. */
export interface ReplyReceiver {
  onReply(reply: unknown): void
  onErrorReply(error: Error): void
}

interface Waiting {
  readonly receiver: ReplyReceiver
  next: Waiting | undefined
}

/** Commands and their replies on a stream that somebody else has opened and watches. */
export class RespConversation {
  readonly #onLost: (reason: string) => void
  readonly #replies = new RespReplies()
  readonly #batch: RequestBatch
  /** Who waits for replies, in the order in which they come. */
  #oldest: Waiting | undefined
  #newest: Waiting | undefined
  #ended = false

  /** @param onLost what is received is no reply to what was sent */
  constructor(stream: Duplex, onLost: (reason: string) => void) {
    this.#onLost = onLost
    this.#batch = new RequestBatch((bytes) => {
      if (!this.#ended && stream.writable) stream.write(bytes)
    })
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.resume()
  }

  send(name: string, args: readonly RedisArgument[], receiver: ReplyReceiver): void {
    if (this.#ended) return
    const waiting = { receiver, next: undefined }
    if (this.#newest === undefined) this.#oldest = waiting
    else this.#newest.next = waiting
    this.#newest = waiting
    encodeCommand(this.#batch, name, args)
  }

  /** Nothing is sent or received any more; what waits for a reply is told so. Idempotent. */
  end(): void {
    this.#ended = true
    for (let left = this.#take(); left !== undefined; left = this.#take()) {
      left.onErrorReply(new Error('the connection has ended'))
    }
  }

  #receive(chunk: Buffer): void {
    if (this.#ended) return
    this.#replies.push(chunk)
    try {
      for (let reply = this.#replies.next(); reply !== undefined; reply = this.#replies.next()) {
        const receiver = this.#take()
        if (receiver === undefined) throw new ProtocolError('sent a reply that answers no pending operation')
        if (reply instanceof ReplyError) receiver.onErrorReply(reply)
        else receiver.onReply(reply)
        if (this.#ended) return
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#onLost(error.message)
    }
  }

  #take(): ReplyReceiver | undefined {
    const waiting = this.#oldest
    if (waiting === undefined) return undefined
    this.#oldest = waiting.next
    if (this.#oldest === undefined) this.#newest = undefined
    return waiting.receiver
  }
}
