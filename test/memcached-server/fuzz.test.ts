import { connect, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type MemcachedServer, startMemcachedServer } from '../../src/memcached-server/server.js'
import { Opcode, Status } from '../../src/memcached-wire/binary.js'
import { mutateBytes, type RandomNumber, randomNumbers } from '../../src/testing/mutate-bytes.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { fuzzSeed, fuzzTimes } from '../support/fuzz.js'
import { countFrame, frame, getFrame, RawClient, setFrame } from './raw-client.js'

const FRAMES = 17_000 * fuzzTimes
/** Of one connection, unless the server ends it before. */
const FRAMES_EACH = 60
const MEBIBYTE = 1024 * 1024

let server: MemcachedServer

beforeEach(async () => {
  server = await startMemcachedServer({ memoryLimit: 8 * MEBIBYTE, maxItemSize: 64 * 1024 })
})

afterEach(() => server.close())

const keys = ['a', 'k'.repeat(250), 'k'.repeat(251), '', '__proto__', '\0\n\r']

/** A frame as some hostile client might send it: right, or with lengths that lie, or with changed bytes, or none at all. */
function hostileFrame(random: RandomNumber): Buffer {
  const one = <T>(choices: readonly T[]): T => choices[random(choices.length)] as T
  const key = random(3) === 0 ? `n${random(500)}` : one(keys)
  switch (random(7)) {
    case 0:
      return Buffer.from(Array.from({ length: random(80) }, () => random(256)))
    case 1:
      return frame(random(256), {
        key,
        extras: Buffer.alloc(one([0, 4, 8, 20, 200]), random(256)),
        value: 'x'.repeat(random(50)),
      })
    case 2:
      return setFrame(key, Buffer.alloc(one([0, 10, 5000, 66_000])), { expiration: random(2 ** 31) })
    case 3:
      return frame(random(0x28), { key, bodyLength: one([0, 1, 24, 0xffff_ffff, 70_000_000, 64 * MEBIBYTE]) })
    case 4:
      return countFrame(one([5, 6, 0x15, 0x16]), key, BigInt(random(1000)), BigInt(random(9)), one([0, 0xffff_ffff]))
    case 5:
      return getFrame(key)
    default:
      return mutateBytes(setFrame(key, 'value'), random)
  }
}

describe('hostile frames', () => {
  it('neither end the server nor make it take more memory than it may', { timeout: 120_000 * fuzzTimes }, async () => {
    const random = randomNumbers(fuzzSeed(4))
    const sockets = new Set<Socket>()
    let sent = 0
    while (sent < FRAMES) {
      const socket = await opened(server.port)
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      for (let left = FRAMES_EACH; left > 0 && !socket.destroyed && sent < FRAMES; left--, sent++) {
        const bytes = hostileFrame(random)
        const cut = random(5) === 0 ? random(bytes.length + 1) : bytes.length
        socket.write(bytes.subarray(0, cut))
        if (cut < bytes.length) socket.write(bytes.subarray(cut))
      }
      if (random(2) === 0) socket.destroy()
      else socket.end()
      const { bytes, half_received_bytes: waiting } = server.stats() as Record<string, number>
      expect((bytes ?? 0) + (waiting ?? 0)).toBeLessThanOrEqual(8 * MEBIBYTE + 2 * MEBIBYTE)
    }
    const asking = new RawClient(server.port)
    expect(await asking.one(setFrame('after', 'all'))).toMatchObject({ status: Status.ok })
    expect((await asking.one(getFrame('after'))).value.toString()).toBe('all')
    expect(await asking.one(frame(Opcode.noop))).toMatchObject({ status: Status.ok })
    for (const socket of sockets) socket.destroy()
    asking.end()
    await waitFor(() => server.stats().curr_connections === 0)
    expect(server.stats()).toMatchObject({ half_received_bytes: 0 })
  })
})

function opened(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => resolve(socket))
    socket.once('error', reject)
    socket.on('error', () => {})
    socket.resume()
  })
}
