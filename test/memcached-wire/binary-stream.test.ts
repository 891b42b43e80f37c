import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/errors.js'
import type { BinaryFrame } from '../../src/memcached-wire/binary.js'
import { BinaryStream } from '../../src/memcached-wire/binary-stream.js'
import { frame } from '../memcached-server/raw-client.js'
import { cpuTime } from '../support/cpu-time.js'

const limits = { maxKeptBody: 300, maxBody: 5000 }

function copyOf(request: BinaryFrame): object {
  const { key, extras, value, ...rest } = request
  return { ...rest, key: key.toString('hex'), extras: extras.toString('hex'), value: value.toString('hex') }
}

function drain(parser: BinaryStream): object[] {
  const frames: object[] = []
  for (let request = parser.next(); request !== undefined; request = parser.next()) frames.push(copyOf(request))
  return frames
}

function parse(chunks: readonly Buffer[]): object[] {
  const parser = new BinaryStream(limits)
  return chunks.flatMap((chunk) => {
    parser.push(chunk)
    return drain(parser)
  })
}

/** Cuts at the given sizes, over and over, until the bytes are used up. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length
    // A copy that is overwritten never helps a parser that kept a view by mistake.
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
const anyFrame = fc
  .record({
    opcode: fc.nat(255),
    key: bytes(40),
    extras: bytes(24),
    value: fc.oneof(
      bytes(100),
      fc.integer({ min: 250, max: 2000 }).map((length) => Buffer.alloc(length, 7)),
    ),
    opaque: fc.nat(0xffffffff),
    cas: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  })
  .map(({ opcode, ...parts }) => ({ opcode, parts, bytes: frame(opcode, parts) }))

describe('a stream of the binary protocol', () => {
  it('gives the same requests for any chunking', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 8 }), sizes, (frames, chunkSizes) => {
        const stream = Buffer.concat(frames.map((one) => one.bytes))
        expect(parse(cut(stream, chunkSizes))).toEqual(parse([stream]))
      }),
    )
  })

  it('gives back every part of a request', () => {
    fc.assert(
      fc.property(anyFrame, ({ opcode, parts, bytes: sent }) => {
        const oversize = sent.length - 24 > limits.maxKeptBody
        expect(parse([sent])).toEqual([
          {
            opcode,
            status: 0,
            opaque: parts.opaque,
            cas: parts.cas,
            key: parts.key.toString('hex'),
            extras: parts.extras.toString('hex'),
            value: oversize ? '' : parts.value.toString('hex'),
            valueLength: parts.value.length,
            oversize,
          },
        ])
      }),
    )
  })

  it('throws nothing but protocol errors and never hangs on arbitrary bytes', () => {
    const stream = fc.oneof(
      bytes(200),
      bytes(200).map((tail) => Buffer.concat([Buffer.from([0x80]), tail])),
    )
    fc.assert(
      fc.property(fc.array(stream, { maxLength: 6 }), (chunks) => {
        try {
          expect(parse(chunks).length).toBeLessThanOrEqual(chunks.reduce((sum, chunk) => sum + chunk.length, 0) / 24)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('waits for the rest of a request that is not whole', () => {
    const whole = frame(1, { key: 'k', value: 'value' })
    for (let length = 0; length < whole.length; length++) expect(parse([whole.subarray(0, length)])).toEqual([])
  })

  it('keeps what was not taken yet when the next chunk arrives', () => {
    const parser = new BinaryStream(limits)
    parser.push(Buffer.concat([frame(0, { key: 'a' }), frame(0, { key: 'b' }).subarray(0, 10)]))
    parser.push(frame(0, { key: 'b' }).subarray(10))
    expect(drain(parser)).toHaveLength(2)
  })

  it('refuses a wrong magic byte, parts longer than the body, and a body over the limit', () => {
    const wrong = [
      frame(0, { key: 'k', magic: 0x81 }),
      frame(0, { key: 'key', bodyLength: 2 }),
      frame(1, { key: 'k', bodyLength: limits.maxBody + 1 }),
    ]
    for (const one of wrong) {
      expect(() => parse([one])).toThrow(ProtocolError)
      expect(() => parse(cut(one, [1]))).toThrow(ProtocolError)
    }
  })

  it('takes time in proportion to the bytes when a large value arrives in tiny chunks', () => {
    const parser = new BinaryStream({ maxKeptBody: 2 ** 20, maxBody: 2 ** 20 })
    const whole = frame(1, { key: 'k', value: Buffer.alloc(2 ** 20 - 1, 5) })
    const took = cpuTime(() => {
      for (let at = 0; at < whole.length; at += 16) {
        expect(parser.next()).toBeUndefined()
        parser.push(whole.subarray(at, at + 16))
      }
    })
    expect(parser.next()?.valueLength).toBe(2 ** 20 - 1)
    // Copying everything for every chunk would move 32 GiB.
    expect(took).toBeLessThan(5000)
  })
})
