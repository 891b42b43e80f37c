import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/errors.js'
import { LineStream, MAX_LINE_BYTES } from '../../src/memcached-wire/lines.js'
import {
  encodeMetaDelete,
  encodeMetaGet,
  encodeMetaLine,
  encodeMetaSet,
  LARGEST_META_EXPIRY,
  MetaReplies,
  type MetaReply,
  metaKey,
  readMetaKey,
  readMetaRequest,
} from '../../src/memcached-wire/meta.js'

const maxValueBytes = 5000

function replies(chunks: readonly Buffer[]): MetaReply[] {
  const stream = new MetaReplies(maxValueBytes)
  return chunks.flatMap((chunk) => {
    stream.push(chunk)
    const found: MetaReply[] = []
    for (let reply = stream.next(); reply !== undefined; reply = stream.next()) {
      found.push({ ...reply, value: reply.value && Buffer.from(reply.value) })
    }
    return found
  })
}

/** Cuts at the given sizes, over and over, until the bytes are used up. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? bytes.length
    chunks.push(Buffer.from(bytes.subarray(at, at + size)))
    at += size
  }
  return chunks
}

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const opaque = fc.nat(0x7fff_ffff)
/* Values that look like the protocol itself are the ones that a wrong cut would be lost in. */
const value = fc.oneof(
  fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom('\r\n', 'EN\r\n', '\r\nHD c1 O1\r\n', 'VA 2 c1\r\nhi\r\n').map((text) => Buffer.from(text)),
)
const found = fc.record({ cas: uint64, opaque, value }).map((parts) => ({
  bytes: Buffer.concat([
    Buffer.from(encodeMetaLine('VA', parts.value.length, `c${parts.cas}`, `O${parts.opaque}`)),
    parts.value,
    Buffer.from('\r\n'),
  ]),
  reply: { code: 'VA', text: '', ...parts },
}))
const short = fc.record({ code: fc.constantFrom('HD', 'EN', 'NF', 'NS', 'EX'), cas: uint64, opaque }).map((parts) => ({
  bytes: Buffer.from(encodeMetaLine(parts.code, `O${parts.opaque}`, 's12', `c${parts.cas}`, 'W')),
  reply: { ...parts, value: undefined, text: '' },
}))
const failed = fc
  .record({ code: fc.constantFrom('ERROR', 'CLIENT_ERROR', 'SERVER_ERROR'), text: fc.stringMatching(/^[a-z ]{0,40}$/) })
  .map(({ code, text }) => ({
    bytes: Buffer.from(`${text === '' ? code : `${code} ${text}`}\r\n`),
    reply: { code, text, cas: 0n, opaque: -1, value: undefined },
  }))
const anyReply = fc.oneof(found, short, failed)

describe('the replies of the meta protocol', () => {
  it('are read for what they are, whatever the chunks', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.array(anyReply, { maxLength: 8 }), sizes, (sent, chunkSizes) => {
        const stream = Buffer.concat(sent.map(({ bytes }) => bytes))
        expect(replies(cut(stream, chunkSizes))).toEqual(sent.map(({ reply }) => reply))
      }),
    )
  })

  it('are the same when they are split at any byte', () => {
    const stream = Buffer.concat([
      Buffer.from('VA 5 c7 O1\r\nva\r\nl\r\nEN O2\r\nHD\r\nSERVER_ERROR out of memory\r\nVA 0 O3\r\n\r\nMN\r\n'),
    ])
    const whole = replies([stream])
    expect(whole.map(({ code }) => code)).toEqual(['VA', 'EN', 'HD', 'SERVER_ERROR', 'VA', 'MN'])
    for (let at = 0; at <= stream.length; at++) {
      expect(replies([stream.subarray(0, at), stream.subarray(at)])).toEqual(whole)
    }
  })

  it('are never made of anything else: only protocol errors, for arbitrary bytes', () => {
    const beginnings = fc.constantFrom('', 'VA ', 'VA 3 ', 'HD c', 'HD O', 'CLIENT_ERROR', 'VA 99999999999 c1')
    const chunk = fc
      .tuple(beginnings, fc.uint8Array({ maxLength: 60 }))
      .map(([beginning, rest]) => Buffer.concat([Buffer.from(beginning), rest]))
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 6 }), (chunks) => {
        try {
          for (const { code } of replies(chunks)) expect(code).toMatch(/^[A-Z_]+$/)
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it.each([
    ['an unknown code', 'XX O1\r\n'],
    ['an unknown word', 'STORE\r\n'],
    ['an empty line', '\r\n'],
    ['the binary protocol', `${'\x81'.repeat(30)}\n`],
    ['a size that is no number', 'VA x c1\r\n'],
    ['a size below nothing', 'VA -1 c1\r\n'],
    ['a value that is larger than any can be', `VA ${maxValueBytes + 1} c1\r\n`],
    ['a value that is longer than announced', 'VA 2 c1\r\nabc\r\n'],
    ['a CAS that is no number', 'HD cx1\r\n'],
    ['a CAS of more than 64 bits could have', `HD c${'9'.repeat(21)}\r\n`],
    ['a line without an end', 'H'.repeat(MAX_LINE_BYTES + 1)],
  ])('are not: %s', (_, text) => {
    expect(() => replies([Buffer.from(text, 'latin1')])).toThrow(ProtocolError)
    expect(() => replies(cut(Buffer.from(text, 'latin1'), [1]))).toThrow(ProtocolError)
  })

  it('have no opaque number where there is none, or something that isn’t one', () => {
    for (const text of ['HD', 'HD O', 'HD Ox', 'HD O1x', 'HD O12345678901', 'EN c3']) {
      expect(replies([Buffer.from(`${text}\r\n`)])).toMatchObject([{ opaque: -1 }])
    }
  })
})

