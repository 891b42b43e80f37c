import type { Clock } from '../clock.js'
import type { NodeAddress } from './address/node-address.js'
import { createMemcachedNode } from './memcached/memcached-node.js'
import { createMemoryNode } from './memory-node.js'
import { createNearCache, type NearCacheOptions } from './near-cache/near-cache.js'
import type { ReplicaWait } from './redis/redis-durable-writes.js'
import { createRedisNode } from './redis/redis-node.js'
import type { StorageNode } from './storage-node.js'

export interface OpenNodeOptions {
  /** Milliseconds that one operation may take; a function when that may change. Default: 1000. */
  operationTimeout?: number | (() => number)
  /** Replicas that durable writes wait for, on Redis; a function when that may change. Default: none. */
  wait?: ReplicaWait | (() => ReplicaWait | undefined)
  /** What keys begin with; the node writes a key of its own beside them to find out what the server can do. Default: `holdfast:`. */
  keyPrefix?: string
  /** What is kept of Redis nodes in this process' memory. Default: nothing. */
  nearCache?: NearCacheOptions
  clock?: Clock
}

/** The storage node for an address. Nothing is connected before the first operation. */
export function openNode(address: NodeAddress, options: OpenNodeOptions = {}): StorageNode {
  const probeKey = `${options.keyPrefix ?? 'holdfast:'}probe`
  const common = { id: address.id, probeKey, ...(options.clock === undefined ? {} : { clock: options.clock }) }
  if (address.scheme === 'memory') return createMemoryNode(common)
  const operationTimeout = options.operationTimeout ?? 1000
  if (address.scheme !== 'redis') return createMemcachedNode({ ...common, address, operationTimeout })
  const wait = options.wait === undefined ? {} : { wait: options.wait }
  const node = createRedisNode({ ...common, ...wait, address, operationTimeout })
  if (options.nearCache === undefined) return node
  const timeout = typeof operationTimeout === 'function' ? operationTimeout : () => operationTimeout
  return createNearCache(node, options.nearCache, { ...common, address, operationTimeout: timeout })
}
