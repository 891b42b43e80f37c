import { ProtocolError } from '../../errors.js'
import type { RedisArgument } from './redis-operation.js'

/*
 * Redis' wire format, RESP2: https://redis.io/docs/latest/develop/reference/protocol-spec/. Of ioredis' own work on a command half
 * was for what we don't ask for (pipelines, transformers, key prefixes, replies as objects).
 */

/** An error that a server answered with. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
}

/** Text and simple strings are buffers, numbers are numbers, nothing is `null`, an array may have errors in it. */
export type RespReply = Buffer | number | null | ReplyError | RespReply[]

/** Takes pieces of a request: text of one character a byte, and a block that a line end follows. */
export interface RespSink {
  add(line: string, block?: Uint8Array): void
}

/** A command as an array of bulk strings. */
export function encodeCommand(sink: RespSink, name: string, args: readonly RedisArgument[]): void {
  let line = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`
  for (const argument of args) {
    if (typeof argument === 'string' && isSingleBytes(argument)) {
      line += `$${argument.length}\r\n${argument}\r\n`
      continue
    }
    const block = typeof argument === 'string' ? Buffer.from(argument) : argument
    sink.add(`${line}$${block.length}\r\n`, block)
    line = ''
  }
  if (line !== '') sink.add(line)
}

function isSingleBytes(text: string): boolean {
  return Buffer.byteLength(text) === text.length
}

const CR = 13
const LF = 10
const MINUS = 45
const ZERO = 48
const NINE = 57
const SIMPLE = 43
const ERROR = 45
const INTEGER = 58
const BULK = 36
const ARRAY = 42

/** Longer lines than this are none of Redis'. */
const MAX_LINE = 64 * 1024
const MAX_ARRAY = 1_000_000
const MAX_DEPTH = 8
/** Twice the largest value that is ever written: what claims to be longer is not to fill the memory. */
const MAX_BULK = 32 * 1024 * 1024

const incomplete = Symbol('more bytes are needed')

/** Cuts what a server sends into replies. Bulk strings are views of what was received. */
export class RespReplies {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  /** Received since, not looked at before there is enough of it. */
  #later: Buffer[] = []
  #laterLength = 0
  /** How many bytes from `#at` on the next reply has at least. */
  #needed = 1

  push(chunk: Buffer): void {
    if (this.#at === this.#bytes.length && this.#later.length === 0) {
      this.#bytes = chunk
      this.#at = 0
      return
    }
    this.#later.push(chunk)
    this.#laterLength += chunk.length
  }

  /**
   * The next whole reply, or `undefined` when more bytes are needed.
   * @throws ProtocolError for bytes that are no reply; the stream is then out of step and this object of no more use
   */
  next(): RespReply | undefined {
    if (!this.#gather()) return undefined
    const begin = this.#at
    this.#needed = 1
    const reply = this.#read(0)
    if (reply !== incomplete) return reply as RespReply
    this.#needed = Math.max(this.#needed, this.#bytes.length + 1) - begin
    this.#at = begin
    return undefined
  }

  /** @returns whether there may be a whole reply. */
  #gather(): boolean {
    const left = this.#bytes.length - this.#at
    if (left + this.#laterLength < this.#needed) return false
    if (this.#later.length > 0) {
      this.#bytes = Buffer.concat([this.#bytes.subarray(this.#at), ...this.#later])
      this.#at = 0
      this.#later = []
      this.#laterLength = 0
    }
    return this.#at < this.#bytes.length
  }

  #read(depth: number): RespReply | typeof incomplete {
    const kind = this.#bytes[this.#at]
    if (kind === undefined) return incomplete
    switch (kind) {
      case BULK:
        return this.#readBulk()
      case INTEGER:
        return this.#readNumber()
      case SIMPLE:
        return this.#readLine()
      case ERROR: {
        const line = this.#readLine()
        return line === incomplete ? incomplete : new ReplyError(line.toString('utf8'))
      }
      case ARRAY:
        return this.#readArray(depth)
      default:
        throw new ProtocolError('sent something that is not a reply of Redis')
    }
  }

  #readBulk(): Buffer | null | typeof incomplete {
    const length = this.#readLength(MAX_BULK)
    if (length === incomplete) return incomplete
    if (length === null) return null
    const end = this.#at + length
    if (this.#bytes.length < end + 2) {
      this.#needed = end + 2
      return incomplete
    }
    if (this.#bytes[end] !== CR || this.#bytes[end + 1] !== LF)
      throw new ProtocolError('sent a value that does not end where it has to')
    const value = this.#bytes.subarray(this.#at, end)
    this.#at = end + 2
    return value
  }

  #readArray(depth: number): RespReply[] | null | typeof incomplete {
    const length = this.#readLength(MAX_ARRAY)
    if (length === incomplete || length === null) return length
    if (depth === MAX_DEPTH) throw new ProtocolError('sent a reply of more than 8 levels')
    const items: RespReply[] = []
    for (let i = 0; i < length; i += 1) {
      const item = this.#read(depth + 1)
      if (item === incomplete) return incomplete
      items.push(item)
    }
    return items
  }

  /** `null`: there is no value. */
  #readLength(most: number): number | null | typeof incomplete {
    const length = this.#readNumber()
    if (length === incomplete) return incomplete
    if (length === -1) return null
    if (length < 0 || length > most) throw new ProtocolError('sent a reply of a length that can not be')
    return length
  }

  #readNumber(): number | typeof incomplete {
    const bytes = this.#bytes
    let at = this.#at + 1
    const negative = bytes[at] === MINUS
    if (negative) at += 1
    const first = at
    let value = 0
    for (; at < bytes.length; at += 1) {
      const digit = bytes[at] as number
      if (digit < ZERO || digit > NINE) break
      value = value * 10 + (digit - ZERO)
    }
    if (at + 1 >= bytes.length && at - first < 20) return incomplete
    if (at === first || at - first > 19 || bytes[at] !== CR || bytes[at + 1] !== LF)
      throw new ProtocolError('sent something else where a number has to be')
    this.#at = at + 2
    return negative ? -value : value
  }

  #readLine(): Buffer | typeof incomplete {
    const end = this.#bytes.indexOf('\r\n', this.#at, 'latin1')
    if (end === -1 || end - this.#at > MAX_LINE) {
      if (this.#bytes.length - this.#at > MAX_LINE) throw new ProtocolError('sent a line without an end')
      return incomplete
    }
    const line = this.#bytes.subarray(this.#at + 1, end)
    this.#at = end + 2
    return line
  }
}
