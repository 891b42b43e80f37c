import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { NodeRefusedError, NodeUnreachableError } from '../../src/errors.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { createNearCache } from '../../src/node/near-cache/near-cache.js'
import type { RedisAddress } from '../../src/node/redis/redis-address.js'
import { createRedisNode, type RedisStorageNode } from '../../src/node/redis/redis-node.js'
import type { Fence } from '../../src/node/storage-node.js'
import { storageNodeConformance } from '../../src/testing/index.js'
import { startRedis, type TestRedis } from '../../src/testing/start-redis.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { ComparingRedis } from '../support/comparing-redis.js'

let redis: TestRedis
let node: RedisStorageNode
let fence: Fence
let folder: string | undefined

beforeEach(async () => {
  redis = await startRedis({ args: ['--enable-protected-configs', 'yes'] })
  node = open()
  fence = await put('key', 'value')
})

afterEach(async () => {
  await node.close()
  await redis.close()
  if (folder !== undefined) await rm(folder, { recursive: true })
  folder = undefined
})

function open({ login = '', place = redis as { host: string; port: number }, operationTimeout = 30_000 } = {}) {
  const address = parseNodeAddress(`redis://${login}${place.host}:${place.port}`) as RedisAddress
  return createRedisNode({ id: 'n1', address, operationTimeout, reconnectPause: 0, maxValueBytes: 1_000_000 })
}

const later = (): number => Date.now() + 600_000

async function put(key: string, value: string): Promise<Fence> {
  const result = await node.put(key, Buffer.from(value), later(), 'any')
  if (!result.stored) throw new Error('refused')
  return result.fence
}

async function text(key = 'key'): Promise<string | undefined> {
  return (await node.get(key, later()))?.bytes.toString()
}

async function refusal(operation: Promise<unknown>): Promise<NodeRefusedError> {
  const error: unknown = await operation.then(
    () => undefined,
    (error) => error,
  )
  expect(error).toBeInstanceOf(NodeRefusedError)
  return error as NodeRefusedError
}

/** Its snapshots fail, as on a full disk. */
async function failToSave(): Promise<void> {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-'))
  await mkdir(join(folder, 'dump.rdb', 'in-the-way'), { recursive: true })
  await redis.command('CONFIG', 'SET', 'dir', folder)
  await redis.command('CONFIG', 'SET', 'dbfilename', 'dump.rdb')
  await redis.command('CONFIG', 'SET', 'save', '3600 1')
  await redis.command('BGSAVE')
  await waitFor(async () => String(await redis.command('INFO', 'persistence')).includes('bgsave_status:err'))
}

interface Trouble {
  why: string
  begin(): Promise<unknown>
  end(): Promise<unknown>
}

const troubles: Trouble[] = [
  {
    why: "takes no writes, as it can't save them to its disk: MISCONF",
    begin: failToSave,
    end: () => redis.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
  },
  {
    why: 'takes no writes, as too few replicas follow it: NOREPLICAS',
    begin: () => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1'),
    end: () => redis.command('CONFIG', 'SET', 'min-replicas-to-write', '0'),
  },
]

describe.each(troubles)('a Redis that $why', ({ why, begin, end }) => {
  beforeEach(async () => {
    await node.close()
    node = open({ operationTimeout: 1000 })
    await text()
    await begin()
  })

  it('is read as before', async () => {
    expect(await text()).toBe('value')
    expect(await text('nothing')).toBeUndefined()
    expect((await node.getRenewing('key', { to: later(), slack: 0 }))?.value.bytes.toString()).toBe('value')
  })

  it('refuses every write, and says why', async () => {
    const writes = [
      () => node.put('key', Buffer.from('new'), later(), 'any'),
      () => node.put('new', Buffer.from('new'), later(), 'absent'),
      () => node.put('key', Buffer.from('new'), later(), fence),
      () => node.touch('key', later()),
      () => node.delete('key'),
      () => node.delete('key', fence),
    ]
    for (const write of writes) {
      const error = await refusal(write())
      expect([error.refuses, error.message]).toEqual(['writes', expect.stringContaining(`${node.address} ${why}`)])
    }
    expect(await text()).toBe('value')
  })

  it('is no node that works, as long as it does so', async () => {
    await node.ping()
    await refusal(node.touch('key', later()))
    expect((await refusal(node.ping())).refuses).toBe('writes')
    await end()
    await node.ping()
    expect(await node.touch('key', later())).toBe(true)
  })
})

