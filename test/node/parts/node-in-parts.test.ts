import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeRefusedError } from '../../../src/errors.js'
import { startMemcachedServer } from '../../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import { createMemoryNode } from '../../../src/node/memory-node.js'
import { storeInParts } from '../../../src/node/parts/node-in-parts.js'
import { cutIntoParts } from '../../../src/node/parts/parts-head.js'
import { createRedisNode } from '../../../src/node/redis/redis-node.js'
import type { Fence, PutResult, StorageNode } from '../../../src/node/storage-node.js'
import { storageNodeConformance } from '../../../src/testing/conformance/storage-node.js'
import { createManualClock } from '../../../src/testing/manual-clock.js'
import { startMemcached, type TestMemcached } from '../../../src/testing/start-memcached.js'
import { startRedis, type TestRedis } from '../../../src/testing/start-redis.js'
import { waitFor } from '../../../src/testing/wait-for.js'

let memcached: TestMemcached
let redis: TestRedis

beforeAll(async () => {
  memcached = await startMemcached({ memoryMb: 256 })
  redis = await startRedis()
})

afterAll(async () => {
  await memcached.close()
  await redis.close()
})

const operationTimeout = 20_000
const partsPrefix = 'part:'
const later = (): number => Date.now() + 600_000
/** So that every value is stored in parts, the empty one with none. */
const everything = { partsPrefix, pieceBytes: () => -1, partBytes: 20_000 }
const large = { partsPrefix, pieceBytes: () => 40_000 }

for (const protocol of ['binary', 'meta']) {
  storageNodeConformance(
    `memcached in parts, ${protocol} protocol`,
    {
      async open() {
        await memcached.flushAll()
        const address = parseNodeAddress(`memcached://${memcached.host}:${memcached.port}?protocol=${protocol}`)
        const open = () => createMemcachedNode({ id: 'n1', address, operationTimeout })
        return { node: storeInParts(open(), { ...everything, partsNode: open() }), close: async () => {} }
      },
    },
    { describe, it },
  )

  for (const [which, options] of [
    ['everything', everything],
    ['large values', large],
  ] as const) {
    storageNodeConformance(
      `embedded, ${which} in parts, ${protocol} protocol`,
      {
        async open() {
          const clock = createManualClock()
          const server = await startMemcachedServer({ clock })
          const address = parseNodeAddress(`embedded://${server.host}:${server.port}?protocol=${protocol}`)
          const open = () => createMemcachedNode({ id: 'n1', address, operationTimeout, clock })
          const node = storeInParts(open(), { ...options, partsNode: open() })
          return { node, advance: clock.advance, close: () => server.close() }
        },
      },
      { describe, it },
    )
  }
}

storageNodeConformance(
  'Redis in parts',
  {
    async open() {
      await redis.command('FLUSHALL')
      return { node: openRedisInParts(), close: async () => {} }
    },
  },
  { describe, it },
)

function openRedisInParts(change: Partial<typeof everything> = {}): StorageNode {
  const address = parseNodeAddress(redis.url)
  if (address.scheme !== 'redis') throw new TypeError('no Redis')
  const open = () => createRedisNode({ id: 'n1', address, operationTimeout })
  return storeInParts(open(), { ...everything, partsNode: open(), ...change })
}

/** Both ends in this process: what is on the server can be looked at, and held back. */
function inMemory(hooks: { partsNode?: (node: StorageNode) => StorageNode } = {}) {
  const server = createMemoryNode({ id: 'n1' })
  const partsNode = hooks.partsNode?.(server) ?? server
  const node = storeInParts(server, { partsPrefix, pieceBytes: () => 100, partsNode })
  const partsOf = async (key: string) => {
    const head = (await server.get(key))?.bytes as Buffer
    const names: string[] = []
    for (let at = 20; at < head.length; at += 16) {
      const name = Buffer.concat([head.subarray(12, 20), head.subarray(at, at + 16)])
      names.push(partsPrefix + name.toString('base64url'))
    }
    return names
  }
  const areThere = async (names: string[]) => (await Promise.all(names.map((name) => server.get(name)))).map(Boolean)
  return { server, node, partsOf, areThere }
}

const bytes = (length: number) => randomBytes(length)
const none = [false, false, false]
const all = [true, true, true]

async function put(node: StorageNode, key: string, value: Buffer): Promise<Fence> {
  return tokenOf(await node.put(key, value, later(), 'any'))
}

function tokenOf(result: PutResult): Fence {
  if (!result.stored) throw new Error('refused')
  return result.fence
}

