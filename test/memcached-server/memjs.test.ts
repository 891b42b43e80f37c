import { createRequire } from 'node:module'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type MemcachedServer, startMemcachedServer } from '../../src/memcached-server/server.js'
import { ManualClock } from './manual-clock.js'

/** The calls of memjs that are made here. */
interface MemjsClient {
  get(key: string): Promise<{ value: Buffer | null; flags: Buffer | null }>
  set(key: string, value: string | Buffer, options?: { expires?: number }): Promise<boolean>
  add(key: string, value: string, options?: { expires?: number }): Promise<boolean>
  replace(key: string, value: string, options?: { expires?: number }): Promise<boolean>
  delete(key: string): Promise<boolean>
  touch(key: string, expires: number): Promise<boolean>
  append(key: string, value: string): Promise<boolean>
  increment(key: string, amount: number, options?: { initial?: number }): Promise<{ success: boolean; value: number }>
  decrement(key: string, amount: number, options?: { initial?: number }): Promise<{ success: boolean; value: number }>
  flush(): Promise<Record<string, boolean>>
  stats(callback: (error: Error | null, server: string, stats: Record<string, string> | null) => void): void
  resetStats(callback: (error: Error | null) => void): void
  quit(): void
  close(): void
}

const memjs = createRequire(import.meta.url)('memjs') as {
  Client: { create(servers: string, options?: object): MemjsClient }
}

describe('memcached server with memjs', () => {
  const clock = new ManualClock(Date.now())
  let server: MemcachedServer
  let client: MemjsClient

  beforeEach(async () => {
    server = await startMemcachedServer({ clock })
    client = memjs.Client.create(`127.0.0.1:${server.port}`, { retries: 1, timeout: 5, logger: { log() {} } })
  })

  afterEach(async () => {
    client.close()
    await server.close()
  })

  it('stores and reads values of any bytes and size', async () => {
    for (const value of [Buffer.alloc(0), Buffer.from([0, 255, 128, 10, 13]), Buffer.alloc(1_000_000, 'ab')]) {
      expect(await client.set('key', value)).toBe(true)
      expect((await client.get('key')).value?.equals(value)).toBe(true)
    }
    expect((await client.get('absent')).value).toBeNull()
    await client.set('schlüssel', 'wert')
    expect((await client.get('schlüssel')).value?.toString()).toBe('wert')
  })

  it('adds only what is absent and replaces only what is there', async () => {
    expect(await client.replace('key', 'a')).toBe(false)
    expect(await client.add('key', 'b')).toBe(true)
    expect(await client.add('key', 'c')).toBe(false)
    expect(await client.replace('key', 'd')).toBe(true)
    expect((await client.get('key')).value?.toString()).toBe('d')
  })

  it('deletes, and says whether there was something', async () => {
    await client.set('key', 'value')
    expect(await client.delete('key')).toBe(true)
    expect(await client.delete('key')).toBe(false)
  })

  it('lets values expire and moves their expiry', async () => {
    await client.set('short', 'v', { expires: 5 })
    await client.set('touched', 'v', { expires: 5 })
    expect(await client.touch('touched', 100)).toBe(true)
    expect(await client.touch('absent', 100)).toBe(false)
    clock.advance(5000)
    expect((await client.get('short')).value).toBeNull()
    expect((await client.get('touched')).value?.toString()).toBe('v')
  })

  it('counts up and down', async () => {
    expect(await client.increment('n', 5, { initial: 10 })).toEqual({ success: true, value: 10 })
    expect(await client.increment('n', 5)).toEqual({ success: true, value: 15 })
    expect(await client.decrement('n', 20, {})).toEqual({ success: true, value: 0 })
  })

  it('appends to what is there', async () => {
    await client.set('key', 'a')
    expect(await client.append('key', 'b')).toBe(true)
    expect((await client.get('key')).value?.toString()).toBe('ab')
  })

  it('answers a too large value with an error and the next request as usual', async () => {
    await client.set('key', 'old')
    await expect(client.set('key', Buffer.alloc(2 * 1024 * 1024))).rejects.toThrow('Value too large')
    expect((await client.get('key')).value).toBeNull()
    expect(await client.set('key', 'new')).toBe(true)
  })

  it('answers many requests at once, each with its own value', async () => {
    const numbers = Array.from({ length: 500 }, (_, i) => i)
    await Promise.all(numbers.map((i) => client.set(`key${i}`, `value${i}`.repeat(i))))
    const values = await Promise.all(numbers.map((i) => client.get(`key${i}`)))
    expect(values.map(({ value }) => value?.toString())).toEqual(numbers.map((i) => `value${i}`.repeat(i)))
  })

  it('flushes, and reports and resets its statistics', async () => {
    await client.set('key', 'value')
    await client.get('key')
    const stats = await new Promise<Record<string, string> | null>((resolve, reject) => {
      client.stats((error, _server, result) => (error ? reject(error) : resolve(result)))
    })
    expect(stats).toMatchObject({
      curr_items: '1',
      cmd_get: '1',
      cmd_set: '1',
      get_hits: '1',
      pid: String(process.pid),
    })
    await new Promise<void>((resolve, reject) => client.resetStats((error) => (error ? reject(error) : resolve())))
    expect(server.stats()).toMatchObject({ curr_items: 1, cmd_get: 0 })
    await client.flush()
    expect(server.stats().curr_items).toBe(0)
  })

  it('does not stand in the way of a client that is set up with credentials', async () => {
    const options = { username: 'user', password: 'secret', retries: 1, timeout: 5 }
    const authenticating = memjs.Client.create(`127.0.0.1:${server.port}`, options)
    expect(await authenticating.set('key', 'value')).toBe(true)
    authenticating.close()
  })
})
