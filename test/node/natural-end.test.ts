import { afterEach, it } from 'vitest'
import { openRedisSocket, type RedisSocket } from '../../src/node/ioredis-client.js'
import { startRedis } from '../../src/testing/start-redis.js'
import type { TestServer } from '../../src/testing/start-server.js'
import { waitFor } from '../../src/testing/wait-for.js'

let redis: TestServer | undefined

afterEach(() => redis?.close())

function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
}

it('leaves no socket behind when connections to Redis are given up', async () => {
  redis = await startRedis()
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
