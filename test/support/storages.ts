import { createMemcachedNode } from '../../src/node/memcached-node.js'
import { parseNodeAddress } from '../../src/node/node-address.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { startMemcached, type TestServer } from '../../src/testing/index.js'

/** A kind of storage that the promises are tested on: `describe.each(storages)('… (%s)', …)`. */
export type StorageKind = 'memcached'

export interface Place {
  host: string
  port: number
}

/** A real storage node under test. */
export interface TestStorage extends TestServer {
  /** Operations on keys so far: reads, writes, touches, removals. */
  storageOperations(): Promise<number>
  /** Removes everything. */
  flushAll(): Promise<void>
}

/** What the tests have to know of a kind of storage. */
interface Storage {
  start(): Promise<TestStorage>
  /** How a node is named in the configuration. */
  url(place: Place): string
  /** A client of the tests' own. To be closed. */
  open(place: Place): StorageNode
  /** What its clock adds to the life of a value, in milliseconds. */
  expiryGranularity: number
}

export const storage: Record<StorageKind, Storage> = {
  memcached: {
    start: startMemcached,
    url: ({ host, port }) => `memcached://${host}:${port}`,
    open: (place) => {
      const address = parseNodeAddress(storage.memcached.url(place))
      return createMemcachedNode({ id: undefined, address, operationTimeout: 2000 })
    },
    /* It counts whole seconds, and its own clock ticks once a second. */
    expiryGranularity: 2000,
  },
}

/** Every kind of storage. */
export const storages = Object.keys(storage) as StorageKind[]
