import { execFileSync } from 'node:child_process'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import type { NearCacheLimits } from '../../src/node/near-cache/near-cache.js'
import { openNode } from '../../src/node/open-node.js'
import type { StorageNode, StoredValue } from '../../src/node/storage-node.js'
import { storageNodeConformance } from '../../src/testing/conformance/storage-node.js'
import { startRedis, type TestRedis, waitFor } from '../../src/testing/index.js'
import { FaultyRedis } from '../support/faulty-redis.js'
import { leastWait } from '../support/patience.js'

const patience = { timeout: 30_000 }
const hour = 3_600_000

let redis: TestRedis
let running: { close(): Promise<unknown> }[] = []
let flushes = 0

beforeAll(async () => {
  redis = await startRedis()
})

afterAll(() => redis.close())

beforeEach(async () => {
  running = []
  flushes = 0
  await redis.command('FLUSHALL')
})

afterEach(async () => {
  for (const each of running.reverse()) await each.close()
})

type Limits = NearCacheLimits | undefined

const roomy: NearCacheLimits = { maxBytes: 1_000_000, maxAge: hour }

function open(limits: Limits | (() => Limits) = roomy, address: { url: string } = redis, timeout = 5000): StorageNode {
  const node = openNode(parseNodeAddress(address.url), {
    operationTimeout: timeout,
    nearCache: {
      limits: typeof limits === 'function' ? limits : () => limits,
      keyPrefix: 'h:',
      onFlush: () => {
        flushes += 1
      },
    },
  })
  running.push(node)
  return node
}

const inAnHour = (): { to: number; slack: number } => ({ to: Date.now() + hour, slack: hour / 10 })

/** What a cached read gives at once; `undefined`: it asks the server. */
function peek(node: StorageNode, key: string, renewal = inAnHour()): StoredValue | undefined {
  const answer = node.getCached?.(key, renewal)
  if (!(answer instanceof Promise)) return answer
  answer.catch(() => {})
  return undefined
}

async function read(node: StorageNode, key: string, renewal = inAnHour()): Promise<string | undefined> {
  return (await node.getCached?.(key, renewal))?.bytes.toString()
}

/** Resolves when the key is answered from memory. */
async function cached(node: StorageNode, key: string, renewal = inAnHour()): Promise<string> {
  const value = await waitFor(
    async () => peek(node, key, renewal) ?? ((await node.getCached?.(key, renewal)) && undefined),
    { ...patience, message: `${key} in memory` },
  )
  return value.bytes.toString()
}

async function store(node: StorageNode, key: string, value: string, deadline = Date.now() + hour): Promise<void> {
  expect(await node.put(key, Buffer.from(value), deadline, 'any')).toMatchObject({ stored: true })
}

