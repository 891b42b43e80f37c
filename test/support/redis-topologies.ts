import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import type { StoredValue } from '../../src/node/storage-node.js'
import { startRedis, startRedisCluster, startRedisSentinel, type TestRedis } from '../../src/testing/index.js'
import { keyOf } from './stored-session.js'
import type { Visitor } from './visitor.js'

/** Redis as one storage node, whatever is behind it. */
export interface RedisStorage {
  /** For the configuration. */
  url: string
  /** Who has the key now. */
  masterOf(key: string): Promise<TestRedis>
  close(): Promise<void>
}

const starters = {
  'one Redis': async (): Promise<RedisStorage> => {
    const redis = await startRedis()
    return { url: redis.url, masterOf: async () => redis, close: redis.close }
  },
  'a Sentinel group': async (): Promise<RedisStorage> => {
    const group = await startRedisSentinel()
    return { url: group.url, masterOf: () => group.currentMaster(), close: () => group.close() }
  },
  'a cluster of 3 + 3': async (): Promise<RedisStorage> => {
    const cluster = await startRedisCluster()
    return { url: cluster.url, masterOf: (key) => cluster.masterOf(key), close: () => cluster.close() }
  },
}

/** Every form in which Redis is one storage node: `describe.each(redisTopologies)`. */
export const redisTopologies = Object.keys(starters) as (keyof typeof starters)[]

export function startTopology(name: (typeof redisTopologies)[number]): Promise<RedisStorage> {
  return starters[name]()
}

/** What stands under a visitor's key, without moving its expiry. */
export async function storedValue({ url }: RedisStorage, visitor: Visitor): Promise<StoredValue | undefined> {
  const node = openNode(parseNodeAddress(url), { operationTimeout: 5000 })
  try {
    return await node.get(keyOf(visitor))
  } finally {
    await node.close()
  }
}
