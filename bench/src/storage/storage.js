import { startMemcached, startMemcachedPair } from './memcached.js'
import { startRedis, startRedisPair } from './redis.js'

export { StorageError } from './storage-process.js'

/**
 * @typedef {object} Counts since the server's start
 * @property {number} items that it holds now
 * @property {number} operations commands of all kinds
 * @property {number} writes commands that stored a session
 *
 * @typedef {object} Storage
 * @property {number[]} ports
 * @property {import('./storage-process.js').StorageProcess[]} processes
 * @property {() => Promise<unknown>} ping
 * @property {() => Promise<Counts>} counts
 */

const starters = {
  redis: startRedis,
  'redis-pair': startRedisPair,
  memcached: startMemcached,
  'memcached-pair': startMemcachedPair,
}

/**
 * Starts the storage servers that the subjects need.
 *
 * @param {import('./../subjects.js').Subject[]} subjects
 * @param {import('../stop-list.js').StopList} stopList
 * @returns {Promise<Map<string, Storage>>}
 */
export async function startStorages(subjects, stopList) {
  const storages = new Map()
  for (const kind of new Set(subjects.flatMap(({ storage }) => storage ?? []))) {
    const storage = await starters[kind]()
    for (const process of storage.processes) stopList.add(() => process.stop())
    await Promise.all(storage.processes.map((process) => process.waitUntilUp(storage.ping)))
    storages.set(kind, storage)
  }
  return storages
}