describe('the requests of the meta protocol', () => {
  const key = fc.oneof(
    fc.string({ minLength: 1, maxLength: 40 }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.constantFrom('a b', 'a\r\nflush_all\r\n', '\0', 'Schlüssel-鍵', 'b'),
  )
  const expiry = fc.option(fc.nat(LARGEST_META_EXPIRY), { nil: undefined })

  const asBytes = (text: string): string => Buffer.from(text).toString('latin1')
  /** What a server sees: one line, its words. */
  function received(line: string): { key: string | undefined; size: number; flags: string[]; command: string } {
    expect(line.endsWith('\r\n')).toBe(true)
    expect(Buffer.from(line.slice(0, -2), 'latin1').every((byte) => byte >= 0x20 && byte !== 0x7f)).toBe(true)
    const request = readMetaRequest(line.slice(0, -2))
    if (request === undefined) throw new Error('no request')
    return { ...request, key: readMetaKey(request), flags: request.flags.filter((flag) => flag !== 'b') }
  }

  it('bring every key to the server as it is, in one line', () => {
    fc.assert(
      fc.property(key, opaque, (text, number) => {
        const line = encodeMetaDelete(text, number, 0n)
        expect(received(line)).toEqual({ command: 'md', key: asBytes(text), size: -1, flags: [`O${number}`] })
      }),
    )
  })

  it('say what is asked for', () => {
    fc.assert(
      fc.property(key, opaque, expiry, uint64, fc.boolean(), (text, number, seconds, unless, asked) => {
        const time = seconds === undefined ? [] : [`T${seconds}`]
        const get = received(encodeMetaGet(text, number, { value: asked, cas: true, unless, expiry: seconds }))
        expect(get.flags).toEqual([...(asked ? ['v'] : []), 'c', `C${unless}`, ...time, `O${number}`])
        const set = received(
          encodeMetaSet(text, number, 17, { add: asked, expected: unless, chosen: unless, expiry: seconds ?? 0 }),
        )
        const condition = asked ? ['ME'] : unless === 0n ? [] : [`C${unless}`]
        expect(set).toEqual({
          command: 'ms',
          key: asBytes(text),
          size: 17,
          flags: ['c', ...condition, `E${unless}`, `T${seconds ?? 0}`, `O${number}`],
        })
      }),
    )
  })

  it('never carry a date that memcached would read as one in the past', () => {
    expect(encodeMetaGet('k', 1, { value: true, cas: false, expiry: 0xffff_ffff })).toBe('mg k v T2147483647 O1\r\n')
  })

  it('leave a key as it is unless it would end the word', () => {
    expect(metaKey('key-1')).toBe('key-1')
    expect(metaKey('a b')).toBe('YSBi b')
  })

  it.each(['', 'mg', 'ms key', 'ms key x', 'ms key -1', 'get key', 'mgx key'])('are not: "%s"', (line) => {
    expect(readMetaRequest(line)).toBeUndefined()
  })

  it('have no key where the base64 is none', () => {
    for (const text of ['YSB', 'YS=i', '===='])
      expect(readMetaKey({ command: 'mg', key: text, size: -1, flags: ['b'] })).toBeUndefined()
  })
})

describe('a stream of lines and blocks', () => {
  it('reads past a block in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.nat(200), fc.integer({ min: 1, max: 50 }), (length, size) => {
        const stream = new LineStream()
        const seen: string[] = []
        let skipping = true
        for (const chunk of cut(Buffer.from(`${'x'.repeat(length)}\r\nnext\r\n`), [size])) {
          stream.push(chunk)
          if (skipping && stream.skip(length)) skipping = false
          const line = skipping ? undefined : stream.line()
          if (line !== undefined) seen.push(line)
        }
        expect(seen).toEqual(['next'])
        expect(stream.empty).toBe(true)
      }),
    )
  })

  it('takes a line end without a carriage return, as memcached does', () => {
    const stream = new LineStream()
    stream.push(Buffer.from('one\ntwo\r\n\n'))
    expect([stream.line(), stream.line(), stream.line(), stream.line()]).toEqual(['one', 'two', '', undefined])
  })

  it('puts a large block together that arrives in tiny chunks', () => {
    const stream = new LineStream()
    const whole = Buffer.concat([Buffer.alloc(2 ** 20, 5), Buffer.from('\r\n')])
    for (let at = 0; at < whole.length; at += 16) {
      expect(stream.block(2 ** 20)).toBeUndefined()
      stream.push(whole.subarray(at, at + 16))
    }
    expect(stream.block(2 ** 20)).toEqual(whole.subarray(0, 2 ** 20))
  })
})
