import { startMemcached } from './memcached.js'
import { startRedis } from './redis.js'

export { StorageError } from './storage-process.js'

/**
 * @typedef {object} Counts since the server's start
 * @property {number} items that it holds now
 * @property {number} operations commands of all kinds
 * @property {number} writes commands that stored a session
 *
 * @typedef {object} Storage
 * @property {number} port
 * @property {import('./storage-process.js').StorageProcess} process
 * @property {() => Promise<unknown>} ping
 * @property {() => Promise<Counts>} counts
 */

const starters = { redis: startRedis, memcached: startMemcached }

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
    stopList.add(() => storage.process.stop())
    await storage.process.waitUntilUp(storage.ping)
    storages.set(kind, storage)
  }
  return storages
}
