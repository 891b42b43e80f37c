/**
 * memcached's binary protocol: its words, and how requests and replies are laid out.
 *
 * Source: memcached's wiki page "BinaryProtocolRevamped" and the header file `protocol_binary.h`. Where these leave
 * something open, memcached 1.6 was asked and its behaviour taken over.
 *
 * ```
 * byte  0      magic: 0x80 request, 0x81 reply
 *       1      opcode
 *       2..3   key length
 *       4      extras length
 *       5      data type, always 0
 *       6..7   request: vbucket, ignored; reply: status
 *       8..11  body length: extras + key + value
 *       12..15 opaque, echoed
 *       16..23 CAS
 *       24..   extras, key, value
 * ```
 */

export const HEADER_BYTES = 24
export const BODY_LENGTH_OFFSET = 8

/** First byte of every request. */
export const REQUEST_MAGIC = 0x80
/** First byte of every reply. */
export const REPLY_MAGIC = 0x81

export const Opcode = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  replace: 0x03,
  delete: 0x04,
  increment: 0x05,
  decrement: 0x06,
  quit: 0x07,
  flush: 0x08,
  getQ: 0x09,
  noop: 0x0a,
  version: 0x0b,
  getK: 0x0c,
  getKQ: 0x0d,
  append: 0x0e,
  prepend: 0x0f,
  stat: 0x10,
  setQ: 0x11,
  addQ: 0x12,
  replaceQ: 0x13,
  deleteQ: 0x14,
  incrementQ: 0x15,
  decrementQ: 0x16,
  quitQ: 0x17,
  flushQ: 0x18,
  appendQ: 0x19,
  prependQ: 0x1a,
  touch: 0x1c,
  gat: 0x1d,
  gatQ: 0x1e,
  listMechanisms: 0x20,
  authenticate: 0x21,
  gatK: 0x23,
  gatKQ: 0x24,
} as const

export const Status = {
  ok: 0x00,
  notFound: 0x01,
  exists: 0x02,
  tooLarge: 0x03,
  invalid: 0x04,
  notStored: 0x05,
  notNumeric: 0x06,
  authenticationError: 0x20,
  unknownCommand: 0x81,
  outOfMemory: 0x82,
  busy: 0x85,
  temporaryFailure: 0x86,
} as const

/** One request or reply. The buffers may be views of the socket's memory: copy what outlives the handling of it. */
export interface BinaryFrame {
  opcode: number
  /** Of a reply; 0 in requests. */
  status: number
  opaque: number
  /** The 64 bits that memcached gives to each stored state of an item; 0: none, or unconditional. */
  cas: bigint
  extras: Buffer
  key: Buffer
  /** Empty when `oversize`: the bytes were read past. */
  value: Buffer
  /** True length of the value in bytes. */
  valueLength: number
  /** The body is larger than any item may be. */
  oversize: boolean
}

/** What a frame is made of. */
export type BinaryParts = Pick<BinaryFrame, 'opcode' | 'opaque'> &
  Partial<Pick<BinaryFrame, 'status' | 'cas' | 'extras' | 'key' | 'value'>>

export const NO_BYTES: Buffer = Buffer.alloc(0)

/** Up to this size a value is copied behind its header: one buffer is cheaper to send than two. */
const COPY_LIMIT_BYTES = 4096

/** A whole request or reply in one piece. */
export function encodeFrame(magic: number, parts: BinaryParts): Buffer {
  const pieces = encodePieces(magic, parts)
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
}

/** The bytes of a request or reply, in one or two pieces. A large value is passed on as it is, not copied. */
export function encodePieces(magic: number, parts: BinaryParts): Buffer[] {
  const { opcode, opaque, status = 0, cas = 0n, extras = NO_BYTES, key = NO_BYTES, value = NO_BYTES } = parts
  const headLength = HEADER_BYTES + extras.length + key.length
  const joined = value.length <= COPY_LIMIT_BYTES
  // Not zeroed: every byte is written.
  const head = Buffer.allocUnsafe(joined ? headLength + value.length : headLength)
  writeHeader(head, magic, opcode, key.length, extras.length, headLength - HEADER_BYTES + value.length)
  head.writeUInt16BE(status, 6)
  head.writeUInt32BE(opaque, 12)
  head.writeBigUInt64BE(cas, 16)
  extras.copy(head, HEADER_BYTES)
  key.copy(head, HEADER_BYTES + extras.length)
  if (!joined) return [head, value]
  value.copy(head, headLength)
  return [head]
}

/** get, delete, noop: a key and nothing else. */
export function encodeKeyRequest(opcode: number, opaque: number, key: string, cas = 0n): Buffer {
  return encodeRequest(opcode, opaque, key, 0, 0, cas)
}

/** touch, get-and-touch: the extras are the expiry. */
export function encodeExpiryRequest(opcode: number, opaque: number, key: string, expiry: number): Buffer {
  const request = encodeRequest(opcode, opaque, key, 4, 0, 0n)
  request.writeUInt32BE(expiry, HEADER_BYTES)
  return request
}

/** set, add: the extras are flags (always 0) and the expiry; the value follows the key. */
export function encodeStoreRequest(
  opcode: number,
  opaque: number,
  key: string,
  value: Uint8Array,
  expiry: number,
  cas: bigint,
): Buffer {
  const request = encodeRequest(opcode, opaque, key, 8, value.length, cas)
  request.writeUInt32BE(0, HEADER_BYTES)
  request.writeUInt32BE(expiry, HEADER_BYTES + 4)
  request.set(value, request.length - value.length)
  return request
}

function encodeRequest(
  opcode: number,
  opaque: number,
  key: string,
  extrasBytes: number,
  valueBytes: number,
  cas: bigint,
): Buffer {
  const keyBytes = Buffer.byteLength(key)
  const bodyBytes = extrasBytes + keyBytes + valueBytes
  // Not zeroed: every byte is written, here or by the caller.
  const request = Buffer.allocUnsafe(HEADER_BYTES + bodyBytes)
  writeHeader(request, REQUEST_MAGIC, opcode, keyBytes, extrasBytes, bodyBytes)
  request.writeUInt16BE(0, 6)
  request.writeUInt32BE(opaque, 12)
  request.writeBigUInt64BE(cas, 16)
  request.write(key, HEADER_BYTES + extrasBytes)
  return request
}

function writeHeader(
  head: Buffer,
  magic: number,
  opcode: number,
  keyBytes: number,
  extrasBytes: number,
  bodyBytes: number,
): void {
  head[0] = magic
  head[1] = opcode
  head.writeUInt16BE(keyBytes, 2)
  head[4] = extrasBytes
  head[5] = 0
  head.writeUInt32BE(bodyBytes, BODY_LENGTH_OFFSET)
}
