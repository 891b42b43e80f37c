import type { Clock } from '../clock.js'
import type { NodeAddress } from './address/node-address.js'
import { defaultMaxValueBytes, largestValueBytes } from './item-size.js'
import { ItemLimit } from './memcached/item-limit.js'
import { createMemcachedNode } from './memcached/memcached-node.js'
import { createMemoryNode } from './memory-node.js'
import { createNearCache, type NearCacheOptions } from './near-cache/near-cache.js'
import { storeInParts } from './parts/node-in-parts.js'
import type { RedisAddress } from './redis/redis-address.js'
import type { ReplicaWait } from './redis/redis-durable-writes.js'
import { createRedisNode, type RedisStorageNode } from './redis/redis-node.js'
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

/**
 * The storage node for an address; values above 1 MiB go over connections of their own, in parts where the server's items are smaller. Nothing is connected before the first operation.
 */
export function openNode(address: NodeAddress, options: OpenNodeOptions = {}): StorageNode {
  const probeKey = `${options.keyPrefix ?? 'holdfast:'}probe`
  const partsPrefix = `${options.keyPrefix ?? 'holdfast:'}part:`
  const common = { id: address.id, probeKey, ...(options.clock === undefined ? {} : { clock: options.clock }) }
  if (address.scheme === 'memory') return createMemoryNode(common)
  const operationTimeout = options.operationTimeout ?? 1000
  if (address.scheme !== 'redis') {
    const open = () => createMemcachedNode({ ...common, address, operationTimeout })
    const node = open()
    const limit = new ItemLimit(node)
    return storeInParts(node, { partsNode: open(), partsPrefix, pieceBytes: (bytes) => limit.pieceBytes(bytes) })
  }
  const wait = options.wait === undefined ? {} : { wait: options.wait }
  const open = () => createRedisNode({ ...common, ...wait, address, operationTimeout })
  const node = openNear(open(), address, options)
  const parts = { pieceBytes: () => defaultMaxValueBytes, partBytes: largestValueBytes }
  return storeInParts(node, { partsNode: open(), partsPrefix, ...parts })
}

function openNear(node: RedisStorageNode, address: RedisAddress, options: OpenNodeOptions): StorageNode {
  if (options.nearCache === undefined) return node
  const { operationTimeout = 1000, clock } = options
  const timeout = typeof operationTimeout === 'function' ? operationTimeout : () => operationTimeout
  const context = { address, operationTimeout: timeout, ...(clock === undefined ? {} : { clock }) }
  return createNearCache(node, options.nearCache, context)
}
