/**
 * Bytes as a string of one Latin-1 character each. What stays in memory is kept so: a string costs less than a buffer
 * to hold, to compare and to collect.
 */
export type ByteString = string

export function toByteString(bytes: Uint8Array): ByteString {
  return asBuffer(bytes).toString('latin1')
}

export function fromByteString(bytes: ByteString): Buffer {
  return Buffer.from(bytes, 'latin1')
}

const SMALL_SCRATCH = 64 * 1024
/** Enough for sessions of the usual largest size. */
const LARGE_SCRATCH = 5 * 1024 * 1024
let scratch: Buffer | undefined

/**
 * Memory for bytes that are copied elsewhere before anybody else can ask for some: one piece is used again and again.
 * New memory costs a large session more than all that is written to it. Larger pieces than 5 MiB are allocated.
 */
export function scratchMemory(length: number): Buffer {
  if (length > LARGE_SCRATCH) return Buffer.allocUnsafe(length)
  if (scratch === undefined || scratch.length < length) {
    scratch = Buffer.allocUnsafeSlow(length > SMALL_SCRATCH ? LARGE_SCRATCH : SMALL_SCRATCH)
  }
  return scratch.subarray(0, length)
}

const NOT_ASCII = /[^\0-\x7f]/
const HALF_CHARACTER = /\p{Surrogate}/u

/** Whether a text survives as UTF-8: one with half a surrogate pair does not. */
export function isText(name: string): boolean {
  return !NOT_ASCII.test(name) || !HALF_CHARACTER.test(name)
}

export function toUtf8(text: string): ByteString {
  return NOT_ASCII.test(text) ? toByteString(Buffer.from(text, 'utf8')) : text
}

export function fromUtf8(bytes: ByteString): string {
  return NOT_ASCII.test(bytes) ? fromByteString(bytes).toString('utf8') : bytes
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
