import { expect, it } from 'vitest'
import { exchange } from '../../src/testing/exchange.js'
import { startRedis } from '../../src/testing/start-redis.js'

it('a Redis under test answers on its port until it is closed', async () => {
  const server = await startRedis()
  expect(await exchange(server, 'PING', (answer) => answer.endsWith('\r\n'))).toBe('+PONG\r\n')
  await server.close()
  await expect(exchange(server, 'PING', () => true)).rejects.toThrow(/ECONNREFUSED/)
})
