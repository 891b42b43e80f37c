import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ClosedError, NodeRefusedError, NodeUnreachableError } from '../../src/errors.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openRedisSocket } from '../../src/node/redis/ioredis-client.js'
import type { RedisAddress } from '../../src/node/redis/redis-address.js'
import { createRedisNode, type RedisNodeOptions } from '../../src/node/redis/redis-node.js'
import type { Fence, StorageNode } from '../../src/node/storage-node.js'
import { startRedis } from '../../src/testing/start-redis.js'
import type { TestServer } from '../../src/testing/start-server.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { FaultyRedis } from '../support/faulty-redis.js'
import { redisCommand } from '../support/redis-command.js'

/** Short, for the tests that wait for it. */
const timeout = 1000
/** Long, for the tests that show that something happens at once and not by time-out. */
const patience = 60_000

let redis: TestServer
let server: FaultyRedis
let node: StorageNode

beforeAll(async () => {
  redis = await startRedis()
})

afterAll(() => redis.close())

beforeEach(async () => {
  await redisCommand(redis, 'FLUSHALL')
  server = new FaultyRedis(redis)
  await server.start()
  node = open()
})

afterEach(async () => {
  await node.close()
  await server.close()
})

function open(options: Partial<RedisNodeOptions> = {}): StorageNode {
  const address = parseNodeAddress(`redis://${server.host}:${server.port}`) as RedisAddress
  return createRedisNode({ id: 'n1', address, operationTimeout: timeout, reconnectPause: 0, ...options })
}

async function bePatient(): Promise<void> {
  await node.close()
  node = open({ operationTimeout: patience })
  await node.get('nothing')
}

const later = (): number => Date.now() + 600_000

async function put(key: string, value: string | Buffer): Promise<Fence> {
  const result = await node.put(key, Buffer.from(value), later(), 'any')
  if (!result.stored) throw new Error('refused')
  return result.fence
}

async function text(key: string): Promise<string | undefined> {
  return (await node.get(key))?.bytes.toString()
}

async function unreachableAfter(operation: Promise<unknown>): Promise<number> {
  const start = performance.now()
  await expect(operation).rejects.toThrow(NodeUnreachableError)
  return performance.now() - start
}

describe('the Redis node when the connection ends', () => {
  it.each(['close', 'reset'] as const)('rejects what is pending at once (%s)', async (kind) => {
    await bePatient()
    server.fail({ kind })
    const took = await Promise.all([unreachableAfter(node.get('a')), unreachableAfter(put('b', 'value'))])
    expect(Math.max(...took)).toBeLessThan(patience / 2)
  })

  it.each(['close', 'reset', 'unanswered'] as const)('never sends a write again (%s)', async (kind) => {
    await put('key', 'oldest')
    server.fail({ kind }, { command: 'SET', times: 1 })
    await expect(put('key', 'old')).rejects.toThrow(NodeUnreachableError)
    await put('key', 'new')
    const end = performance.now() + 3 * timeout
    while (performance.now() < end) expect(await text('key')).toBe('new')
    expect(server.commands.filter((command) => command === 'SET')).toHaveLength(3)
  })

  it('works on after its connections were dropped while idle', async () => {
    await put('key', 'value')
    for (const how of ['close', 'reset'] as const) {
      const before = node.connections
      server.dropConnections(how)
      await waitFor(async () => (await text('key').catch(() => undefined)) === 'value')
      await waitFor(() => node.connections > before)
    }
  })

  it('queues nothing for a server that is not there: what was rejected is never carried out', async () => {
    await put('key', 'value')
    await server.close()
    for (let attempt = 0; attempt < 5; attempt += 1) await unreachableAfter(put('key', 'too late'))
    await server.start()
    const other = open()
    const end = performance.now() + 2 * timeout
    while (performance.now() < end) expect((await other.get('key'))?.bytes.toString()).toBe('value')
    await other.close()
  })
})