/** Reads of values that the server has counted. */
async function readsAtServer(): Promise<number> {
  const info = String(await redis.command('INFO', 'commandstats'))
  const calls = [...info.matchAll(/^cmdstat_(?:getex|get|evalsha|eval):calls=(\d+)/gm)]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

const entries = (node: StorageNode): number => node.cacheFigures?.()?.entries ?? -1
const untracked = (node: StorageNode): boolean => node.cacheFigures?.()?.tracking === false

storageNodeConformance(
  'a near cache',
  {
    fences: 'content',
    async open() {
      await redis.command('FLUSHALL')
      const node = openNode(parseNodeAddress(redis.url), {
        operationTimeout: 60_000,
        nearCache: { limits: () => roomy, keyPrefix: '' },
      })
      return { node, close: () => node.close() }
    },
  },
  { describe, it },
)

describe('the near cache', () => {
  it('answers from memory without any operation on the server', async () => {
    const node = open()
    await store(node, 'h:a', 'value')
    expect(await cached(node, 'h:a')).toBe('value')
    const before = await readsAtServer()
    for (let round = 0; round < 100; round += 1) expect(await read(node, 'h:a')).toBe('value')
    expect(await readsAtServer()).toBe(before)
  })

  it('gives tokens that fence writes, before and after another has written', async () => {
    const [node, other] = [open(), open()]
    await store(node, 'h:a', 'first')
    await cached(node, 'h:a')
    const { fence } = peek(node, 'h:a') as StoredValue
    expect(await node.put('h:a', Buffer.from('second'), 0, fence)).toMatchObject({ stored: true })
    await cached(node, 'h:a')
    const old = peek(node, 'h:a') as StoredValue
    await store(other, 'h:a', 'third')
    expect(await node.put('h:a', Buffer.from('fourth'), 0, old.fence)).toEqual({ stored: false })
  })

  it('sees what others write, remove and let expire', async () => {
    const [node, other] = [open(), open()]
    await store(other, 'h:a', 'one')
    await cached(node, 'h:a')
    await store(other, 'h:a', 'two')
    await waitFor(async () => (await read(node, 'h:a')) === 'two', patience)
    await cached(node, 'h:a')
    await other.delete('h:a')
    await waitFor(async () => (await read(node, 'h:a')) === undefined, patience)
    await store(other, 'h:b', 'short', Date.now() + 400)
    await waitFor(async () => (await read(node, 'h:b', { to: 1, slack: hour })) === undefined, patience)
  })

  it('has what it changed itself out of its memory when the operation is acknowledged', async () => {
    const node = open()
    for (let round = 0; round < 50; round += 1) {
      await store(node, 'h:a', `${round}`)
      expect(await read(node, 'h:a')).toBe(`${round}`)
      if (round % 10 === 0) await cached(node, 'h:a')
    }
    await cached(node, 'h:a')
    await node.delete('h:a')
    expect(await read(node, 'h:a')).toBeUndefined()
  })

  it('keeps its entries while other servers read the same keys', async () => {
    const [node, other] = [open(), open()]
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await cached(other, 'h:a')
    for (let round = 0; round < 20; round += 1) {
      expect(peek(node, 'h:a')).toBeDefined()
      expect(peek(other, 'h:a')).toBeDefined()
      await redis.command('PING')
    }
  })

  it('reads from the server when it is asked to', async () => {
    const node = open()
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    const before = await readsAtServer()
    expect((await node.get('h:a'))?.bytes.toString()).toBe('value')
    expect(await readsAtServer()).toBe(before + 1)
  })

  it('keeps nothing without limits, and lets all go when they are taken away', async () => {
    let limits: Limits
    const node = open(() => limits)
    await store(node, 'h:a', 'value')
    expect([node.caches, node.cacheFigures?.()]).toEqual([false, undefined])
    expect(await read(node, 'h:a')).toBe('value')
    expect(String(await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub'))).toBe('')
    limits = roomy
    await cached(node, 'h:a')
    limits = undefined
    await waitFor(async () => String(await redis.command('CLIENT', 'LIST', 'TYPE', 'pubsub')) === '', patience)
    limits = roomy
    expect(entries(node)).toBe(0)
    await cached(node, 'h:a')
  })

  it('leaves no connection when it is closed', async () => {
    const count = async () =>
      String(await redis.command('CLIENT', 'LIST'))
        .trim()
        .split('\n').length
    const before = await count()
    const nodes = [open(), open()]
    for (const node of nodes) {
      await store(node, 'h:a', 'value')
      await cached(node, 'h:a')
    }
    expect(await count()).toBeGreaterThanOrEqual(before + 4)
    for (const node of nodes) await node.close()
    await waitFor(async () => (await count()) <= before, patience)
  })
})

describe('the near cache and the life of values', () => {
  it('renews it on the server while only memory is read', async () => {
    const node = open()
    const renewal = () => ({ to: Date.now() + 3000, slack: 1000 })
    await store(node, 'h:a', 'value', Date.now() + 3000)
    const end = performance.now() + 7000
    let hits = 0
    while (performance.now() < end) {
      const value = peek(node, 'h:a', renewal()) ?? (await node.getCached?.('h:a', renewal()))
      expect(value?.bytes.toString()).toBe('value')
      if (peek(node, 'h:a', renewal()) !== undefined) hits += 1
      await redis.command('PING')
    }
    expect(hits).toBeGreaterThan(10)
    expect(Number(await redis.command('PTTL', 'h:a'))).toBeGreaterThan(0)
  })

  it('leaves one that is long enough, and sets or takes away the end where that is wanted', async () => {
    const node = open()
    await store(node, 'h:a', 'value', Date.now() + hour)
    await read(node, 'h:a', { to: Date.now() + hour / 2, slack: 0 })
    await read(node, 'h:a', { to: Date.now() + hour + 1000, slack: 2000 })
    const left = Number(await redis.command('PTTL', 'h:a'))
    expect(left).toBeGreaterThan(hour - 60_000)
    expect(left).toBeLessThanOrEqual(hour)
    await read(node, 'h:a', { to: Date.now() + 2 * hour, slack: 1000 })
    expect(Number(await redis.command('PTTL', 'h:a'))).toBeGreaterThan(hour)
    await read(node, 'h:a', { to: 0, slack: 1000 })
    expect(await redis.command('PTTL', 'h:a')).toBe(-1)
    expect(await cached(node, 'h:a')).toBe('value')
  })

  it('does not outlive it, though nobody has told of its end', async () => {
    const faulty = await throughFaulty()
    const node = open(roomy, faulty)
    const renewal = { to: 1, slack: hour }
    faulty.swallowsMessages = true
    await store(node, 'h:a', 'value', Date.now() + 2500)
    await cached(node, 'h:a', renewal)
    await waitFor(async () => (await redis.command('EXISTS', 'h:a')) === 0, patience)
    expect(peek(node, 'h:a', renewal)).toBeUndefined()
  })
})

async function throughFaulty(): Promise<FaultyRedis & { url: string }> {
  const faulty = new FaultyRedis(redis)
  await faulty.start()
  running.push(faulty)
  return Object.assign(faulty, { url: `redis://${faulty.host}:${faulty.port}` })
}

/** Another process writes, while this one does nothing else. */
function setElsewhere(key: string, value: string): void {
  const lines = `SET ${key} ${value}\r\n`
  const program = `const socket = require('node:net').connect(${redis.port}, '${redis.host}')
    socket.write(${JSON.stringify(lines)})
    socket.once('data', () => socket.end())`
  execFileSync(process.execPath, ['-e', program], { timeout: leastWait })
}

describe('the near cache in doubt', () => {
  it('is emptied when the connection that tells of changes is killed, and works again', async () => {
    const node = open()
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await redis.command('CLIENT', 'KILL', 'TYPE', 'pubsub')
    await waitFor(() => entries(node) === 0 && untracked(node), patience)
    expect(flushes).toBe(1)
    expect(node.cacheFigures?.()?.problem).toMatch(/closed the connection|can't be reached/)
    expect(await read(node, 'h:a')).toBe('value')
    expect(await cached(node, 'h:a')).toBe('value')
    expect(node.cacheFigures?.()).toMatchObject({ entries: 1, tracking: true, problem: undefined })
  })

  it('is emptied when the connection of the operations was replaced', async () => {
    const node = open()
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await redis.command('CLIENT', 'KILL', 'TYPE', 'normal')
    await waitFor(() => peek(node, 'h:a') === undefined, patience)
    expect(flushes).toBeGreaterThan(0)
    await cached(node, 'h:a')
  })

  it('is emptied when everything is removed', async () => {
    const node = open()
    for (const key of ['h:a', 'h:b']) {
      await store(node, key, 'value')
      await cached(node, key)
    }
    await redis.command('FLUSHALL')
    await waitFor(() => entries(node) === 0, patience)
    expect(await read(node, 'h:a')).toBeUndefined()
  })

  it('does not answer from memory after this process itself stood still, before it has heard what happened', async () => {
    const node = open()
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    const start = performance.now()
    setElsewhere('h:a', 'new')
    while (performance.now() < start + 2100);
    /* The news of the change lie in the socket, unread. */
    expect(entries(node)).toBe(1)
    expect(await read(node, 'h:a')).toBe('new')
    expect(await cached(node, 'h:a')).toBe('new')
  })

  it('keeps nothing while the server refuses to tell, and says why', async () => {
    const rights = ['reset', 'on', '>password', '~*', '+@all', '-client|tracking']
    await redis.command('ACL', 'SETUSER', 'limited', ...rights)
    const node = open(roomy, { url: `redis://limited:password@${redis.host}:${redis.port}` })
    await store(node, 'h:a', 'value')
    for (let round = 0; round < 5; round += 1) expect(await read(node, 'h:a')).toBe('value')
    await waitFor(() => node.cacheFigures?.()?.problem?.includes('NOPERM'), patience)
    expect(node.cacheFigures?.()).toMatchObject({ entries: 0, tracking: false })
  })

  it('needs only a few rights beside those for the values', async () => {
    const values = ['~h:*', '+getex', '+set', '+eval', '+evalsha', '+pttl', '+pexpire', '+persist']
    const news = ['+ping', '+subscribe', '+client|id', '+client|tracking', '&__redis__:invalidate']
    await redis.command('ACL', 'SETUSER', 'modest', 'reset', 'on', '>password', ...values, '+role', '+info', ...news)
    const node = open(roomy, { url: `redis://modest:password@${redis.host}:${redis.port}` })
    await store(node, 'h:a', 'value')
    expect(await cached(node, 'h:a')).toBe('value')
  })

  it('is emptied by a ping that gets no answer', async () => {
    const faulty = await throughFaulty()
    const node = open(roomy, faulty)
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    faulty.fail({ kind: 'silent' }, { command: 'PING' })
    await waitFor(() => entries(node) === 0, patience)
    expect(node.cacheFigures?.()?.problem).toMatch(/no answer to a ping/)
    faulty.heal()
    expect(await cached(node, 'h:a')).toBe('value')
  })

  it('does not keep a value that was overtaken by the news of its change', async () => {
    const faulty = await throughFaulty()
    const [node, other] = [open(roomy, faulty, 30_000), open(undefined)]
    await store(node, 'h:a', 'old')
    await store(node, 'h:b', 'other')
    await cached(node, 'h:b')
    faulty.fail({ kind: 'late' }, { command: 'EVALSHA', times: 1 })
    const answer = read(node, 'h:a')
    await waitFor(() => faulty.held === 1, { timeout: 6000, message: 'the late answer' })
    await store(other, 'h:a', 'new')
    await store(other, 'h:b', 'changed')
    await waitFor(() => entries(node) === 0, { timeout: 6000, message: 'the news' })
    faulty.release()
    expect(await answer).toBe('old')
    expect(peek(node, 'h:a')).toBeUndefined()
    await waitFor(async () => (await read(node, 'h:a')) === 'new', patience)
  })
})

describe('the near cache and a server that fails', () => {
  let own: TestRedis

  beforeEach(async () => {
    own = await startRedis()
    running.push(own)
  })

  it('reads what it does not have from a server without room for more', async () => {
    const [node, other] = [open(roomy, own), open(roomy, own)]
    await store(other, 'h:a', 'value')
    await store(other, 'h:b', 'short', Date.now() + 60_000)
    await own.command('CONFIG', 'SET', 'maxmemory', 1)
    expect(await cached(node, 'h:a')).toBe('value')
    expect(await read(node, 'h:b')).toBe('short')
    expect(Number(await own.command('PTTL', 'h:b'))).toBeGreaterThan(60_000)
  })

  it('is emptied by a restart', async () => {
    const node = open(roomy, own)
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await own.restart()
    await waitFor(() => entries(node) === 0, patience)
    await waitFor(async () => (await read(node, 'h:a').catch(() => 'none')) === undefined, patience)
    await waitFor(() => store(node, 'h:a', 'again').then(() => true), patience)
    expect(await cached(node, 'h:a')).toBe('again')
  })

  it('is emptied when the server hangs, and never answers with what is older than two checks', async () => {
    const node = open(roomy, own, 1000)
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await own.suspend()
    const start = performance.now()
    let last = start
    while (entries(node) > 0 && performance.now() < start + 15_000) {
      const asked = performance.now()
      if (peek(node, 'h:a') !== undefined) last = asked
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(entries(node)).toBe(0)
    /* A ping can have been answered just before the server stopped. */
    expect(last - start).toBeLessThanOrEqual(2000)
    await own.resume()
    expect(await cached(node, 'h:a')).toBe('value')
  })
})

describe('the bounds of the near cache', () => {
  it('holds its limit of bytes, and lets go what was used least recently', async () => {
    const maxBytes = 20_000
    const node = open({ maxBytes, maxAge: hour })
    const keys = Array.from({ length: 40 }, (_, number) => `h:${number}`)
    for (const key of keys) await store(node, key, 'x'.repeat(1000))
    await cached(node, 'h:0')
    for (const key of keys) {
      await cached(node, key)
      expect(peek(node, 'h:0')).toBeDefined()
      expect(node.cacheFigures?.()?.bytes).toBeLessThanOrEqual(maxBytes)
    }
    expect(entries(node)).toBeGreaterThan(8)
    expect(peek(node, 'h:1')).toBeUndefined()
    expect(peek(node, 'h:39')).toBeDefined()
  })

  it('does not keep what is larger than all of it', async () => {
    const node = open({ maxBytes: 2000, maxAge: hour })
    await store(node, 'h:small', 'x')
    await store(node, 'h:large', 'x'.repeat(5000))
    await cached(node, 'h:small')
    expect(await read(node, 'h:large')).toHaveLength(5000)
    expect(entries(node)).toBe(1)
  })

  it('reads again what is too old, and forgets it when nobody asks', async () => {
    const node = open({ maxBytes: 1_000_000, maxAge: 300 })
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    const before = await readsAtServer()
    await waitFor(async () => (await read(node, 'h:a')) === 'value' && (await readsAtServer()) > before, patience)
    await cached(node, 'h:a')
    await waitFor(() => entries(node) === 0, patience)
  })

  it('gives back memory when the limit is lowered', async () => {
    let maxBytes = 100_000
    const node = open(() => ({ maxBytes, maxAge: hour }))
    for (let number = 0; number < 20; number += 1) {
      await store(node, `h:${number}`, 'x'.repeat(1000))
      await cached(node, `h:${number}`)
    }
    maxBytes = 5000
    await waitFor(() => (node.cacheFigures?.()?.bytes ?? 0) <= 5000, patience)
    expect(entries(node)).toBeGreaterThan(0)
  })
})
