import { Redis } from 'ioredis'
import { afterEach, describe, expect, it } from 'vitest'
import { redisCommand } from '../../src/testing/redis-command.js'
import { startHaproxy } from '../../src/testing/start-haproxy.js'
import { startRedis } from '../../src/testing/start-redis.js'
import { startRedisPair } from '../../src/testing/start-redis-pair.js'
import { waitFor } from '../../src/testing/wait-for.js'

describe('an HAProxy under test', () => {
  const opened: { close(): Promise<unknown> }[] = []

  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.close()
  })

  async function add<T extends { close(): Promise<unknown> }>(starting: Promise<T>): Promise<T> {
    const started = await starting
    opened.push(started)
    return started
  }

  function connect(url: string): Redis {
    const client = new Redis(url, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
    client.on('error', () => {})
    opened.push({ close: async () => client.disconnect() })
    return client
  }

  it('passes connections on to the servers that take them', async () => {
    const [first, second] = [await add(startRedis()), await add(startRedis())]
    const proxy = await add(startHaproxy({ backends: [first, second] }))
    const reachedPort = async () =>
      Number(/tcp_port:(\d+)/.exec(String(await redisCommand(proxy, 'INFO', 'server')))?.[1])
    await first.kill()
    await waitFor(async () => String(await proxy.receivers()) === `${second.port}`)
    expect(await reachedPort()).toBe(second.port)
    await first.restart()
    await second.kill()
    await waitFor(async () => (await reachedPort()) === first.port)
  })

  it('sends to the master alone, through four switches', async () => {
    const pair = await add(startRedisPair())
    expect(pair.proxy.configuration).toContain('tcp-check expect string role:master')
    const client = connect(pair.url)
    for (let round = 1; round <= 4; round++) {
      const [before, after] = [pair.master, pair.replica]
      await client.set(`key${round}`, round)
      await pair.switchRoles()
      expect([pair.master, pair.replica]).toEqual([after, before])
      expect(await client.get('key1')).toBe('1')
      await client.set('written after', round)
      expect(await after.command('GET', 'written after')).toBe(`${round}`)
      await expect(before.command('SET', 'key', 'value')).rejects.toThrow(/READONLY/)
    }
  })

  it('cuts the connections to a master that is demoted', async () => {
    const pair = await add(startRedisPair())
    const client = connect(pair.url)
    await client.ping()
    const closed = new Promise((resolve) => client.once('close', resolve))
    await pair.switchRoles()
    await closed
    await client.set('key', 'value')
    expect(await pair.master.command('GET', 'key')).toBe('value')
  })

  it('gives its password to the servers, whatever is in it', async () => {
    const pair = await add(startRedisPair({ password: 'a b#c"\\$' }))
    await connect(pair.url).set('key', 'value')
    await pair.switchRoles()
    expect(await connect(pair.url).get('key')).toBe('value')
  })

  it('stops with its connections open, and goes on', async () => {
    const pair = await add(startRedisPair())
    const client = connect(pair.url)
    await client.ping()
    await pair.proxy.suspend()
    const late = client.set('key', 'value')
    expect(await pair.master.command('GET', 'key')).toBeNull()
    await pair.proxy.resume()
    expect(await late).toBe('OK')
  })
})