describe('the Redis node when the server hangs', () => {
  it('rejects after its time-out, also under steady load, and uses another connection then', async () => {
    await put('key', 'value')
    server.fail({ kind: 'silent' }, { times: 1 })
    const first = unreachableAfter(node.get('key'))
    const load = setInterval(() => node.get('key').catch(() => {}), 20)
    expect(await first).toBeLessThan(patience / 2)
    clearInterval(load)
    await waitFor(async () => (await text('key').catch(() => undefined)) === 'value')
    expect(node.connections).toBe(2)
  })

  it('rejects after its time-out when a server accepts and never says a word', async () => {
    const sockets: Socket[] = []
    const mute = createServer((socket) => sockets.push(socket))
    mute.listen(0, '127.0.0.1')
    await once(mute, 'listening')
    const address = parseNodeAddress(`redis://127.0.0.1:${(mute.address() as AddressInfo).port}`) as RedisAddress
    const other = createRedisNode({ id: undefined, address, operationTimeout: timeout })
    expect(await unreachableAfter(other.get('key'))).toBeGreaterThan(timeout / 2)
    expect(other.connections).toBe(0)
    await other.close()
    for (const socket of sockets) socket.destroy()
    mute.close()
    await once(mute, 'close')
  })

  it('does not take a late answer for the answer to another operation', async () => {
    await put('one', 'value of one')
    await put('two', 'value of two')
    server.fail({ kind: 'late' }, { command: 'GETEX', times: 1 })
    await unreachableAfter(node.get('one'))
    const next = text('two')
    server.release()
    expect(await next).toBe('value of two')
    expect(await text('two')).toBe('value of two')
  })

  it.each(['stop', 'close', 'reset'] as const)('does not take a part of an answer for the whole (%s)', async (how) => {
    await put('key', 'x'.repeat(10_000))
    server.fail({ kind: 'cut', afterwards: how }, { command: 'GETEX', times: 1 })
    await unreachableAfter(node.get('key'))
    expect(await text('key')).toBe('x'.repeat(10_000))
  })

  it('bounds what is pending, in operations and in bytes', async () => {
    await node.close()
    node = open({ maxPending: 3, maxPendingBytes: 1000, operationTimeout: patience })
    await node.get('nothing')
    server.fail({ kind: 'silent' })
    const pending = [node.get('a'), node.get('b'), node.get('c')]
    await expect(node.get('d')).rejects.toThrow(/3 operations pending/)
    server.dropConnections('reset')
    for (const operation of pending) await expect(operation).rejects.toThrow(NodeUnreachableError)
    const large = node.put('a', Buffer.alloc(800), 0, 'any')
    await expect(node.put('b', Buffer.alloc(800), 0, 'any')).rejects.toThrow(/bytes pending/)
    await node.close()
    await expect(large).rejects.toThrow(ClosedError)
  })
})

describe('the Redis node when the server sends nonsense', () => {
  it('gives the connection up when an answer is none for the operation', async () => {
    await put('key', 'value')
    server.fail({ kind: 'answer', bytes: ':5\r\n' }, { times: 1 })
    await unreachableAfter(node.get('key'))
    server.fail({ kind: 'answer', bytes: '$5\r\nvalue\r\n' }, { times: 1 })
    await unreachableAfter(node.touch('key', later()))
    server.fail({ kind: 'answer', bytes: '+QUEUED\r\n' }, { times: 1 })
    await unreachableAfter(put('key', 'other'))
    expect(await text('key')).toBe('value')
    expect(node.connections).toBe(4)
  })

  it('gives the connection up when an answer comes that nobody asked for', async () => {
    await put('key', 'value')
    server.fail({ kind: 'answer', bytes: '$5\r\nfirst\r\n$5\r\nother\r\n' }, { times: 1 })
    await node.get('key').catch(() => {})
    await waitFor(async () => (await text('key').catch(() => undefined)) === 'value')
    expect(node.connections).toBe(2)
  })

  it('gives the connection up when the answer is not Redis', async () => {
    await put('key', 'value')
    server.fail({ kind: 'answer', bytes: 'HTTP/1.1 400 Bad Request\r\n\r\n' }, { times: 1 })
    await unreachableAfter(node.get('key'))
    expect(await text('key')).toBe('value')
  })

  it('does not print what a server repeats of a command', async () => {
    const echo = "-ERR unknown command 'GETEX', with args beginning with: 'secret-key'\r\n"
    server.fail({ kind: 'answer', bytes: echo }, { times: 1 })
    const failure = await node.get('secret-key').catch((error: Error) => error)
    expect(failure).toBeInstanceOf(NodeRefusedError)
    expect(String((failure as Error).stack)).not.toContain('secret-key')
    expect((failure as Error).cause).toBeUndefined()
  })
})

