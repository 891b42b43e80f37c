import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeRefusedError, NodeUnreachableError } from '../../../src/errors.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import type { Fence, PutResult, StorageNode } from '../../../src/node/storage-node.js'
import { storageNodeConformance } from '../../../src/testing/conformance/storage-node.js'
import { startMemcached, type TestMemcached } from '../../../src/testing/start-memcached.js'
import { waitFor } from '../../../src/testing/wait-for.js'
import { takesOwnNumbers } from '../../support/own-numbers.js'
import { patience } from '../../support/patience.js'

let server: TestMemcached

beforeAll(async () => {
  server = await startMemcached({ memoryMb: 64 })
})

afterAll(() => server.close())

const later = (): number => Date.now() + 600_000

const protocols = ['binary', 'meta'] as const
type Protocol = (typeof protocols)[number]

interface NodeOptions {
  operationTimeout?: number
  firstSequence?: number
}

function openNodeOn({ host, port }: TestMemcached, protocol: Protocol, options: NodeOptions = {}): StorageNode {
  const address = parseNodeAddress(`memcached://${host}:${port}?protocol=${protocol}`)
  return createMemcachedNode({ id: 'n1', address, operationTimeout: 4000, ...options })
}

for (const protocol of protocols) {
  storageNodeConformance(
    `memcached, ${protocol} protocol`,
    {
      async open() {
        await server.flushAll()
        return { node: openNodeOn(server, protocol), close: async () => {} }
      },
    },
    { describe, it },
  )
}

async function putToken(node: StorageNode, key: string, value: string): Promise<Fence> {
  return tokenOf(await node.put(key, Buffer.from(value), later(), 'any'))
}

function tokenOf(result: PutResult): Fence {
  if (!result.stored) throw new Error('refused')
  return result.fence
}

