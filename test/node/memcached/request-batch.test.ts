import { setImmediate as turn } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RequestBatch } from '../../../src/node/request-batch.js'

describe('a batch of requests', () => {
  const request = fc.record({
    line: fc.stringMatching(/^[a-z]{1,20}$/).map((word) => `${word}\r\n`),
    block: fc.option(
      fc.oneof(fc.nat(300), fc.integer({ min: 7000, max: 20_000 })).map((size) => Buffer.alloc(size, size % 251)),
      { nil: undefined },
    ),
  })

  it('goes out complete and in order, and does not keep what it was given', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(request, { maxLength: 12 }), { maxLength: 4 }), async (turns) => {
        const written: Buffer[] = []
        const batch = new RequestBatch((bytes) => written.push(bytes))
        const expected: Buffer[] = []
        for (const requests of turns) {
          for (const { line, block } of requests) {
            expected.push(Buffer.from(line), ...(block === undefined ? [] : [Buffer.from(block), Buffer.from('\r\n')]))
            const copy = block && Buffer.from(block)
            batch.add(line, copy)
            copy?.fill(0)
          }
          await turn()
        }
        expect(Buffer.concat(written).equals(Buffer.concat(expected))).toBe(true)
      }),
    )
  })

  it('goes out in one piece a turn', async () => {
    const written: string[] = []
    const batch = new RequestBatch((bytes) => written.push(bytes.toString()))
    batch.add('one\r\n')
    batch.add('two 3\r\n', Buffer.from('abc'))
    expect(written).toEqual([])
    await turn()
    batch.add('three\r\n')
    await turn()
    expect(written).toEqual(['one\r\ntwo 3\r\nabc\r\n', 'three\r\n'])
  })
})
