import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { keySlot, readClusterSlots, readRedirection, withHashTag } from '../../src/node/redis/cluster-slots.js'
import type { RedisAddress } from '../../src/node/redis/redis-address.js'
import { createRedisNode } from '../../src/node/redis/redis-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import {
  type RedisClusterGroup,
  startRedis,
  startRedisCluster,
  storageNodeConformance,
  type TestRedis,
  waitFor,
} from '../../src/testing/index.js'
import { redisCommand } from '../support/redis-command.js'

const later = (): number => Date.now() + 600_000

describe('the slots of a Redis cluster', () => {
  it('keep the keys of one session together', () => {
    expect(withHashTag('holdfast:digest')).toBe('holdfast:{digest}')
    expect(keySlot(withHashTag('holdfast:lock:digest'))).toBe(keySlot(withHashTag('holdfast:digest')))
    expect(withHashTag('plain')).toBe('{plain}')
    expect(withHashTag('a:{tag}:b')).toBe('a:{tag}:b')
    expect(withHashTag('ends:')).toBe('ends:')
  })

  it('are counted as the specification says', () => {
    expect(keySlot('123456789')).toBe(0x31c3)
    expect(keySlot('{user1000}.following')).toBe(keySlot('{user1000}.followers'))
    expect(keySlot('foo{}{bar}')).toBe(keySlot('foo{}{bar}'))
    expect(keySlot('foo{{bar}}zap')).toBe(keySlot('{bar'))
  })

  it('are read with care', () => {
    const asked = { host: 'h', port: 1 }
    expect(readClusterSlots([], asked)).toBeUndefined()
    expect(readClusterSlots([[0, 99_999, [Buffer.from('a'), 1]]], asked)).toBeUndefined()
    expect(readClusterSlots([[0, 1, ['a']]], asked)).toBeUndefined()
    expect(readClusterSlots([[0, 1, [Buffer.from(''), 7]]], asked)?.owners[1]).toBe('h:7')
    expect(readRedirection('[::1]:7')).toEqual({ host: '::1', port: 7 })
    expect(readRedirection(':7')).toBeUndefined()
  })
})

describe('the Redis node on a cluster', () => {
  let cluster: RedisClusterGroup
  let node: StorageNode | undefined

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })

  afterEach(() => node?.close())
  afterAll(() => cluster?.close())

  const open = (seeds = cluster.nodes.slice(0, 2), operationTimeout = 10_000): StorageNode => {
    const hosts = seeds.map(({ host, port }) => `${host}:${port}`).join(',')
    const address = parseNodeAddress(`redis+cluster://${hosts}`) as RedisAddress
    return createRedisNode({ id: undefined, address, operationTimeout, wait: { replicas: 1, timeout: 500 } })
  }

  const masters = async (): Promise<TestRedis[]> => {
    const roles = await Promise.all(cluster.nodes.map((server) => redisCommand(server, 'INFO replication')))
    return cluster.nodes.filter((_, index) => roles[index]?.includes('role:master'))
  }

  /** A key whose slot that server has. */
  const keyOn = async (server: TestRedis): Promise<string> => {
    for (let number = 0; ; number += 1) {
      const answer = await redisCommand(server, `EXISTS {key-${number}}`)
      if (answer === ':0') return `key-${number}`
    }
  }

  storageNodeConformance(
    'a Redis cluster',
    {
      fences: 'content',
      async open() {
        for (const server of await masters()) await redisCommand(server, 'FLUSHALL')
        return { node: open(), close: async () => {} }
      },
    },
    { describe, it },
  )

  it('names all masters together, as soon as it has met them', async () => {
    node = open()
    await node.ping()
    await waitFor(() => node?.incarnation !== undefined)
    expect(node.incarnation?.split(' ')).toHaveLength(3)
  })

  it('follows slots that move, with all keys in them', async () => {
    const [from, to] = await masters()
    node = open()
    const key = await keyOn(from as TestRedis)
    const first = await node.put(key, Buffer.from('one'), later(), 'any')
    const slot = keySlot(withHashTag(key))
    const ids = await Promise.all([from, to].map((server) => redisCommand(server as TestRedis, 'CLUSTER MYID')))
    const [fromId, toId] = ids.map((answer) => answer.split('\r\n')[1])
    await redisCommand(to as TestRedis, `CLUSTER SETSLOT ${slot} IMPORTING ${fromId}`)
    await redisCommand(from as TestRedis, `CLUSTER SETSLOT ${slot} MIGRATING ${toId}`)
    await redisCommand(from as TestRedis, `MIGRATE 127.0.0.1 ${to?.port} {${key}} 0 5000`)
    if (!first.stored) throw new Error('refused')
    expect(await node.put(key, Buffer.from('two'), later(), first.fence)).toMatchObject({ stored: true })
    for (const server of await masters()) await redisCommand(server, `CLUSTER SETSLOT ${slot} NODE ${toId}`)
    expect((await node.get(key))?.bytes.toString()).toBe('two')
    expect(await redisCommand(to as TestRedis, `EXISTS {${key}}`)).toBe(':1')
  })

  it('goes on with the other masters while one is dead, and with its replica afterwards', async () => {
    node = open(undefined, 1000)
    const [dying, ...others] = await masters()
    const lost = await keyOn(dying as TestRedis)
    const keys = await Promise.all(others.map(keyOn))
    await node.put(lost, Buffer.from('kept'), later(), 'any', { durable: true })
    for (const key of keys) await node.put(key, Buffer.from('value'), later(), 'any')
    await dying?.kill()
    for (const key of keys) expect((await node.get(key))?.bytes.toString()).toBe('value')
    await node.ping()
    await waitFor(async () => (await node?.get(lost).catch(() => undefined))?.bytes.toString() === 'kept', {
      timeout: 30_000,
    })
  })

  it('says so when the server is no cluster', async () => {
    const single = await startRedis()
    node = open([single])
    await expect(node.get('key')).rejects.toThrow(/cluster support disabled/)
    await single.close()
  })
})