describe('a value in parts', () => {
  it('is read back whatever its size, and whatever it begins with', async () => {
    const { node } = inMemory()
    const sizes = fc.oneof(fc.integer({ min: 0, max: 700 }), fc.constantFrom(99, 100, 101, 199, 200, 201, 300))
    const beginnings = fc.constantFrom(
      Buffer.alloc(0),
      cutIntoParts(bytes(250), 100).bytes,
      Buffer.from('HF\xffP', 'latin1'),
    )
    await fc.assert(
      fc.asyncProperty(sizes, sizes, beginnings, async (size, other, beginning) => {
        const [first, second] = [Buffer.concat([beginning, bytes(size)]), Buffer.concat([beginning, bytes(other)])]
        const fence = await put(node, 'key', first)
        expect((await node.get('key'))?.bytes).toEqual(first)
        const next = tokenOf(await node.put('key', second, later(), fence))
        expect(await node.put('key', first, later(), fence)).toEqual({ stored: false })
        expect((await node.get('key', later()))?.bytes).toEqual(second)
        expect(await node.touch('key', later())).toBe(true)
        expect(await node.delete('key', next)).toBe('deleted')
        expect(await node.get('key')).toBeUndefined()
      }),
    )
  })

  it('leaves nothing of the one before it behind, nor of one that was refused', async () => {
    const { node, partsOf, areThere } = inMemory()
    const fence = await put(node, 'key', bytes(250))
    const first = await partsOf('key')
    const second = tokenOf(await node.put('key', bytes(250), later(), fence))
    expect(await areThere(first)).toEqual(none)
    expect(await areThere(await partsOf('key'))).toEqual(all)
    expect(await node.put('key', bytes(250), later(), fence)).toEqual({ stored: false })
    expect(await areThere(await partsOf('key'))).toEqual(all)
    const last = await partsOf('key')
    await node.put('key', bytes(10), later(), second)
    expect(await areThere(last)).toEqual(none)
  })

  it('leaves nothing behind when it is removed, or replaced without having been read', async () => {
    const { node, partsOf, areThere } = inMemory()
    for (const replace of [
      () => node.put('key', bytes(10), later(), 'any'),
      () => node.put('key', bytes(250), later(), 'any'),
      () => node.delete('key'),
    ]) {
      await put(node, 'key', bytes(250))
      const parts = await partsOf('key')
      await replace()
      await waitFor(async () => !(await areThere(parts)).includes(true), { message: 'the parts to go' })
    }
  })

  it('keeps its parts when the same value is written again by others', async () => {
    const { node, server, partsOf, areThere } = inMemory()
    const other = storeInParts(server, { partsPrefix, pieceBytes: () => 100, partsNode: server })
    const value = bytes(250)
    await put(node, 'key', value)
    const found = await other.get('key')
    await other.put('key', value, later(), found?.fence ?? 'absent')
    const standing = await partsOf('key')
    /* What this one knows of is the first head alone. */
    expect(await node.put('key', bytes(10), later(), {})).toEqual({ stored: false })
    expect(await areThere(standing)).toEqual(all)
    expect((await node.get('key'))?.bytes).toEqual(value)
  })

  it('is an empty value when a part is gone or is not what it should be, and can be replaced', async () => {
    for (const harm of ['delete', 'overwrite'] as const) {
      const { node, server, partsOf, areThere } = inMemory()
      await put(node, 'key', bytes(250))
      const parts = await partsOf('key')
      if (harm === 'delete') await server.delete(parts[1] as string)
      else await server.put(parts[1] as string, bytes(100), later(), 'any')
      const found = await node.get('key', later())
      expect(found?.bytes.length).toBe(0)
      const repaired = bytes(250)
      expect(await node.put('key', repaired, later(), found?.fence ?? 'absent')).toMatchObject({ stored: true })
      expect((await node.get('key'))?.bytes).toEqual(repaired)
      expect(await areThere(parts)).toEqual(none)
    }
  })

  it('tells a touch that a part is gone', async () => {
    const { node, server, partsOf } = inMemory()
    await put(node, 'key', bytes(250))
    expect(await node.touch('key', later())).toBe(true)
    await server.delete((await partsOf('key'))[2] as string)
    expect(await node.touch('key', later())).toBe(false)
  })

  it('is an empty value when its head tells of a value that nobody could have written', async () => {
    const { node, server } = inMemory()
    for (const harm of [
      (head: Buffer) => head.writeUInt32BE(0xffffffff, 4),
      (head: Buffer) => head.writeUInt32BE(0, 8),
    ]) {
      await put(node, 'key', bytes(250))
      const head = (await server.get('key'))?.bytes as Buffer
      harm(head)
      await server.put('key', head, later(), 'any')
      expect((await node.get('key'))?.bytes.length).toBe(0)
    }
  })

  it('is the newer one for whoever reads while it is replaced', async () => {
    const newer = bytes(250)
    let replace: (() => Promise<unknown>) | undefined
    const { node, server } = inMemory({
      partsNode: (parts) => ({
        ...bound(parts),
        get: async (key, renewTo) => {
          const now = replace
          replace = undefined
          await now?.()
          return parts.get(key, renewTo)
        },
      }),
    })
    const other = storeInParts(server, { partsPrefix, pieceBytes: () => 100, partsNode: server })
    const fence = await put(other, 'key', bytes(250))
    replace = () => other.put('key', newer, later(), fence)
    expect((await node.get('key'))?.bytes).toEqual(newer)
  })

  it('is given up when it is replaced again and again', async () => {
    const { node, server } = inMemory({
      partsNode: (parts) => ({ ...bound(parts), get: () => put(other, 'key', bytes(250)).then(() => undefined) }),
    })
    const other = storeInParts(server, { partsPrefix, pieceBytes: () => 100, partsNode: server })
    await put(other, 'key', bytes(250))
    await expect(node.get('key')).rejects.toThrow(NodeRefusedError)
  })

  it('is fetched once for all who read it at the same time, and each has its own', async () => {
    let fetched = 0
    const { node } = inMemory({
      partsNode: (parts) => ({
        ...bound(parts),
        get: (key, renewTo) => {
          fetched++
          return parts.get(key, renewTo)
        },
      }),
    })
    const value = bytes(250)
    await put(node, 'key', value)
    const renewals = [undefined, later(), later() + 5, undefined]
    const found = await Promise.all(Array.from({ length: 60 }, (_, index) => node.get('key', renewals[index % 4])))
    expect(found.every((each) => each?.bytes.equals(value))).toBe(true)
    expect(fetched).toBe(6)
    found[0]?.bytes.fill(0)
    found[1]?.bytes.fill(1)
    expect(found[2]?.bytes).toEqual(value)
  })

  it('holds no small one up', async () => {
    const never = () => new Promise<never>(() => {})
    const { node } = inMemory({ partsNode: (parts) => ({ ...bound(parts), put: never, get: never, touch: never }) })
    void node.put('large', bytes(250), later(), 'any')
    const fence = await put(node, 'small', bytes(50))
    await node.touch('small', later())
    expect(await node.put('small', bytes(60), later(), fence)).toMatchObject({ stored: true })
    expect((await node.get('small'))?.bytes.length).toBe(60)
    expect(await node.get('large')).toBeUndefined()
  })
})

