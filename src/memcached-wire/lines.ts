import { ProtocolError } from '../errors.js'
import { NO_BYTES } from './binary.js'

const LINE_FEED = 10
const CARRIAGE_RETURN = 13

/** Longer lines are none: the longest key has 250 bytes. */
export const MAX_LINE_BYTES = 2048

/**
 * Cuts a byte stream into lines and the data blocks between them, whatever the chunks are. Who reads says what comes
 * next: a line, or the block that a line has announced. An answer of `undefined` means that more bytes are needed; the
 * same question is then asked again.
 */
export class LineStream {
  #chunk: Buffer = NO_BYTES
  #at = 0
  /** The parts of a block that has begun in an earlier chunk. */
  #parts: Buffer[] = []
  #partsLength = 0
  #skipped = 0

  push(chunk: Buffer): void {
    this.#chunk = this.#at < this.#chunk.length ? Buffer.concat([this.#chunk.subarray(this.#at), chunk]) : chunk
    this.#at = 0
  }

  /** Whether nothing is left that was not read yet. */
  get empty(): boolean {
    return this.#at >= this.#chunk.length && this.#partsLength === 0
  }

  /** Bytes of memory that wait for the rest of a block, or to be looked at. */
  get heldBytes(): number {
    return this.#partsLength + (this.#at < this.#chunk.length ? this.#chunk.length : 0)
  }

  /** The first bytes of a line whose end is not there yet, one character each. */
  get beginning(): string {
    return this.#chunk.toString('latin1', this.#at, Math.min(this.#at + 3, this.#chunk.length))
  }

  /**
   * The next line without its end, one character a byte.
   *
   * @throws ProtocolError when there is no end in sight
   */
  line(): string | undefined {
    const chunk = this.#chunk
    const end = chunk.indexOf(LINE_FEED, this.#at)
    if ((end < 0 ? chunk.length : end) - this.#at > MAX_LINE_BYTES) {
      throw new ProtocolError(`a line of more than ${MAX_LINE_BYTES} bytes`)
    }
    if (end < 0) return undefined
    const line = chunk.toString(
      'latin1',
      this.#at,
      end > this.#at && chunk[end - 1] === CARRIAGE_RETURN ? end - 1 : end,
    )
    this.#at = end + 1
    return line
  }

  /**
   * The next block and the line end behind it. A block that lies whole in one chunk is a view of that chunk; one that is
   * spread over chunks is put together once, when its last byte is there.
   *
   * @throws ProtocolError when no line end follows
   */
  block(length: number): Buffer | undefined {
    const missing = length + 2 - this.#partsLength
    const end = this.#at + missing
    if (end > this.#chunk.length) {
      this.#keepRest()
      return undefined
    }
    const last = this.#chunk.subarray(this.#at, end)
    this.#at = end
    return this.#whole(last).subarray(0, length)
  }

  /** Reads past a block and its line end. `false`: more bytes are needed. */
  skip(length: number): boolean {
    const count = Math.min(length + 2 - this.#skipped, this.#chunk.length - this.#at)
    this.#at += count
    this.#skipped += count
    if (this.#skipped < length + 2) return false
    this.#skipped = 0
    return true
  }

  #keepRest(): void {
    if (this.#at >= this.#chunk.length) return
    this.#parts.push(this.#chunk.subarray(this.#at))
    this.#partsLength += this.#chunk.length - this.#at
    this.#chunk = NO_BYTES
    this.#at = 0
  }

  #whole(last: Buffer): Buffer {
    const whole = this.#partsLength === 0 ? last : Buffer.concat([...this.#parts, last])
    this.#parts = []
    this.#partsLength = 0
    if (whole[whole.length - 2] !== CARRIAGE_RETURN || whole[whole.length - 1] !== LINE_FEED) {
      throw new ProtocolError('a data block that is longer than announced')
    }
    return whole
  }
}
