import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type BinaryFrame,
  encodeExpiryRequest,
  encodeFrame,
  encodeKeyRequest,
  encodePieces,
  encodeStoreRequest,
  Opcode,
  REPLY_MAGIC,
  REQUEST_MAGIC,
} from '../../src/memcached-wire/binary.js'
import { BinaryStream } from '../../src/memcached-wire/binary-stream.js'

const limits = { maxKeptBody: 100_000, maxBody: 100_000 }

function decode(magic: number, ...chunks: Buffer[]): BinaryFrame[] {
  const stream = new BinaryStream(limits, magic)
  return chunks.flatMap((chunk) => {
    stream.push(chunk)
    const frames: BinaryFrame[] = []
    for (let frame = stream.next(); frame !== undefined; frame = stream.next()) frames.push(ownBytes(frame))
    return frames
  })
}

function ownBytes(frame: BinaryFrame): BinaryFrame {
  const { key, extras, value } = frame
  return { ...frame, key: Buffer.from(key), extras: Buffer.from(extras), value: Buffer.from(value) }
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const parts = fc.record({
  opcode: fc.nat(255),
  status: fc.nat(0xffff),
  opaque: fc.nat(0xffff_ffff),
  cas: uint64,
  extras: bytes(24),
  key: bytes(250),
  value: fc.oneof(
    bytes(200),
    fc.integer({ min: 4000, max: 5000 }).map((length) => Buffer.alloc(length, 7)),
  ),
})

describe('the binary protocol', () => {
  it('gives back every part of a request and of a reply', () => {
    fc.assert(
      fc.property(parts, (sent) => {
        const whole = { ...sent, valueLength: sent.value.length, oversize: false }
        expect(decode(REPLY_MAGIC, encodeFrame(REPLY_MAGIC, sent))).toEqual([whole])
        expect(decode(REPLY_MAGIC, ...encodePieces(REPLY_MAGIC, sent))).toEqual([whole])
        const request = { ...sent, status: 0 }
        expect(decode(REQUEST_MAGIC, encodeFrame(REQUEST_MAGIC, request))).toEqual([{ ...whole, status: 0 }])
      }),
    )
  })

  it('gives the same requests when they are split at any byte', () => {
    const stream = Buffer.concat([
      encodeStoreRequest(Opcode.set, 1, 'key', Buffer.from('value'), 60, 7n),
      encodeKeyRequest(Opcode.get, 2, 'Schlüssel'),
      encodeExpiryRequest(Opcode.gat, 3, 'key', 0xffff_ffff),
      encodeKeyRequest(Opcode.noop, 4, ''),
    ])
    const whole = decode(REQUEST_MAGIC, stream)
    expect(whole.map(({ opaque }) => opaque)).toEqual([1, 2, 3, 4])
    for (let at = 0; at <= stream.length; at++) {
      expect(decode(REQUEST_MAGIC, stream.subarray(0, at), stream.subarray(at))).toEqual(whole)
    }
  })

  it('carries what a client asks for', () => {
    const opaque = fc.nat(0x7fff_ffff)
    const expiry = fc.nat(0xffff_ffff)
    fc.assert(
      fc.property(
        fc.string({ maxLength: 80 }),
        opaque,
        expiry,
        uint64,
        bytes(300),
        (key, number, seconds, cas, value) => {
          const keyBytes = Buffer.from(key)
          const rest = { opaque: number, key: keyBytes, status: 0, oversize: false }
          const time = Buffer.alloc(4)
          time.writeUInt32BE(seconds)
          const [store] = decode(REQUEST_MAGIC, encodeStoreRequest(Opcode.add, number, key, value, seconds, cas))
          const extras = Buffer.concat([Buffer.alloc(4), time])
          expect(store).toEqual({ ...rest, opcode: Opcode.add, cas, extras, value, valueLength: value.length })
          const none = { extras: Buffer.alloc(0), value: Buffer.alloc(0), valueLength: 0 }
          const [removal] = decode(REQUEST_MAGIC, encodeKeyRequest(Opcode.delete, number, key, cas))
          expect(removal).toEqual({ ...rest, ...none, opcode: Opcode.delete, cas })
          const [touch] = decode(REQUEST_MAGIC, encodeExpiryRequest(Opcode.touch, number, key, seconds))
          expect(touch).toEqual({ ...rest, ...none, opcode: Opcode.touch, cas: 0n, extras: time })
        },
      ),
    )
  })

  it('does not take a reply for a request, nor the other way round', () => {
    const frame = { opcode: 0, opaque: 0 }
    expect(() => decode(REQUEST_MAGIC, encodeFrame(REPLY_MAGIC, frame))).toThrow(/not a frame/)
    expect(() => decode(REPLY_MAGIC, encodeFrame(REQUEST_MAGIC, frame))).toThrow(/not a frame/)
  })
})
