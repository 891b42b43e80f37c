import type { Buffer as NodeBuffer } from 'node:buffer'

/**
 * The part of memcached's binary protocol that a storage node needs: requests as bytes, replies as memjs parses them.
 * Layout: https://docs.memcached.org/protocols/binary/
 */
export const opcode = {
  get: 0x00,
  set: 0x01,
  add: 0x02,
  delete: 0x04,
  noop: 0x0a,
  touch: 0x1c,
  getAndTouch: 0x1d,
} as const

export const status = {
  ok: 0x00,
  notFound: 0x01,
  exists: 0x02,
  tooLarge: 0x03,
  notStored: 0x05,
  outOfMemory: 0x82,
  busy: 0x85,
  temporaryFailure: 0x86,
} as const

/** First byte of every reply. */
export const replyMagic = 0x81

/** Longest key in bytes that memcached takes. */
export const maxKeyBytes = 250

/** A reply in the form that memjs hands out; `cas` and `val` are slices of a larger buffer. */
export interface Reply {
  header: {
    magic: number
    opcode: number
    status: number
    totalBodyLength: number
    opaque: number
    cas: NodeBuffer
  }
  val: NodeBuffer
}

/** The 64-bit number that memcached gives to each stored state of an item, in two halves. 0 means: none. */
export interface Cas {
  readonly high: number
  readonly low: number
}

const headerBytes = 24
const opaqueOffset = 12

/** Where requests and replies say how much follows the header. */
export const bodyLengthOffset = 8

const noCas: Cas = { high: 0, low: 0 }

/** get, delete, noop: a key and nothing else. */
export function encodeKeyRequest(code: number, key: string, cas: Cas = noCas): Buffer {
  return encode(code, key, 0, 0, cas)
}

/** touch, get-and-touch: the extras are the expiry. */
export function encodeExpiryRequest(code: number, key: string, expiry: number): Buffer {
  const request = encode(code, key, 4, 0, noCas)
  request.writeUInt32BE(expiry, headerBytes)
  return request
}

/** set, add: the extras are flags (always 0) and the expiry; the value follows the key. */
export function encodeStoreRequest(code: number, key: string, value: Uint8Array, expiry: number, cas: Cas): Buffer {
  const request = encode(code, key, 8, value.length, cas)
  request.writeUInt32BE(0, headerBytes)
  request.writeUInt32BE(expiry, headerBytes + 4)
  request.set(value, request.length - value.length)
  return request
}

/** The opaque number comes back in the reply and ties the two together; the connection gives it out. */
export function stampOpaque(request: Buffer, opaque: number): void {
  request.writeUInt32BE(opaque, opaqueOffset)
}

export function requestOpcode(request: Buffer): number {
  return request[1] as number
}

export function replyCas(reply: Reply): Cas {
  const cas = reply.header.cas
  return { high: cas.readUInt32BE(0), low: cas.readUInt32BE(4) }
}

function encode(code: number, key: string, extrasBytes: number, valueBytes: number, cas: Cas): Buffer {
  const keyBytes = Buffer.byteLength(key)
  const bodyBytes = extrasBytes + keyBytes + valueBytes
  // Not zeroed: every byte is written, here or by the caller.
  const request = Buffer.allocUnsafe(headerBytes + bodyBytes)
  request.writeUInt16BE(0x8000 | code, 0)
  request.writeUInt16BE(keyBytes, 2)
  request.writeUInt32BE(extrasBytes << 24, 4)
  request.writeUInt32BE(bodyBytes, bodyLengthOffset)
  request.writeUInt32BE(0, opaqueOffset)
  request.writeUInt32BE(cas.high, 16)
  request.writeUInt32BE(cas.low, 20)
  request.write(key, headerBytes + extrasBytes)
  return request
}
