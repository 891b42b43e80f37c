import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { exchange } from '../../src/testing/exchange.js'
import { freePort } from '../../src/testing/free-port.js'
import { type RedisOptions, startRedis, type TestRedis } from '../../src/testing/start-redis.js'
import { waitFor } from '../../src/testing/wait-for.js'

describe('a Redis under test', () => {
  const opened: { close(): Promise<unknown> }[] = []

  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close()
  })

  async function start(options?: RedisOptions): Promise<TestRedis> {
    const server = await startRedis(options)
    opened.push(server)
    return server
  }

  function connect(url: string): Redis {
    const client = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
    client.on('error', () => {})
    opened.push({ close: async () => client.disconnect() })
    return client
  }

  it('answers on its port until it is closed', async () => {
    const server = await startRedis()
    expect(await exchange(server, 'PING', (answer) => answer.endsWith('\r\n'))).toBe('+PONG\r\n')
    await server.close()
    await expect(exchange(server, 'PING', () => true)).rejects.toThrow(/ECONNREFUSED/)
  })

  it('takes the port and the configuration lines that it is given, and keeps them over a restart', async () => {
    const port = await freePort()
    const server = await start({ port, args: ['--maxmemory', '12mb'] })
    await server.command('SET', 'key', 'value')
    await server.restart()
    expect(server.url).toBe(`redis://127.0.0.1:${port}`)
    expect(await connect(server.url).config('GET', 'maxmemory')).toEqual(['maxmemory', `${12 * 1024 ** 2}`])
    expect(await server.command('GET', 'key')).toBeNull()
  })

  it('asks for its password', async () => {
    const server = await start({ password: 'p@ss w/rd' })
    expect(await connect(server.url).ping()).toBe('PONG')
    const stranger = connect(`redis://${server.host}:${server.port}`)
    await expect(stranger.get('key')).rejects.toThrow(/NOAUTH/)
  })

  it('reports what the server refuses', async () => {
    const server = await start()
    await expect(server.command('GET')).rejects.toThrow(/wrong number of arguments/)
  })

  it('gets what its master gets, and refuses writes', async () => {
    const master = await start({ password: 'secret' })
    await master.command('SET', 'before', 'value')
    const replica = await start({ replicaOf: master, password: 'other' })
    const [atMaster, atReplica] = [connect(master.url), connect(replica.url)]
    expect(await atReplica.get('before')).toBe('value')
    await atMaster.set('after', 'value')
    await waitFor(async () => (await atReplica.get('after')) === 'value')
    await expect(atReplica.set('key', 'value')).rejects.toThrow(/READONLY/)
  })
})
