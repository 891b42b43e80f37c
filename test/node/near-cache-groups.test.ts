import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import type { StorageNode, StoredValue } from '../../src/node/storage-node.js'
import { startRedisCluster, startRedisSentinel, type TestRedis, waitFor } from '../../src/testing/index.js'

const patience = { timeout: 40_000 }
const hour = 3_600_000

let running: { close(): Promise<unknown> }[] = []

beforeEach(() => {
  running = []
})

afterEach(async () => {
  for (const each of running.reverse()) await each.close()
})

function open(url: string, keyPrefix = 'h:'): StorageNode {
  const limits = { maxBytes: 1_000_000, maxAge: hour }
  const nearCache = { limits: () => limits, keyPrefix }
  const node = openNode(parseNodeAddress(url), { operationTimeout: 5000, nearCache })
  running.push(node)
  return node
}

const renewal = () => ({ to: Date.now() + hour, slack: hour / 10 })

function peek(node: StorageNode, key: string): StoredValue | undefined {
  const answer = node.getCached?.(key, renewal())
  if (!(answer instanceof Promise)) return answer
  answer.catch(() => {})
  return undefined
}

async function read(node: StorageNode, key: string): Promise<string | undefined> {
  return (await node.getCached?.(key, renewal()))?.bytes.toString()
}

async function cached(node: StorageNode, key: string): Promise<string> {
  const look = async () => peek(node, key) ?? ((await node.getCached?.(key, renewal())) && undefined)
  return (await waitFor(look, { ...patience, message: `${key} in memory` })).bytes.toString()
}

/** Again until it is stored: the group may be electing a master. */
async function store(node: StorageNode, key: string, value: string): Promise<void> {
  const put = () => node.put(key, Buffer.from(value), Date.now() + hour, 'any')
  await waitFor(async () => (await put()).stored, patience)
}

const entries = (node: StorageNode): number => node.cacheFigures?.()?.entries ?? -1

async function readsAt(servers: readonly TestRedis[]): Promise<number> {
  const infos = await Promise.all(servers.map((server) => server.command('INFO', 'commandstats')))
  const calls = [...infos.join('\n').matchAll(/^cmdstat_(?:getex|evalsha|eval):calls=(\d+)/gm)]
  return calls.reduce((sum, [, count]) => sum + Number(count), 0)
}

describe('the near cache on a Sentinel group', () => {
  it.each(['kill', 'suspend'] as const)(
    'is emptied when the master is lost (%s), and follows the new one',
    async (how) => {
      const group = await startRedisSentinel({ downAfter: 1500 })
      running.push(group)
      const [node, other] = [open(group.url), open(group.url)]
      await store(node, 'h:a', 'value')
      await cached(node, 'h:a')
      await store(other, 'h:a', 'changed')
      await waitFor(async () => (await read(node, 'h:a')) === 'changed', patience)
      await cached(node, 'h:a')
      const old = await group.currentMaster()
      await old[how]()
      await waitFor(() => entries(node) === 0, patience)
      await group.waitForFailover(old)
      await store(other, 'h:a', 'at the new master')
      await waitFor(async () => (await read(node, 'h:a').catch(() => '')) === 'at the new master', patience)
      await cached(node, 'h:a')
      await store(other, 'h:a', 'changed there')
      await waitFor(async () => (await read(node, 'h:a')) === 'changed there', patience)
      if (how === 'suspend') await old.resume()
    },
  )

  it('is emptied by a failover while the old master is well', async () => {
    const group = await startRedisSentinel()
    running.push(group)
    const [node, other] = [open(group.url), open(group.url)]
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await group.failover()
    await waitFor(() => entries(node) === 0, patience)
    await store(other, 'h:a', 'new')
    await waitFor(async () => (await read(node, 'h:a').catch(() => '')) === 'new', patience)
    expect(await cached(node, 'h:a')).toBe('new')
  })
})

describe('the near cache on a cluster', () => {
  it('has news from every master, whatever the prefix of the keys', async () => {
    const cluster = await startRedisCluster({ replicasPerMaster: 0 })
    running.push(cluster)
    for (const prefix of ['h:', 'app-', 'app:x', '', '{tag}']) {
      const [node, other] = [open(cluster.url, prefix), open(cluster.url, prefix)]
      const keys = Array.from({ length: 12 }, (_, number) => `${prefix}key${number}`)
      for (const key of keys) {
        await store(other, key, 'value')
        await cached(node, key)
      }
      const before = await readsAt(cluster.nodes)
      for (const key of keys) expect(await read(node, key)).toBe('value')
      expect(await readsAt(cluster.nodes)).toBe(before)
      for (const key of keys) await store(other, key, 'changed')
      for (const key of keys) await waitFor(async () => (await read(node, key)) === 'changed', patience)
    }
  })

  it('is emptied when one master is lost, and follows the replica in its place', async () => {
    const cluster = await startRedisCluster()
    running.push(cluster)
    const [node, other] = [open(cluster.url), open(cluster.url)]
    await store(node, 'h:a', 'value')
    await cached(node, 'h:a')
    await cluster.killMasterOf('h:{a}')
    await waitFor(() => entries(node) === 0, patience)
    await store(other, 'h:a', 'new')
    await waitFor(async () => (await read(node, 'h:a').catch(() => '')) === 'new', patience)
    await cached(node, 'h:a')
    await store(other, 'h:a', 'newer')
    await waitFor(async () => (await read(node, 'h:a')) === 'newer', patience)
  })
})
