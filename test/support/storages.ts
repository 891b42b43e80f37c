import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import type { Mode } from '../../src/config/settings.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import { deleteScript, persistScript, putScript } from '../../src/node/redis/redis-scripts.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { exchange } from '../../src/testing/exchange.js'
import { redisCommand, startMemcached, startRedis, type TestServer } from '../../src/testing/index.js'
import { patience } from './patience.js'
import { type TroubledWay, troubledMemcached, troubledRedis } from './troubled-way.js'

/** A kind of storage that the promises are tested on: `describe.each(storages)('… (%s)', …)`. */
export type StorageKind = 'memcached' | 'redis'

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
  /** Options for servers in processes of their own. */
  inProcesses?: Partial<HoldfastOptions>
  /** Something in front of a node that makes trouble on request. */
  trouble(place: Place): Promise<TroubledWay>
  /** Seconds until the value expires. */
  secondsToLive(place: Place, key: string): Promise<number>
  /** What its clock adds to the life of a value, in milliseconds. */
  expiryGranularity: number
}

/** Of memcached, for a run by that one only: `binary` or `meta`. As in production, it is found out unless it is said. */
const protocol = process.env.MEMCACHED_PROTOCOL
const memcachedQuery = protocol === undefined ? '' : `?protocol=${protocol}`

export const storage: Record<StorageKind, Storage> = {
  memcached: {
    start: startMemcached,
    url: ({ host, port }) => `memcached://${host}:${port}${memcachedQuery}`,
    open: (place) => openNode(parseNodeAddress(storage.memcached.url(place)), { operationTimeout: patience }),
    trouble: troubledMemcached,
    secondsToLive: async (place, key) => {
      const answer = await exchange(place, `mg ${key} t`, (text) => text.endsWith('\r\n'))
      return Number(/ t(-?\d+)/.exec(answer)?.[1])
    },
    /* It counts whole seconds, and its own clock ticks once a second. */
    expiryGranularity: 2000,
  },
  redis: {
    start: startCountingRedis,
    url: ({ host, port }) => `redis://${host}:${port}`,
    open: (place) => openNode(parseNodeAddress(storage.redis.url(place)), { operationTimeout: patience }),
    /* The first operation loads ioredis, which takes its time on a busy machine. */
    inProcesses: { operationTimeout: '2s' },
    trouble: troubledRedis,
    secondsToLive: async (place, key) => Number(await redisCommand(place, 'TTL', key)),
    /* Times are rounded up to whole milliseconds. */
    expiryGranularity: 10,
  },
}

/** Every kind of storage. */
export const storages = Object.keys(storage) as StorageKind[]

/** For promises of every mode on every kind of storage: `describe.each(modesAndStorages)('… %s on %s', …)`. */
export const modesAndStorages = storages.flatMap((kind) =>
  (['sticky', 'non-sticky'] satisfies Mode[]).map((mode) => [mode, kind] as const),
)

const onKeys = new Set(['GETEX', 'SET', 'PEXPIRE', 'DEL', 'EVALSHA', 'EVAL'])

/** A Redis that logs every command, so that they can be counted: a script is one, whatever it does. */
async function startCountingRedis(): Promise<TestStorage> {
  const redis = await startRedis({ args: ['--slowlog-log-slower-than', '0', '--slowlog-max-len', '1000000'] })
  /* Otherwise the first use of each counts twice. */
  for (const { text } of [putScript, deleteScript, persistScript]) await redis.command('SCRIPT', 'LOAD', text)
  return Object.assign(redis, {
    async storageOperations() {
      const log = (await redis.command('SLOWLOG', 'GET', -1)) as [number, number, number, string[]][]
      return log.filter(([, , , [name = '']]) => onKeys.has(name.toUpperCase())).length
    },
    async flushAll() {
      await redis.command('FLUSHALL')
    },
  })
}
