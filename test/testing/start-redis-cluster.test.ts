import { Cluster } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { RedisClusterGroup } from '../../src/testing/redis-cluster-group.js'
import { startRedisCluster } from '../../src/testing/start-redis-cluster.js'
import { waitFor } from '../../src/testing/wait-for.js'

describe('a Redis Cluster under test', () => {
  let cluster: RedisClusterGroup
  let client: Cluster

  beforeEach(async () => {
    cluster = await startRedisCluster()
    client = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })))
    client.on('error', () => {})
  })

  afterEach(async () => {
    client.disconnect()
    await cluster.close()
  })

  const keys = Array.from({ length: 60 }, (_, number) => `key${number}`)

  it('has three masters with a replica each, and spreads keys over them', async () => {
    expect(cluster.nodes).toHaveLength(6)
    expect(cluster.url).toMatch(/^redis\+cluster:\/\/(127\.0\.0\.1:\d+,){5}127\.0\.0\.1:\d+$/)
    for (const key of keys) await client.set(key, key)
    const masters = new Set(await Promise.all(keys.map((key) => cluster.masterOf(key))))
    expect(masters.size).toBe(3)
    for (const master of masters) expect(Number(await master.command('DBSIZE'))).toBeGreaterThan(0)
    for (const key of keys) expect(await (await cluster.masterOf(key)).command('GET', key)).toBe(key)
  })

  it('answers MOVED on the wrong master, and keeps keys with the same tag together', async () => {
    const right = await cluster.masterOf('{tag}a')
    expect(await cluster.masterOf('{tag}b')).toBe(right)
    const wrong = cluster.shards.map(({ nodes: [master] }) => master).find((master) => master !== right)
    await expect(wrong?.command('GET', '{tag}a')).rejects.toThrow(`MOVED`)
  })

  it('promotes the replica of a killed master, and takes it back as a replica', async () => {
    await client.set('key', 'value')
    const before = await cluster.masterOf('key')
    await waitFor(async () => (await before.command('WAIT', 1, 500)) === 1)
    const after = await cluster.killMasterOf('key')
    expect(after).not.toBe(before)
    expect(await cluster.masterOf('key')).toBe(after)
    expect(await waitFor(() => client.get('key'), { timeout: 20_000 })).toBe('value')
    await before.restart()
    await waitFor(async () => String(await before.command('ROLE')).startsWith('slave'), { timeout: 20_000 })
    expect(await cluster.masterOf('key')).toBe(after)
  })

  it('promotes the replica of a master that stands still', async () => {
    const before = await cluster.masterOf('key')
    await before.suspend()
    const after = await cluster.waitForPromotion(before)
    expect(after).not.toBe(before)
    await before.resume()
    await waitFor(async () => String(await before.command('ROLE')).startsWith('slave'), { timeout: 20_000 })
  })
})
