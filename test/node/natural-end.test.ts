import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { startMemcachedServer } from '../../src/memcached-server/server.js'
import { openRedisSocket, type RedisSocket } from '../../src/node/redis/ioredis-client.js'
import { startMemcached } from '../../src/testing/start-memcached.js'
import { startRedis } from '../../src/testing/start-redis.js'
import { waitFor } from '../../src/testing/wait-for.js'

const program = fileURLToPath(new URL('../support/open-and-close.js', import.meta.url))
const run = promisify(execFile)

let server: { close(): Promise<void> } | undefined

afterEach(async () => {
  await server?.close()
  server = undefined
})

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

async function onRedis(): Promise<string> {
  const redis = await startRedis()
  server = redis
  return `redis://${redis.host}:${redis.port}`
}

async function onMemcached(): Promise<string> {
  const memcached = await startMemcached()
  server = memcached
  return `memcached://${memcached.host}:${memcached.port}`
}

async function onEmbedded(): Promise<string> {
  const embedded = await startMemcachedServer({ host: '127.0.0.1', port: 0 })
  server = embedded
  return `embedded://127.0.0.1:${embedded.port}`
}

const storages: [string, () => Promise<string>][] = [
  ['memory', async () => 'memory://'],
  ['memcached', onMemcached],
  ['redis', onRedis],
  ['an embedded node', onEmbedded],
]

describe.each(storages)('a process that has closed its sessions on %s', (_, start) => {
  it.each(['sticky', 'non-sticky'])('ends by itself (%s)', async (mode) => {
    const nodes = await start()
    /* Beyond the time it is killed, and this rejects. */
    const { stdout } = await run(process.execPath, [program, nodes, mode], { timeout: 60_000 })
    expect(JSON.parse(stdout)).toEqual({ unsaved: 0, handles: [], unwrittenEnds: 0, openRequests: 0 })
  })
})

it('connections to Redis that are given up leave no socket behind', async () => {
  const redis = await startRedis()
  server = redis
  const endpoint = { server: { host: redis.host, port: redis.port }, tls: undefined }
  const before = openSockets()
  for (let round = 0; round < 50; round += 1) {
    const socket = await new Promise<RedisSocket>((onReady, reject) => {
      openRedisSocket(endpoint, { onReady, onLost: (reason) => reject(new Error(reason)) }).catch(reject)
    })
    await socket.call('ping', [])
    socket.discard()
  }
  await waitFor(() => openSockets() <= before, { message: 'the sockets to close' })
})