describe.each(protocols)('the memcached node on a real server, %s protocol', (protocol) => {
  const openNode = (options?: NodeOptions): StorageNode => openNodeOn(server, protocol, options)

  it('sends one operation for each call, and none for what it can answer itself', async () => {
    const node = openNode()
    const before = await server.storageOperations()
    const fence = await putToken(node, 'key', 'value')
    await node.get('key')
    await node.get('key', later())
    await node.touch('key', later())
    await node.put('key', Buffer.from('new'), later(), fence)
    await node.delete('key')
    await node.ping()
    expect((await server.storageOperations()) - before).toBe(6)
    await node.put('key', Buffer.from('new'), later(), {})
    await node.delete('key', {})
    expect((await server.storageOperations()) - before).toBe(6)
    await node.close()
  })

  it('refuses a token from before a restart of the server, although the numbers begin again', async () => {
    await server.restart()
    const node = openNode()
    const fence = await putToken(node, 'key', 'before')
    await server.restart()
    await waitFor(() => node.ping().then(() => true))
    await putToken(node, 'key', 'after')
    expect(await node.put('key', Buffer.from('late'), later(), fence)).toEqual({ stored: false })
    expect(await node.delete('key', fence)).toBe('refused')
    expect((await node.get('key'))?.bytes.toString()).toBe('after')
    expect(node.connections).toBe(2)
    await node.close()
  })

  it('lets a fence outlast the connection where the server takes our own numbers, and refuses it where not', async () => {
    const node = openNode()
    const fence = await putToken(node, 'key', 'before')
    const other = openNode()
    expect(await other.put('key', Buffer.from('after'), later(), fence)).toMatchObject({
      stored: await takesOwnNumbers(server, protocol),
    })
    expect(await node.put('other', Buffer.from('x'), later(), fence)).toEqual({ stored: false })
    await node.close()
    await other.close()
  })

  it('transfers no value when it verifies and renews what is unchanged', async () => {
    const node = openNode()
    const fence = tokenOf(await node.put('key', Buffer.alloc(100_000), later(), 'any'))
    const sent = async (): Promise<number> => Number((await server.stats()).bytes_written)
    const [before, operations] = [await sent(), await server.storageOperations()]
    for (let count = 0; count < 10; count += 1) expect(await node.verify('key', fence, later())).toBe('unchanged')
    expect((await server.storageOperations()) - operations).toBe(10)
    expect((await sent()) - before).toBeLessThan(50_000)
    await node.close()
  })

  it('notices that the server went away while nothing was pending, and goes on when it is back', async () => {
    const node = openNode()
    await node.ping()
    await server.kill()
    await expect(node.get('key')).rejects.toThrow(NodeUnreachableError)
    await server.restart()
    await waitFor(() => node.ping().then(() => true))
    await node.close()
  })

  it('gives up a suspended server within the operation time-out, and works again when it is resumed', async () => {
    const node = openNode({ operationTimeout: 400 })
    await node.ping()
    await server.suspend()
    const start = performance.now()
    const results = await Promise.allSettled([node.get('a'), node.get('b'), node.touch('c', later())])
    expect(performance.now() - start).toBeLessThan(patience)
    for (const result of results) expect(result).toMatchObject({ reason: { code: 'HOLDFAST_NODE_UNREACHABLE' } })
    await server.resume()
    await waitFor(() => node.ping().then(() => true))
    await node.close()
  })

  it('takes an answer that came in time although this process was too busy to read it', async () => {
    const node = openNode({ operationTimeout: 400 })
    await putToken(node, 'key', 'value')
    const answer = node.get('key')
    await new Promise((resolve) => setImmediate(resolve))
    const end = performance.now() + 800
    while (performance.now() < end);
    expect((await answer)?.bytes.toString()).toBe('value')
    expect(node.connections).toBe(1)
    await node.close()
  })

  it('does not let a fenced write that a suspended server received late overwrite a newer one', async () => {
    const node = openNode({ operationTimeout: 400 })
    const fence = await putToken(node, 'key', 'first')
    const connectionsBefore = (await server.stats()).curr_connections
    await server.suspend()
    await expect(node.put('key', Buffer.from('late'), later(), fence)).rejects.toThrow(NodeUnreachableError)
    await server.resume()
    await waitFor(() => node.ping().then(() => true))
    const current = await node.get('key')
    const newer = await node.put('key', Buffer.from('newer'), later(), current?.fence ?? 'absent')
    await waitFor(async () => (await server.stats()).curr_connections === connectionsBefore)
    expect((await node.get('key'))?.bytes.toString()).toBe(newer.stored ? 'newer' : 'late')
    await node.close()
  })

  it('goes on when its numbers for operations are used up, with operations pending on both sides', async () => {
    const node = openNode({ firstSequence: 2 ** 31 - 100 })
    const keys = Array.from({ length: 200 }, (_, index) => `numbered-${index}`)
    await Promise.all(keys.map((key) => node.put(key, Buffer.from(key), later(), 'any')))
    const values = await Promise.all(keys.map((key) => node.get(key)))
    expect(values.map((value) => value?.bytes.toString())).toEqual(keys)
    expect(node.connections).toBe(1)
    await node.close()
  })

  it('takes a server without CAS for what it is: useless for fenced writes', async () => {
    const plain = await startMemcached({ args: ['-C'] })
    const node = openNodeOn(plain, protocol)
    await expect(node.put('key', Buffer.from('value'), later(), 'any')).rejects.toThrow(/without CAS/)
    await expect(node.get('key')).rejects.toThrow(NodeRefusedError)
    await node.close()
    await plain.close()
  })

  it('says that a value is too large when the server takes less than expected', async () => {
    const small = await startMemcached({ args: ['-I', '64k', '-o', 'slab_chunk_max=32'] })
    const node = openNodeOn(small, protocol)
    await node.ping()
    await expect(node.put('key', Buffer.alloc(100_000), later(), 'any')).rejects.toMatchObject({
      code: 'HOLDFAST_ITEM_TOO_LARGE',
    })
    await node.ping()
    expect(node.connections).toBe(1)
    await node.close()
    await small.close()
  })
})