describe('the life of parts on a server', () => {
  const lives = async () => {
    const keys = (await redis.command('KEYS', 'part:*')) as string[]
    return Promise.all(keys.map(async (key) => Number(await redis.command('PTTL', key))))
  }

  it('follows that of their head, and is a little longer', async () => {
    await redis.command('FLUSHALL')
    const node = openRedisInParts()
    await node.put('key', bytes(50_000), Date.now() + 100_000, 'any')
    const check = async (min: number, max: number) => {
      const found = await lives()
      expect(found.length).toBe(3)
      for (const life of found) expect(life).toBeGreaterThan(min)
      for (const life of found) expect(life).toBeLessThanOrEqual(max)
    }
    await check(100_000, 160_000)
    await node.touch('key', Date.now() + 500_000)
    await check(500_000, 560_000)
    await node.get('key', Date.now() + 200_000)
    await check(200_000, 260_000)
    await node.touch('key', 0)
    expect(await lives()).toEqual([-1, -1, -1])
    await node.close()
  })

  it('ends by itself when the head was never written', async () => {
    await redis.command('FLUSHALL')
    const address = parseNodeAddress(redis.url)
    if (address.scheme !== 'redis') throw new TypeError('no Redis')
    const partsNode = createRedisNode({ id: 'n1', address, operationTimeout })
    const dying = { ...bound(partsNode), put: () => new Promise<never>(() => {}) }
    const node = storeInParts(dying, { ...everything, partsNode })
    void node.put('key', bytes(50_000), Date.now() + 100_000, 'any')
    await waitFor(async () => (await lives()).length === 3, { message: 'the parts to be written' })
    for (const life of await lives()) expect(life).toBeGreaterThan(0)
    expect(await redis.command('GET', 'key')).toBeNull()
    await partsNode.close()
  })
})

/** A node's operations as plain properties, some of which are to be replaced. */
function bound(node: StorageNode): StorageNode {
  return {
    id: node.id,
    address: node.address,
    maxValueBytes: node.maxValueBytes,
    connections: 1,
    get: (key, renewTo) => node.get(key, renewTo),
    verify: (key, seen, renewTo) => node.verify(key, seen, renewTo),
    put: (key, value, deadline, expected, options) => node.put(key, value, deadline, expected, options),
    touch: (key, deadline) => node.touch(key, deadline),
    delete: (key, expected) => node.delete(key, expected),
    ping: () => node.ping(),
    close: () => node.close(),
  }
}
