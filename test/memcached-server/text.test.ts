import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type MemcachedServer, startMemcachedServer } from '../../src/memcached-server/server.js'
import { exchange } from '../../src/testing/exchange.js'
import { startMemcached, type TestMemcached } from '../../src/testing/start-memcached.js'
import { ManualClock } from './manual-clock.js'
import { frame, getFrame, RawClient, setFrame } from './raw-client.js'

interface Place {
  host: string
  port: number
}

/** What comes back for lines that are sent at once, until the answer to an `mn` behind them. */
async function answers(place: Place, ...lines: string[]): Promise<string[]> {
  const text = await exchange(place, [...lines, 'mn'].join('\r\n'), (received) => received.endsWith('MN\r\n'))
  return text.split('\r\n').slice(0, -2)
}

describe('the embedded node, asked in text', () => {
  const clock = new ManualClock()
  let server: MemcachedServer

  beforeEach(async () => {
    server = await startMemcachedServer({ clock })
  })

  afterEach(() => server.close())

  it('tells its stats to who asks by telnet', async () => {
    await answers(server, 'ms key 5', 'value', 'mg key v')
    const stats = await answers(server, 'stats')
    expect(stats.at(-1)).toBe('END')
    expect(stats).toContain('STAT curr_items 1')
    expect(stats).toContain('STAT cmd_get 1')
    expect(stats.slice(0, -1).every((line) => /^STAT \S+ \S+$/.test(line))).toBe(true)
    expect(await answers(server, 'stats items')).toEqual(['END'])
    expect(await answers(server, 'stats reset', 'stats')).toContain('STAT cmd_get 0')
  })

  it('takes a number of the client’s own for what is written, and compares it', async () => {
    const own = 12345678901234567890n
    expect(await answers(server, `ms k 1 c E${own}`, 'a')).toEqual([`HD c${own}`])
    expect(await answers(server, 'mg k c')).toEqual([`HD c${own}`])
    expect(await answers(server, 'ms k 1 C1', 'b', `ms k 1 C${own} E7 c`, 'c')).toEqual(['EX', 'HD c7'])
    expect(await answers(server, 'md k C8', 'md k C7')).toEqual(['EX', 'HD'])
  })

  it('leaves a value away that was seen already, and renews it all the same', async () => {
    await answers(server, 'ms k 5 E77 T10', 'value')
    expect(await answers(server, 'mg k v c C77 T100')).toEqual(['HD c77'])
    clock.advance(50_000)
    expect(await answers(server, 'mg k v c t C76')).toEqual(['VA 5 t50 c77', 'value'])
  })

  it('holds the same items for both protocols', async () => {
    const client = new RawClient(server.port)
    await client.one(setFrame('k', 'binary'))
    expect(await answers(server, 'mg k v')).toEqual(['VA 6', 'binary'])
    await answers(server, 'ms k 4', 'meta')
    expect((await client.one(getFrame('k'))).value.toString()).toBe('meta')
    await client.one(frame(0x08))
    expect(await answers(server, 'mg k v')).toEqual(['EN'])
    client.end()
  })

  it('counts operations and not questions about itself', async () => {
    await answers(server, 'version', 'mn', 'stats', 'ms k 1', 'a', 'mg k', 'md k', 'md k')
    expect(server.operations()).toBe(4)
  })

  it('ends the connection of a client that quits', async () => {
    const client = new RawClient(server.port)
    client.send(Buffer.from('quit\r\n'))
    await client.closed
  })

  it('refuses a value that is too large, with the old one gone, and goes on', async () => {
    const value = 'x'.repeat(2_000_000)
    expect(await answers(server, 'ms k 1', 'a', `ms k ${value.length}`, value, 'mg k v')).toEqual([
      'HD',
      'SERVER_ERROR object too large for cache',
      'EN',
    ])
  })
})

describe('the embedded node and memcached', () => {
  let memcached: TestMemcached
  let server: MemcachedServer

  beforeAll(async () => {
    memcached = await startMemcached()
    server = await startMemcachedServer()
  })

  afterAll(() => Promise.all([memcached.close(), server.close()]))

  /** memcached gives the flags back in the order of the request; its numbers and its words are its own. */
  const comparable = (line: string): string =>
    line
      .replace(/^(CLIENT_ERROR) .*/, '$1')
      .replace(/ c[1-9]\d*/g, ' c#')
      .split(' ')
      .sort()
      .join(' ')

  it.each([
    [['mg nothing v O1 k', 'mg nothing q v', 'mg nothing']],
    [['ms a 3 O2 c k', 'abc', 'mg a v c s t f k O3', 'mg a']],
    [['ms a 3 T100 F17', 'abc', 'mg a t f', 'mg a T200 t v', 'mg a t', 'ms a 0', '', 'mg a v s']],
    [['ms new 1 ME c', 'a', 'ms new 1 ME O9', 'b', 'mg new v', 'ms other 1 MR', 'c', 'ms new 1 MR', 'd']],
    [['ms l 1', 'b', 'ms l 1 MA', 'c', 'ms l 1 MP', 'a', 'mg l v', 'ms absent 1 MA', 'x']],
    [['ms q 1 q', 'a', 'mg q v', 'ms q 1 ME q', 'b', 'md q q', 'md q']],
    [['ms c 1', 'a', 'ms c 1 C999999999 O4', 'b', 'ms gone 1 C999999999', 'b', 'md c C999999999 O5', 'md c k O6']],
    [['ms YSBi 1 b', 'x', 'mg YSBi v b k O1', 'md YSBi b k', 'mg !! b v']],
    [['ms e 1 T-1', 'x', 'mg e v', 'ms e 1 T2592001', 'x', 'mg e v', 'ms e 1 T2147483647', 'x', 'mg e v']],
    [['mg a Tx', 'ms a 1 T', 'x', 'mg a Cx v', 'ms a 1 Fx', 'x', 'mg a v v', 'mg a !']],
    [[`mg ${'k'.repeat(250)} v`, `mg ${'k'.repeat(251)} v`, `mg a O${'1'.repeat(31)}`]],
    [[`mg a v O${'1'.repeat(40)}`, 'nonsense', 'verbosity 1', 'flush_all', 'mg a v']],
    [['ms a 2 MX', 'ab', 'mg  a   v', 'mx a']],
  ])('answer alike to %j', async (lines) => {
    const places = [server, memcached]
    const [ours, theirs] = await Promise.all(places.map((place) => answers(place, 'flush_all', ...lines)))
    expect(ours?.map(comparable)).toEqual(theirs?.map(comparable))
  })
})
