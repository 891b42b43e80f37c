import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { NodeUnreachableError } from '../../src/errors.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import type { RedisAddress } from '../../src/node/redis/redis-address.js'
import { createRedisNode } from '../../src/node/redis/redis-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import {
  freePort,
  type SentinelGroup,
  startRedisSentinel,
  storageNodeConformance,
  waitFor,
} from '../../src/testing/index.js'

const later = (): number => Date.now() + 600_000

/** A write that both servers have, so that it has to survive. */
async function storeOnReplica(node: StorageNode): Promise<void> {
  await waitFor(
    async () => {
      const result = await node.put('key', Buffer.from('value'), later(), 'any', { durable: true })
      return result.stored && result.shortfall === undefined
    },
    { timeout: 20_000 },
  )
}

let group: SentinelGroup
let node: StorageNode | undefined

beforeAll(async () => {
  group = await startRedisSentinel()
})

afterAll(() => group?.close())

describe('the Redis node on a Sentinel group', () => {
  const open = (sentinels = group.sentinels.map(({ host, port }) => `${host}:${port}`), operationTimeout = 2000) => {
    const address = parseNodeAddress(`redis+sentinel://${sentinels.join(',')}/${group.name}`) as RedisAddress
    return createRedisNode({ id: undefined, address, operationTimeout, wait: { replicas: 1, timeout: 900 } })
  }

  afterEach(async () => {
    await node?.close()
  })

  storageNodeConformance(
    'a Sentinel group',
    {
      fences: 'content',
      async open() {
        await (await group.currentMaster()).command('FLUSHALL')
        return { node: open(undefined, 10_000), close: async () => {} }
      },
    },
    { describe, it },
  )

  it('asks the next Sentinel when one is dead or hangs', async () => {
    const [first, second] = group.sentinels.map(({ host, port }) => `${host}:${port}`)
    const printed = vi.spyOn(console, 'error')
    node = open([`127.0.0.1:${await freePort()}`, first as string], 8000)
    await node.ping()
    await node.close()
    await group.sentinels[0]?.suspend()
    node = open([first as string, second as string], 8000)
    await node.ping()
    await group.sentinels[0]?.resume()
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })

  it('is unreachable when no Sentinel answers, within its time-out', async () => {
    node = open([`127.0.0.1:${await freePort()}`], 500)
    await expect(node.get('key')).rejects.toThrow(NodeUnreachableError)
  })

  it.each(['suspend', 'kill'] as const)('follows the failover when the master is stopped with %s', async (how) => {
    /* A group of its own: after one failover Sentinel takes its time before it is ready for the next. */
    await group.close()
    group = await startRedisSentinel()
    const printed = vi.spyOn(console, 'error')
    const other = open()
    node = other
    const old = await group.currentMaster()
    await waitFor(async () => (await old.command('WAIT', 2, 100)) === 2, { timeout: 20_000 })
    await storeOnReplica(node)
    const process = node.incarnation
    await old[how]()
    await waitFor(async () => (await other.get('key').catch(() => undefined))?.bytes.toString() === 'value', {
      timeout: 30_000,
    })
    await waitFor(async () => (await group.currentMaster().catch(() => old)) !== old, { timeout: 20_000 })
    expect(node.incarnation).not.toBe(process)
    expect(await node.put('key', Buffer.from('new'), later(), 'any')).toMatchObject({ stored: true })
    if (how === 'suspend') await old.resume()
    else await old.restart()
    await group.settled()
    expect((await node.get('key'))?.bytes.toString()).toBe('new')
    expect(printed).not.toHaveBeenCalled()
    printed.mockRestore()
  })
})
