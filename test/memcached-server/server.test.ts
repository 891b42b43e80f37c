import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError, NodeUnreachableError } from '../../src/errors.js'
import { type MemcachedServer, startMemcachedServer } from '../../src/memcached-server/server.js'
import { Opcode, Status } from '../../src/memcached-wire/binary.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { ManualClock } from './manual-clock.js'
import { countFrame, frame, getFrame, RawClient, setFrame, uint32s, writeFrame } from './raw-client.js'

const MEBIBYTE = 1024 * 1024
const noop = frame(Opcode.noop, { opaque: 0xfeed })

describe('memcached server', () => {
  const clock = new ManualClock()
  let server: MemcachedServer
  let client: RawClient

  beforeEach(async () => {
    server = await startMemcachedServer({ clock })
    client = new RawClient(server.port)
  })

  afterEach(async () => {
    client.end()
    await server.close()
  })

  /** Sends requests and a noop behind them: quiet commands show by what is missing. */
  async function statuses(...requests: Buffer[]): Promise<number[]> {
    client.send(...requests, noop)
    const found: number[] = []
    for (let answer = await client.answer(); answer.opaque !== 0xfeed; answer = await client.answer()) {
      found.push(answer.status)
    }
    return found
  }

  describe('CAS', () => {
    it('writes when the token matches and gives the new one', async () => {
      const first = await client.one(setFrame('a', '1', { flags: 0xdeadbeef, opaque: 77 }))
      expect(first).toMatchObject({ opcode: Opcode.set, status: Status.ok, opaque: 77 })
      expect(first.cas).toBeGreaterThan(0n)
      const second = await client.one(setFrame('a', '2', { cas: first.cas }))
      expect(second.cas).toBeGreaterThan(first.cas)
      expect(await client.one(getFrame('a'))).toMatchObject({ cas: second.cas, value: Buffer.from('2') })
    })

    it('refuses another token with "exists" and an absent key with "not found"', async () => {
      const { cas } = await client.one(setFrame('a', '1'))
      expect(await client.one(setFrame('a', '2', { cas: cas + 1n }))).toMatchObject({ status: Status.exists, cas: 0n })
      expect(await client.one(setFrame('b', '2', { cas }))).toMatchObject({ status: Status.notFound, cas: 0n })
      expect(await client.one(setFrame('a', '2', { cas: 2n ** 64n - 1n }))).toMatchObject({ status: Status.exists })
      expect((await client.one(getFrame('a'))).value.toString()).toBe('1')
      expect(server.stats()).toMatchObject({ cas_badval: 2, cas_misses: 1, cas_hits: 0 })
    })

    it('holds for add, replace, append, count and delete as well', async () => {
      const { cas } = await client.one(setFrame('a', '1'))
      const wrong = { key: 'a', cas: cas + 9n }
      const replies = await statuses(
        writeFrame(Opcode.add, 'a', '2', { cas: cas + 9n }),
        writeFrame(Opcode.replace, 'a', '2', { cas: cas + 9n }),
        frame(Opcode.append, { ...wrong, value: 'x' }),
        frame(Opcode.increment, { ...wrong, extras: Buffer.alloc(20) }),
        frame(Opcode.delete, wrong),
      )
      expect(replies).toEqual(Array(5).fill(Status.exists))
      expect(await statuses(writeFrame(Opcode.add, 'a', '2', { cas }))).toEqual([Status.ok])
      const current = await client.one(getFrame('a'))
      expect(await client.one(frame(Opcode.delete, { key: 'a', cas: current.cas }))).toMatchObject({
        status: Status.ok,
      })
      expect(await client.one(frame(Opcode.delete, { key: 'a', cas }))).toMatchObject({ status: Status.notFound })
    })
  })

  describe('reading', () => {
    it('gives flags and token, and the key where it is asked for', async () => {
      const { cas } = await client.one(setFrame('a', 'value', { flags: 0xdeadbeef }))
      const expected = { status: Status.ok, cas, extras: uint32s(0xdeadbeef), value: Buffer.from('value') }
      for (const opcode of [Opcode.get, Opcode.getQ]) {
        expect(await client.one(frame(opcode, { key: 'a' }))).toEqual({ ...expected, opcode, opaque: 0, key: '' })
      }
      for (const opcode of [Opcode.getK, Opcode.getKQ]) {
        expect(await client.one(frame(opcode, { key: 'a' }))).toEqual({ ...expected, opcode, opaque: 0, key: 'a' })
      }
    })

    it('answers a miss with a text, or the key, or nothing', async () => {
      expect(await client.one(getFrame('a'))).toMatchObject({
        status: Status.notFound,
        value: Buffer.from('Not found'),
      })
      const withKey = await client.one(frame(Opcode.getK, { key: 'a' }))
      expect(withKey).toMatchObject({ status: Status.notFound, key: 'a', value: Buffer.alloc(0) })
      const quiet = [Opcode.getQ, Opcode.getKQ].map((opcode) => frame(opcode, { key: 'a' }))
      expect(await statuses(...quiet)).toEqual([])
    })

    it('moves the expiry with GAT and TOUCH and leaves the token alone', async () => {
      const { cas } = await client.one(setFrame('a', 'value', { expiration: 10, flags: 3 }))
      const gat = await client.one(frame(Opcode.gat, { key: 'a', extras: uint32s(100) }))
      expect(gat).toMatchObject({ status: Status.ok, cas, extras: uint32s(3), value: Buffer.from('value') })
      clock.advance(50_000)
      const touch = await client.one(frame(Opcode.touch, { key: 'a', extras: uint32s(100) }))
      expect(touch).toMatchObject({ status: Status.ok, cas, extras: uint32s(3), value: Buffer.alloc(0) })
      clock.advance(100_000)
      expect((await client.one(getFrame('a'))).status).toBe(Status.notFound)
    })

    it('never creates by touching', async () => {
      const touching = [Opcode.touch, Opcode.gat].map((opcode) => frame(opcode, { key: 'a', extras: uint32s(9) }))
      expect(await statuses(...touching)).toEqual([Status.notFound, Status.notFound])
      expect(await statuses(frame(Opcode.gatQ, { key: 'a', extras: uint32s(9) }))).toEqual([])
      expect(server.stats()).toMatchObject({ touch_misses: 3, cmd_touch: 3, curr_items: 0 })
    })
  })

  describe('writing', () => {
    it('says nothing for quiet commands that work, and speaks up when they fail', async () => {
      const silent = [
        writeFrame(Opcode.setQ, 'a', '1'),
        writeFrame(Opcode.addQ, 'b', '1'),
        writeFrame(Opcode.replaceQ, 'a', '2'),
        frame(Opcode.appendQ, { key: 'a', value: '3' }),
        frame(Opcode.prependQ, { key: 'a', value: '1' }),
        countFrame(Opcode.incrementQ, 'a', 1n, 0n),
        countFrame(Opcode.decrementQ, 'a', 2n, 0n),
        frame(Opcode.deleteQ, { key: 'b' }),
      ]
      expect(await statuses(...silent)).toEqual([])
      expect((await client.one(getFrame('a'))).value.toString()).toBe('122')
      const failing = [
        writeFrame(Opcode.addQ, 'a', '1'),
        writeFrame(Opcode.replaceQ, 'b', '2'),
        frame(Opcode.appendQ, { key: 'b', value: '3' }),
        frame(Opcode.deleteQ, { key: 'b' }),
      ]
      expect(await statuses(...failing)).toEqual([Status.exists, Status.notFound, Status.notStored, Status.notFound])
      expect(await statuses(frame(Opcode.flushQ))).toEqual([])
      expect(server.stats().curr_items).toBe(0)
    })

    it('counts within 64 bits, keeps the width, and refuses what is no number', async () => {
      client.send(setFrame('n', '18446744073709551615'))
      await client.answer()
      const wrapped = await client.one(countFrame(Opcode.increment, 'n', 2n, 0n))
      expect(wrapped.value.readBigUInt64BE(0)).toBe(1n)
      expect((await client.one(getFrame('n'))).value.toString()).toBe('1'.padEnd(20))
      expect(await statuses(countFrame(Opcode.increment, 'm', 1n, 5n, 0xffffffff))).toEqual([Status.notFound])
      expect(await statuses(setFrame('t', '-3'), countFrame(Opcode.increment, 't', 1n, 0n))).toEqual([
        0,
        Status.notNumeric,
      ])
    })

    it('refuses a value over the item limit, drops the old one and stays in step', async () => {
      const large = Buffer.alloc(MEBIBYTE + 1)
      expect(await statuses(setFrame('a', 'old'), setFrame('a', large), getFrame('a'))).toEqual([
        Status.ok,
        Status.tooLarge,
        Status.notFound,
      ])
      const justTooLarge = Buffer.alloc(MEBIBYTE - 50)
      expect(await statuses(setFrame('a', justTooLarge), setFrame('a', justTooLarge.subarray(1)))).toEqual([
        Status.tooLarge,
        Status.ok,
      ])
    })

    it('keeps the old value when an oversize add, replace or append is refused', async () => {
      const large = Buffer.alloc(2 * MEBIBYTE)
      const refused = await statuses(
        setFrame('a', 'old'),
        writeFrame(Opcode.add, 'a', large),
        writeFrame(Opcode.replace, 'a', large),
        frame(Opcode.append, { key: 'a', value: large }),
      )
      expect(refused).toEqual([Status.ok, Status.tooLarge, Status.tooLarge, Status.tooLarge])
      expect((await client.one(getFrame('a'))).value.toString()).toBe('old')
    })
  })

  describe('the stream', () => {
    it('answers pipelined requests in their order', async () => {
      const requests = Array.from({ length: 300 }, (_, i) => [
        setFrame(`key${i}`, `${i}`, { opaque: 2 * i }),
        getFrame(`key${i}`, 2 * i + 1),
      ])
      const answers = await client.ask(Buffer.concat(requests.flat()), 600)
      expect(answers.map((answer) => answer.opaque)).toEqual(Array.from({ length: 600 }, (_, i) => i))
      expect(answers.at(-1)?.value.toString()).toBe('299')
    })

    it('understands requests that arrive byte by byte', async () => {
      client.socket.setNoDelay(true)
      for (const byte of Buffer.concat([setFrame('a', 'slowly'), getFrame('a')])) {
        client.send(Buffer.from([byte]))
        await new Promise(setImmediate)
      }
      expect((await client.answer()).status).toBe(Status.ok)
      expect((await client.answer()).value.toString()).toBe('slowly')
    })

    it('answers an unknown opcode, with any body, and stays in step', async () => {
      const unknown = [
        frame(0x77),
        frame(0x77, { key: 'k', extras: Buffer.alloc(7), value: 'body' }),
        frame(0x77, { value: Buffer.alloc(3 * MEBIBYTE) }),
        frame(0x20),
        frame(0x21, { key: 'PLAIN', value: '\0user\0password' }),
      ]
      expect(await statuses(...unknown)).toEqual(Array(5).fill(Status.unknownCommand))
    })

    it('answers a version request and ends the connection on quit', async () => {
      expect((await client.one(frame(Opcode.version))).value.toString()).toMatch(/^\d+\.\d+\.\d+/)
      client.send(frame(Opcode.quit, { opaque: 5 }), noop)
      expect(await client.answer()).toMatchObject({ opcode: Opcode.quit, opaque: 5, status: Status.ok })
      await client.closed
      await expect(client.answer()).rejects.toThrow('ended')
    })

    it.each([
      ['a key of 251 bytes', getFrame('k'.repeat(251))],
      ['an empty key', setFrame('', 'value')],
      ['a set without flags', frame(Opcode.set, { key: 'a', value: 'value' })],
      ['a get with a value', frame(Opcode.get, { key: 'a', value: 'value' })],
    ])('answers %s as invalid and ends that connection, as memcached does', async (_, request) => {
      client.send(setFrame('a', '1'), request)
      expect((await client.answer()).status).toBe(Status.ok)
      expect((await client.answer()).status).toBe(Status.invalid)
      await client.closed
    })

    it('takes keys of 250 bytes', async () => {
      const key = 'k'.repeat(250)
      expect(await statuses(setFrame(key, 'v'), getFrame(key))).toEqual([Status.ok, Status.ok])
    })

    it.each([
      ['a response', frame(Opcode.get, { key: 'a', magic: 0x81 })],
      ['a line without an end', Buffer.alloc(3000, 'a')],
      ['a write without a size', Buffer.from('ms key\r\n')],
      ['a value that is longer than announced', Buffer.from('ms key 2\r\nabcdef\r\n')],
      ['a value of 4 GiB', Buffer.from('ms key 4294967295\r\n')],
      ['text that begins with a blank', Buffer.from(' version'.padEnd(30))],
      ['lengths that do not fit', frame(Opcode.get, { key: 'abc', bodyLength: 1 })],
      ['a body of 4 GiB', frame(Opcode.set, { key: 'a', bodyLength: 0xffffffff })],
    ])('ends only the connection that sends %s', async (_, garbage) => {
      const bad = new RawClient(server.port)
      bad.send(garbage)
      await bad.closed
      expect(await client.one(noop)).toMatchObject({ status: Status.ok })
      expect(server.stats().protocol_errors).toBe(1)
    })

    it('stops reading from a client that leaves its answers unread, and goes on when it reads', async () => {
      const slow = new RawClient(server.port)
      await slow.one(setFrame('a', Buffer.alloc(1_000_000)))
      slow.socket.pause()
      slow.send(...Array.from({ length: 60 }, (_, i) => getFrame('a', i)))
      await untilQuiet(server, client)
      expect(server.stats().cmd_get).toBeLessThan(40)
      slow.socket.resume()
      const answers = await slow.ask(Buffer.alloc(0), 60)
      expect(answers.map((answer) => answer.opaque)).toEqual(Array.from({ length: 60 }, (_, i) => i))
      slow.end()
    })
  })

  describe('the process', () => {
    it('counts what it does under memcached names', async () => {
      await statuses(setFrame('a', '1'), getFrame('a'), getFrame('b'), frame(Opcode.delete, { key: 'a' }), frame(0x77))
      clock.advance(61_000)
      expect(server.stats()).toMatchObject({
        curr_items: 0,
        bytes: 0,
        limit_maxbytes: 64 * MEBIBYTE,
        cmd_get: 2,
        cmd_set: 1,
        get_hits: 1,
        get_misses: 1,
        delete_hits: 1,
        evictions: 0,
        total_connections: 1,
        curr_connections: 1,
        pid: process.pid,
      })
      expect(server.stats().uptime).toBeGreaterThanOrEqual(61)
      expect(server.operations()).toBe(4)
    })

    it('takes no more connections than it may: the one that asked nothing for longest gives way', async () => {
      const small = await startMemcachedServer({ maxConnections: 3 })
      const [first, second, third] = [1, 2, 3].map(() => new RawClient(small.port)) as [RawClient, RawClient, RawClient]
      for (const client of [first, second, third, first]) await client.one(noop)
      const fourth = new RawClient(small.port)
      expect(await fourth.one(noop)).toMatchObject({ status: Status.ok })
      await second.closed
      for (const client of [first, third, fourth]) expect(await client.one(noop)).toMatchObject({ status: Status.ok })
      expect(small.stats()).toMatchObject({ curr_connections: 3, rejected_connections: 1 })
      await small.close()
    })

    it('lets nobody keep others out by connections that ask nothing, or half of something', async () => {
      const small = await startMemcachedServer({ maxConnections: 20, maxConnectionsPerAddress: 10 })
      const idle = Array.from({ length: 40 }, () => new RawClient(small.port))
      for (const client of idle.slice(20)) client.send(setFrame('k', 'value').subarray(0, 30))
      for (let at = 0; at < 5; at++) {
        const client = new RawClient(small.port)
        expect(await client.one(noop)).toMatchObject({ status: Status.ok })
        client.end()
      }
      await waitFor(() => Number(small.stats().curr_connections) <= 10)
      await small.close()
    })

    it('counts what is half received towards its memory, and gives up who began first', async () => {
      const limit = 8 * MEBIBYTE
      const small = await startMemcachedServer({ memoryLimit: limit, maxItemSize: MEBIBYTE })
      const half = (key: string) => setFrame(key, Buffer.alloc(MEBIBYTE - 200)).subarray(0, MEBIBYTE - 1000)
      const asking = new RawClient(small.port)
      for (let at = 0; at < 40; at++) await asking.one(setFrame(`k${at}`, Buffer.alloc(MEBIBYTE / 8)))
      const senders = Array.from({ length: 20 }, () => new RawClient(small.port))
      for (const [at, sender] of senders.entries()) sender.send(half(`half-${at}`))
      await waitFor(() => Number(small.stats().abandoned_requests) >= 17)
      await asking.one(setFrame('last', Buffer.alloc(MEBIBYTE / 8)))
      const { bytes, half_received_bytes: waiting } = small.stats() as Record<string, number>
      expect(waiting).toBeLessThanOrEqual(limit / 4)
      expect((bytes ?? 0) + (waiting ?? 0)).toBeLessThanOrEqual(limit)
      expect(await asking.one(getFrame('k39'))).toMatchObject({ status: Status.ok })
      for (const sender of senders) sender.end()
      await waitFor(() => small.stats().half_received_bytes === 0)
      await small.close()
    })

    it('waits for the rest of a request for so long only, however slowly it drips, and for the next one without end', async () => {
      const small = await startMemcachedServer({ requestTimeout: 300 })
      const [patient, slow] = [new RawClient(small.port), new RawClient(small.port)]
      await patient.one(noop)
      const whole = setFrame('k', 'a value that drips')
      let at = 0
      const drip = setInterval(() => slow.send(whole.subarray(at, ++at)), 40)
      await slow.closed
      clearInterval(drip)
      expect(at).toBeLessThan(whole.length)
      expect(small.stats()).toMatchObject({ abandoned_requests: 1, curr_items: 0 })
      expect(await patient.one(noop)).toMatchObject({ status: Status.ok })
      await small.close()
    })

    it('keeps within its memory limit', async () => {
      const small = await startMemcachedServer({ memoryLimit: 100_000 })
      const writer = new RawClient(small.port)
      await writer.ask(Buffer.concat(Array.from({ length: 200 }, (_, i) => setFrame(`k${i}`, 'v'.repeat(1000)))), 200)
      expect(small.stats().bytes).toBeLessThanOrEqual(100_000)
      expect(Number(small.stats().evictions) + Number(small.stats().curr_items)).toBe(200)
      expect((await writer.one(getFrame('k199'))).status).toBe(Status.ok)
      expect((await writer.one(getFrame('k0'))).status).toBe(Status.notFound)
      writer.end()
      await small.close()
    })

    it('rejects with the address when it is in use', async () => {
      const second = startMemcachedServer({ port: server.port })
      await expect(second).rejects.toThrow(NodeUnreachableError)
      await expect(second).rejects.toThrow(`127.0.0.1:${server.port}: the address is in use`)
    })

    it('rejects a port and limits that make no sense', async () => {
      await expect(startMemcachedServer({ port: 70_000 })).rejects.toThrow('127.0.0.1:70000')
      await expect(startMemcachedServer({ memoryLimit: 0, maxItemSize: Number.NaN })).rejects.toThrow(ConfigError)
    })

    it('ends its connections on close, leaves nothing behind and can be closed twice', async () => {
      await client.one(setFrame('a', '1'))
      const before = openHandles()
      await Promise.all([server.close(), server.close()])
      await client.closed
      await server.close()
      expect(openHandles()).toBeLessThan(before)
      expect(server.stats()).toMatchObject({ curr_connections: 0, curr_items: 0 })
      const late = new RawClient(server.port)
      await late.closed
      const next = await startMemcachedServer({ port: server.port })
      await next.close()
    })
  })
})

function openHandles(): number {
  return process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length
}

/** Waits until the server has done nothing more during several round trips of another client; at most 5 s. */
async function untilQuiet(server: MemcachedServer, other: RawClient): Promise<void> {
  const deadline = Date.now() + 5000
  let last = -1
  for (let same = 0; same < 20; ) {
    if (Date.now() > deadline) throw new Error('the server kept on reading')
    for (let i = 0; i < 5; i++) await other.one(noop)
    same = server.operations() === last && last > 1 ? same + 1 : 0
    last = server.operations()
  }
}