const notNow = [
  "-READONLY You can't write against a read only replica.",
  '-LOADING Redis is loading the dataset in memory',
  "-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
  '-NOREPLICAS Not enough good replicas to write.',
  '-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
  '-TRYAGAIN Multiple keys request during rehashing of slot',
  '-CLUSTERDOWN The cluster is down',
  '-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)',
  "-ERR Error running script (call to f_1): @user_script:1: @user_script: 1: -READONLY You can't write against a read only replica.",
]

describe('the Redis node when a server can not do it now', () => {
  it.each(notNow)('tries again within the deadline: %s', async (answer) => {
    await bePatient()
    const fence = await put('key', 'value')
    for (const operation of [
      () => text('key'),
      async () => (await node.put('other', Buffer.from('x'), later(), 'any')).stored,
      async () => (await node.put('key', Buffer.from('value'), later(), fence)).stored,
      () => node.touch('key', later()),
      () => node.delete('other'),
    ]) {
      server.fail({ kind: 'answer', bytes: `${answer}\r\n` }, { times: 2 })
      expect(await operation()).toBeTruthy()
    }
  })

  it('is unreachable when it goes on like that until the deadline', async () => {
    server.fail({ kind: 'answer', bytes: `${notNow[0]}\r\n` })
    const took = await unreachableAfter(node.get('key'))
    expect(took).toBeGreaterThan(timeout / 2)
    expect(server.connections).toBeGreaterThan(2)
  })

  it('lets other operations on the connection settle before it goes to another', async () => {
    await bePatient()
    await put('key', 'value')
    server.fail({ kind: 'late' }, { command: 'GETEX', times: 1 })
    const slow = text('key')
    await waitFor(() => server.commands.at(-1) === 'GETEX')
    server.fail({ kind: 'answer', bytes: `${notNow[0]}\r\n` }, { command: 'SET', times: 1 })
    const write = put('other', 'value')
    await waitFor(() => server.commands.at(-1) === 'SET')
    server.release()
    expect(await slow).toBe('value')
    await write
    expect(node.connections).toBe(2)
  })

  it('ends at once when it is closed meanwhile', async () => {
    await bePatient()
    server.fail({ kind: 'answer', bytes: `${notNow[0]}\r\n` })
    const pending = expect(node.get('key')).rejects.toThrow(ClosedError)
    await waitFor(() => server.connections > 3)
    await node.close()
    await pending
  })

  it('says what the server says when it refuses for good', async () => {
    server.fail({ kind: 'answer', bytes: '-OOM command not allowed when used memory > maxmemory.\r\n' }, { times: 1 })
    await expect(put('key', 'value')).rejects.toThrow(/OOM command not allowed/)
    expect(node.connections).toBe(1)
    server.fail({ kind: 'answer', bytes: '-MOVED 1234 127.0.0.1:7000\r\n' }, { times: 1 })
    await expect(node.get('key')).rejects.toThrow(/redis\+cluster/)
  })
})

describe('the Redis node and a real master that is demoted', () => {
  it('takes no answer of it for success, and finds the master behind the same address', async () => {
    const [one, two] = await Promise.all([startRedis(), startRedis()])
    const upstream = { host: one.host, port: one.port }
    const address = new FaultyRedis(upstream)
    await address.start()
    const url = parseNodeAddress(`redis://${address.host}:${address.port}`) as RedisAddress
    const other = createRedisNode({ id: 'n1', address: url, operationTimeout: patience, reconnectPause: 0 })
    const { stored } = await other.put('key', Buffer.from('old'), later(), 'any')
    expect(stored).toBe(true)
    await redisCommand(two, 'SET key new')
    await redisCommand(one, `REPLICAOF 127.0.0.1 ${two.port}`)
    upstream.port = two.port
    const operations = [other.get('key'), other.touch('key', later()), other.delete('nothing')]
    expect((await other.get('key'))?.bytes.toString()).toBe('new')
    expect((await Promise.all(operations)).slice(1)).toEqual([true, 'absent'])
    await other.close()
    await address.close()
    await Promise.all([one.close(), two.close()])
  })
})

describe('the connection of the Redis node', () => {
  it('asks for ioredis where it is missing', async () => {
    const endpoint = { server: { host: '127.0.0.1', port: 1 }, tls: undefined }
    const missing = () => Promise.reject(new Error("Cannot find package 'ioredis'"))
    const opened = openRedisSocket(endpoint, { onReady: () => {}, onLost: () => {} }, missing)
    await expect(opened).rejects.toThrow(/npm install ioredis/)
  })
})
