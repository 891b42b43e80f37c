import { ProtocolError } from '../errors.js'
import { type BinaryFrame, BODY_LENGTH_OFFSET, HEADER_BYTES, NO_BYTES, REQUEST_MAGIC } from './binary.js'

export interface FrameLimits {
  /** Bodies up to this many bytes are kept whole; of larger ones only extras and key are kept, the value is read past. */
  maxKeptBody: number
  /** Larger bodies than this many bytes are a protocol error. */
  maxBody: number
}

const FIRST_CAPACITY = 1024

/**
 * Cuts a byte stream into requests or replies, whatever the chunks are.
 *
 * One that lies whole in one chunk is handed out as views of that chunk. One that is spread over chunks is
 * gathered in a buffer that doubles as bytes arrive: every byte is copied a bounded number of times, and a header
 * that promises much reserves nothing.
 */
export class BinaryStream {
  readonly #limits: FrameLimits
  readonly #magic: number
  #chunk: Buffer = NO_BYTES
  #at = 0
  #gathered: Buffer = NO_BYTES
  #gatheredLength = 0
  #oversize: BinaryFrame | undefined
  #bytesToSkip = 0

  /** @param magic first byte of what comes: `REQUEST_MAGIC` or `REPLY_MAGIC` */
  constructor(limits: FrameLimits, magic: number = REQUEST_MAGIC) {
    this.#limits = limits
    this.#magic = magic
  }

  /** Bytes of memory that wait for the rest of a request, or to be looked at. */
  get heldBytes(): number {
    return this.#gathered.length + (this.#unread > 0 ? this.#chunk.length : 0)
  }

  /** Whether a part of a request has arrived. */
  get isWithinRequest(): boolean {
    return this.#gatheredLength > 0 || this.#oversize !== undefined || this.#unread > 0
  }

  push(chunk: Buffer): void {
    this.#chunk = this.#unread > 0 ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk
    this.#at = 0
  }

  /**
   * The next whole frame, or `undefined` when more bytes are needed. Throws `ProtocolError` for bytes that are
   * none; the stream is then out of step and the parser of no more use.
   */
  next(): BinaryFrame | undefined {
    if (this.#oversize !== undefined) return this.#skipValue(this.#oversize)
    const frame = this.#gatheredLength > 0 ? this.#finishGathering() : this.#cutFromChunk()
    return frame?.oversize ? this.#skipValue(frame) : frame
  }

  get #unread(): number {
    return this.#chunk.length - this.#at
  }

  #cutFromChunk(): BinaryFrame | undefined {
    const unread = this.#unread
    const wanted = unread < HEADER_BYTES ? HEADER_BYTES : this.#keptLength(this.#chunk, this.#at)
    if (unread < wanted) {
      if (unread > 0) this.#gather(wanted)
      return undefined
    }
    const frame = this.#readFrame(this.#chunk, this.#at)
    this.#at += wanted
    return frame
  }

  #finishGathering(): BinaryFrame | undefined {
    if (!this.#gather(HEADER_BYTES)) return undefined
    if (!this.#gather(this.#keptLength(this.#gathered, 0))) return undefined
    const frame = this.#readFrame(this.#gathered, 0)
    this.#gathered = NO_BYTES
    this.#gatheredLength = 0
    return frame
  }

  /** Moves bytes over until `wanted` are gathered. `false`: the chunk ended before. */
  #gather(wanted: number): boolean {
    const missing = wanted - this.#gatheredLength
    const count = Math.min(missing, this.#unread)
    if (count > 0) this.#append(count, wanted)
    return count >= missing
  }

  #append(count: number, wanted: number): void {
    const length = this.#gatheredLength + count
    if (length > this.#gathered.length) this.#grow(length, wanted)
    this.#chunk.copy(this.#gathered, this.#gatheredLength, this.#at, this.#at + count)
    this.#gatheredLength = length
    this.#at += count
  }

  #grow(length: number, wanted: number): void {
    const doubled = Math.max(length, this.#gathered.length * 2, FIRST_CAPACITY)
    const larger = Buffer.allocUnsafeSlow(Math.max(length, Math.min(doubled, Math.max(wanted, FIRST_CAPACITY))))
    this.#gathered.copy(larger, 0, 0, this.#gatheredLength)
    this.#gathered = larger
  }

  #skipValue(frame: BinaryFrame): BinaryFrame | undefined {
    if (this.#oversize === undefined) this.#bytesToSkip = frame.valueLength
    const count = Math.min(this.#bytesToSkip, this.#unread)
    this.#at += count
    this.#bytesToSkip -= count
    this.#oversize = this.#bytesToSkip > 0 ? frame : undefined
    return this.#bytesToSkip > 0 ? undefined : frame
  }

  /** Checks the header at `at` and says how many bytes of the frame are kept. */
  #keptLength(bytes: Buffer, at: number): number {
    if (bytes[at] !== this.#magic) throw new ProtocolError('not a frame of the memcached binary protocol')
    const head = bytes.readUInt8(at + 4) + bytes.readUInt16BE(at + 2)
    const body = bytes.readUInt32BE(at + BODY_LENGTH_OFFSET)
    if (head > body) throw new ProtocolError('extras and key are longer than the body')
    if (body > this.#limits.maxBody) throw new ProtocolError(`a body of ${body} bytes is over the limit`)
    return HEADER_BYTES + (body > this.#limits.maxKeptBody ? head : body)
  }

  #readFrame(bytes: Buffer, at: number): BinaryFrame {
    const keyAt = at + HEADER_BYTES + bytes.readUInt8(at + 4)
    const valueAt = keyAt + bytes.readUInt16BE(at + 2)
    const body = bytes.readUInt32BE(at + BODY_LENGTH_OFFSET)
    const end = at + HEADER_BYTES + body
    const oversize = body > this.#limits.maxKeptBody
    return {
      opcode: bytes.readUInt8(at + 1),
      status: this.#magic === REQUEST_MAGIC ? 0 : bytes.readUInt16BE(at + 6),
      opaque: bytes.readUInt32BE(at + 12),
      cas: bytes.readBigUInt64BE(at + 16),
      extras: bytes.subarray(at + HEADER_BYTES, keyAt),
      key: bytes.subarray(keyAt, valueAt),
      value: oversize ? NO_BYTES : bytes.subarray(valueAt, end),
      valueLength: end - valueAt,
      oversize,
    }
  }
}