describe('a Redis whose writes are paused', () => {
  beforeEach(async () => {
    await node.close()
    node = open({ operationTimeout: 500 })
    await text()
    await redis.command('CLIENT', 'PAUSE', 600_000, 'WRITE')
  })

  it('is read once a ping has found that out, and works when they go on', async () => {
    await expect(node.touch('key', later())).rejects.toThrow('gave no answer')
    const error = await refusal(node.ping())
    expect([error.refuses, error.message]).toEqual(['writes', expect.stringContaining('writes may be paused')])
    expect(await text()).toBe('value')
    expect(await text()).toBe('value')
    await redis.command('CLIENT', 'UNPAUSE')
    await node.ping()
    expect(await node.touch('key', later())).toBe(true)
  })
})

describe('a Redis whose access rules', () => {
  async function openAs(...rules: string[]): Promise<void> {
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>secret', '~*', '&*', '+@all', ...rules)
    await node.close()
    node = open({ login: 'app:secret@' })
  }

  it('forbid GETEX is read', async () => {
    await openAs('-getex')
    expect(await text()).toBe('value')
    const error = await refusal(node.put('key', Buffer.from('new'), later(), fence))
    expect([error.refuses, error.message]).toEqual(['writes', expect.stringContaining('forbids by its access rules')])
  })

  it('forbid scripts, and whose SET does not compare, is read, and takes no writes, with a clear word', async () => {
    await openAs('-eval', '-evalsha')
    expect(await text()).toBe('value')
    const error = await refusal(node.put('key', Buffer.from('new'), later(), fence))
    expect([error.refuses, error.message]).toEqual(['writes', expect.stringContaining('forbids scripts')])
    expect((await refusal(node.ping())).message).toBe(error.message)
    expect(await text()).toBe('value')
  })

  it('forbid to ask for its role is not read where it takes no writes: it may have been demoted', async () => {
    await openAs('-role')
    expect(await text()).toBe('value')
    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
    expect((await refusal(node.get('key'))).message).toContain('NOREPLICAS')
  })
})

it('a Redis that was demoted is not read by plain reads either', async () => {
  const other = await startRedis({ local: true })
  try {
    await node.close()
    node = open({ operationTimeout: 500 })
    await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
    expect(await text()).toBe('value')
    await redis.command('REPLICAOF', other.host, other.port)
    await expect(node.get('key')).rejects.toThrow(NodeUnreachableError)
  } finally {
    await other.close()
  }
})

it('a near cache in front of a Redis that takes no writes reads through it, and keeps nothing', async () => {
  const address = parseNodeAddress(redis.url) as RedisAddress
  const limits = () => ({ maxBytes: 1000, maxAge: 60_000 })
  const cache = createNearCache(node, { limits, keyPrefix: 'k' }, { address, operationTimeout: () => 30_000 })
  await redis.command('CONFIG', 'SET', 'min-replicas-to-write', '1')
  for (let round = 0; round < 3; round += 1) {
    const found = await cache.getCached?.('key', { to: later(), slack: 0 })
    expect(found?.bytes.toString()).toBe('value')
  }
  await cache.close()
})

/* No server with such a SET can be had here: the answers to it are those of its documentation. */
const comparing = {
  async open() {
    const server = await startRedis()
    const way = new ComparingRedis(server)
    await way.start()
    return {
      node: open({ place: way }),
      async close() {
        await way.close()
        await server.close()
      },
    }
  },
  fences: 'content' as const,
}

storageNodeConformance('Redis without scripts, with a SET that compares', comparing, { describe, it })

describe('a Redis without scripts, with a SET that compares', () => {
  let way: ComparingRedis

  beforeEach(async () => {
    way = new ComparingRedis(redis)
    await way.start()
    await node.close()
    node = open({ place: way })
    fence = await put('key', 'value')
  })

  afterEach(() => way.close())

  it('is a node that works', async () => {
    expect(await node.put('key', Buffer.from('new'), later(), fence)).toMatchObject({ stored: true })
    expect(await text()).toBe('new')
    await node.ping()
  })

  it('is not asked for a script again on the same connection', async () => {
    await node.put('key', Buffer.from('a'), later(), fence)
    way.commands.length = 0
    const result = await node.put('key', Buffer.from('b'), later(), 'any')
    if (result.stored) await node.put('key', Buffer.from('c'), later(), result.fence)
    expect(way.commands).toEqual(['SET', 'GETEX', 'SET'])
    expect(await text()).toBe('c')
  })
})
