import { tmpdir } from 'node:os'
import { pairOf } from './storage-pair.js'
import { freePort, StorageProcess } from './storage-process.js'
import { textQuery } from './text-query.js'

/** Keeps everything in memory: no files, no forks for snapshots. */
const SETTINGS = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', tmpdir()]

/** @returns {import('./storage.js').Storage} */
export async function startRedis() {
  const port = await freePort()
  return {
    ports: [port],
    processes: [new StorageProcess('redis-server', ['--port', String(port), ...SETTINGS], port)],
    ping: () => textQuery(port, 'PING\r\n', /\r\n$/),
    counts: () => redisCounts(port),
  }
}

/** Two servers, each of which is to have every session. @returns {import('./storage.js').Storage} */
export async function startRedisPair() {
  return pairOf(await startRedis(), await startRedis())
}

/** https://redis.io/docs/latest/commands/info/ @param {number} port */
async function redisCounts(port) {
  const items = await textQuery(port, 'DBSIZE\r\n', /\r\n$/)
  const info = await textQuery(port, 'INFO all\r\n', /\r\n\r\n$/)
  return {
    items: Number(items.slice(1)),
    operations: Number(/^total_commands_processed:(\d+)/m.exec(info)?.[1] ?? 0),
    writes: Number(/^cmdstat_set:calls=(\d+)/m.exec(info)?.[1] ?? 0),
  }
}
