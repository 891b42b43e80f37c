import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ProtocolError } from '../../src/errors.js'
import { encodeCommand, ReplyError, RespReplies, type RespReply } from '../../src/node/redis/resp.js'

function printed(reply: RespReply): string {
  if (reply === null) return '$-1\r\n'
  if (typeof reply === 'number') return `:${reply}\r\n`
  if (reply instanceof ReplyError) return `-${reply.message}\r\n`
  if (Array.isArray(reply)) return `*${reply.length}\r\n${reply.map(printed).join('')}`
  return `$${reply.length}\r\n${reply.toString('latin1')}\r\n`
}

/** What comes out when the bytes arrive in pieces of these lengths, in turn. */
function received(bytes: Buffer, lengths: readonly number[]): RespReply[] {
  const replies = new RespReplies()
  const all: RespReply[] = []
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const length = lengths[turn % lengths.length] as number
    replies.push(bytes.subarray(at, at + length))
    at += length
    for (let reply = replies.next(); reply !== undefined; reply = replies.next()) all.push(reply)
  }
  return all
}

const reply: fc.Arbitrary<RespReply> = fc.letrec<{ reply: RespReply }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 3 },
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    fc.maxSafeInteger(),
    fc.constant(null),
    fc.stringMatching(/^[A-Z]{1,8}( [a-z]{0,8})?$/).map((text) => new ReplyError(text)),
    fc.array(tie('reply'), { maxLength: 4 }),
  ),
})).reply

describe('replies of Redis', () => {
  it('come out as they were sent, in whatever pieces they arrive', () => {
    const pieces = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 8 }), pieces, (replies, lengths) => {
        const bytes = Buffer.from(replies.map(printed).join(''), 'latin1')
        expect(received(bytes, lengths)).toEqual(replies)
      }),
    )
  })

  it('may be simple strings', () => {
    expect(received(Buffer.from('+OK\r\n+\r\n'), [2])).toEqual([Buffer.from('OK'), Buffer.alloc(0)])
  })

  it('are put together once, however many pieces a large one comes in', () => {
    const value = Buffer.alloc(8 * 1024 * 1024, 'x')
    const bytes = Buffer.concat([Buffer.from(`$${value.length}\r\n`), value, Buffer.from('\r\n:1\r\n')])
    const [first, second] = received(bytes, [1400])
    expect(value.equals(first as Buffer)).toBe(true)
    expect(second).toBe(1)
  })

  it.each([
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    ':12x\r\n',
    ':\r\n',
    ':123456789012345678901\r\n',
    '$-2\r\n',
    '$3\r\nabcd\r\n',
    `$${2 ** 40}\r\n`,
    `*${2 ** 40}\r\n`,
    '*1\r\n'.repeat(20),
    `+${'x'.repeat(70_000)}`,
  ])('are refused when they are none: %j', (text) => {
    for (const length of [1, 7, text.length]) {
      expect(() => received(Buffer.from(text), [length])).toThrow(ProtocolError)
    }
  })
})

describe('a command', () => {
  it('is an array of bulk strings, in UTF-8, with bytes as they are', () => {
    const sent: Buffer[] = []
    const sink = {
      add(line: string, block?: Uint8Array) {
        sent.push(Buffer.from(line, 'latin1'))
        if (block !== undefined) sent.push(Buffer.from(block), Buffer.from('\r\n'))
      },
    }
    encodeCommand(sink, 'SET', ['Schlüssel', Buffer.from([0, 255, 13, 10]), 'PX', '10'])
    const [command] = received(Buffer.concat(sent), [5]) as [Buffer[]]
    expect(command.slice(0, 2).map(String)).toEqual(['SET', 'Schlüssel'])
    expect(command[2]).toEqual(Buffer.from([0, 255, 13, 10]))
    expect(command.slice(3).map(String)).toEqual(['PX', '10'])
  })
})
