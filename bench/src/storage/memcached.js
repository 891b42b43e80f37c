import { pairOf } from './storage-pair.js'
import { freePort, StorageProcess } from './storage-process.js'
import { textQuery } from './text-query.js'

/** Megabytes at most: enough that nothing is evicted. */
const MEMORY = '4096'

/** @returns {import('./storage.js').Storage} */
export async function startMemcached() {
  const port = await freePort()
  const args = ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-m', MEMORY, ...asUser()]
  return {
    ports: [port],
    processes: [new StorageProcess('memcached', args, port)],
    ping: () => textQuery(port, 'version\r\n', /\r\n$/),
    counts: () => memcachedCounts(port),
  }
}

/** Two servers, each of which is to have every session. @returns {import('./storage.js').Storage} */
export async function startMemcachedPair() {
  return pairOf(await startMemcached(), await startMemcached())
}

/** memcached refuses to run as root unless it is told a user. */
function asUser() {
  return process.getuid?.() === 0 ? ['-u', 'root'] : []
}

/** https://github.com/memcached/memcached/blob/master/doc/protocol.txt, "stats" @param {number} port */
async function memcachedCounts(port) {
  const stats = await textQuery(port, 'stats\r\n', /END\r\n$/)
  const count = (name) => Number(new RegExp(`^STAT ${name} (\\d+)`, 'm').exec(stats)?.[1] ?? 0)
  const writes = count('cmd_set')
  const deletes = count('delete_hits') + count('delete_misses')
  return { items: count('curr_items'), operations: count('cmd_get') + count('cmd_touch') + writes + deletes, writes }
}
