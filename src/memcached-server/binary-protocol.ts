/**
 * The words of memcached's binary protocol, and how an answer is laid out.
 *
 * Source: memcached's wiki page "BinaryProtocolRevamped" and the header file `protocol_binary.h`. Where these leave
 * something open, memcached 1.6 was asked and its behaviour taken over.
 *
 * ```
 * byte  0      magic: 0x80 request, 0x81 response
 *       1      opcode
 *       2..3   key length
 *       4      extras length
 *       5      data type, always 0
 *       6..7   request: vbucket, ignored; response: status
 *       8..11  body length: extras + key + value
 *       12..15 opaque, echoed
 *       16..23 CAS
 *       24..   extras, key, value
 * ```
 */

export const HEADER_BYTES = 24
export const REQUEST_MAGIC = 0x80
const RESPONSE_MAGIC = 0x81
const TWO_TO_32 = 0x1_0000_0000

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
  unknownCommand: 0x81,
  outOfMemory: 0x82,
} as const

/** One request. The buffers may be views of the socket's memory: copy what outlives the handling of the request. */
export interface Request {
  opcode: number
  opaque: number
  /** 0: unconditional. A server counts from 1, far below 2^53, so a number is exact for every token it has given. */
  cas: number
  extras: Buffer
  key: Buffer
  /** Empty when `oversize`: the bytes were read past. */
  value: Buffer
  /** True length of the value in bytes. */
  valueLength: number
  /** The body is larger than any item may be. */
  oversize: boolean
}

/** One answer. Opcode and opaque are taken from the request. */
export interface Reply {
  status: number
  cas: number
  extras: Buffer
  key: Buffer
  value: Buffer
}

export const NO_BYTES: Buffer = Buffer.alloc(0)

const errorTexts: Readonly<Record<number, Buffer>> = {
  [Status.notFound]: Buffer.from('Not found'),
  [Status.exists]: Buffer.from('Key exists'),
  [Status.tooLarge]: Buffer.from('Too large'),
  [Status.invalid]: Buffer.from('Invalid arguments'),
  [Status.notStored]: Buffer.from('Not stored'),
  [Status.notNumeric]: Buffer.from('Value is not a number'),
  [Status.unknownCommand]: Buffer.from('Unknown command'),
  [Status.outOfMemory]: Buffer.from('Out of memory'),
}

export function okReply(cas = 0, value: Buffer = NO_BYTES): Reply {
  return { status: Status.ok, cas, extras: NO_BYTES, key: NO_BYTES, value }
}

/** An error carries a text for people as its value. */
export function errorReply(status: number): Reply {
  return { status, cas: 0, extras: NO_BYTES, key: NO_BYTES, value: errorTexts[status] ?? NO_BYTES }
}

/** An 8 byte number at `at`. Above 2^53 it is rounded, to a number that is still above 2^53. */
export function readUInt64(bytes: Buffer, at: number): number {
  return bytes.readUInt32BE(at) * TWO_TO_32 + bytes.readUInt32BE(at + 4)
}

function writeUInt64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(value / TWO_TO_32), at)
  bytes.writeUInt32BE(value % TWO_TO_32, at + 4)
}

/** Up to this size a value is copied behind its header: one buffer is cheaper to send than two. */
const COPY_LIMIT_BYTES = 4096

/** The bytes of an answer, in one or two pieces. A large value is passed on as it is, not copied. */
export function encodeReply(request: { opcode: number; opaque: number }, reply: Reply): Buffer[] {
  const { extras, key, value } = reply
  const headLength = HEADER_BYTES + extras.length + key.length
  const joined = value.length <= COPY_LIMIT_BYTES
  const head = Buffer.allocUnsafe(joined ? headLength + value.length : headLength)
  writeHeader(head, request, reply)
  extras.copy(head, HEADER_BYTES)
  key.copy(head, HEADER_BYTES + extras.length)
  if (!joined) return [head, value]
  value.copy(head, headLength)
  return [head]
}

function writeHeader(head: Buffer, request: { opcode: number; opaque: number }, reply: Reply): void {
  head[0] = RESPONSE_MAGIC
  head[1] = request.opcode
  head.writeUInt16BE(reply.key.length, 2)
  head[4] = reply.extras.length
  head[5] = 0
  head.writeUInt16BE(reply.status, 6)
  head.writeUInt32BE(reply.extras.length + reply.key.length + reply.value.length, 8)
  head.writeUInt32BE(request.opaque, 12)
  writeUInt64(head, reply.cas, 16)
}
