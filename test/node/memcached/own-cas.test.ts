import { describe, expect, it } from 'vitest'
import { type MemcachedServer, startMemcachedServer } from '../../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import { isOwnCas, nextOwnCas } from '../../../src/node/memcached/own-cas.js'
import type { Fence, PutResult, StorageNode } from '../../../src/node/storage-node.js'
import { waitFor } from '../../../src/testing/wait-for.js'

function openNode({ host, port }: MemcachedServer, protocol: 'binary' | 'meta'): StorageNode {
  const address = parseNodeAddress(`embedded://${host}:${port}?protocol=${protocol}`)
  return createMemcachedNode({ id: 'n1', address, operationTimeout: 5000, reconnectPause: 0 })
}

const bytes = (text: string): Buffer => Buffer.from(text)

function tokenOf(result: PutResult): Fence {
  if (!result.stored) throw new Error('refused')
  return result.fence
}

describe('our own numbers for what is stored', () => {
  it('are never the same twice, never those of a server, and fit into 64 bits', () => {
    const numbers = Array.from({ length: 1000 }, () => nextOwnCas())
    expect(new Set(numbers).size).toBe(1000)
    for (const number of numbers) expect(isOwnCas(number) && number < 2n ** 64n).toBe(true)
    for (const number of [0n, 1n, 2n ** 53n]) expect(isOwnCas(number)).toBe(false)
  })
})

describe('a fence on a server that takes our own numbers', () => {
  it('outlasts the connection on which it was read, and holds from another process’ client', async () => {
    const server = await startMemcachedServer()
    const [one, other] = [openNode(server, 'meta'), openNode(server, 'meta')]
    const fence = tokenOf(await one.put('key', bytes('first'), 0, 'absent'))
    const second = tokenOf(await other.put('key', bytes('second'), 0, fence))
    expect(await one.put('key', bytes('late'), 0, fence)).toEqual({ stored: false })
    expect(await one.delete('key', fence)).toBe('refused')
    expect(await one.verify('key', second, 0)).toBe('unchanged')
    await Promise.all([one.close(), other.close(), server.close()])
  })

  it('never passes after a restart of the server, whose numbers begin again', async () => {
    let server = await startMemcachedServer()
    const { port } = server
    const node = openNode(server, 'meta')
    const fence = tokenOf(await node.put('key', bytes('before'), 0, 'any'))
    const plain = openNode(server, 'binary')
    const counted = tokenOf(await plain.put('counted', bytes('before'), 0, 'any'))
    await server.close()
    server = await startMemcachedServer({ port })
    for (const each of [node, plain]) await waitFor(() => each.ping().then(() => true))
    expect(await node.put('key', bytes('late'), 0, fence)).toEqual({ stored: false })
    const fresh = openNode(server, 'binary')
    await fresh.put('counted', bytes('other'), 0, 'any')
    await fresh.put('key', bytes('other'), 0, 'any')
    expect(await node.put('key', bytes('late'), 0, fence)).toEqual({ stored: false })
    expect(await node.delete('key', fence)).toBe('refused')
    expect(await node.put('counted', bytes('late'), 0, counted)).toEqual({ stored: false })
    await Promise.all([node.close(), plain.close(), fresh.close(), server.close()])
  })

  it('is the same by both protocols', async () => {
    const server = await startMemcachedServer()
    const [meta, binary] = [openNode(server, 'meta'), openNode(server, 'binary')]
    await meta.put('key', bytes('first'), 0, 'any')
    const seen = await binary.get('key')
    const second = tokenOf(await binary.put('key', bytes('second'), 0, seen?.fence ?? 'absent'))
    expect(await meta.put('key', bytes('late'), 0, seen?.fence ?? 'absent')).toEqual({ stored: false })
    // The binary protocol lets the server choose: such a number counts on its own connection only.
    expect(await meta.put('key', bytes('third'), 0, second)).toEqual({ stored: false })
    expect((await binary.put('key', bytes('third'), 0, second)).stored).toBe(true)
    await Promise.all([meta.close(), binary.close(), server.close()])
  })
})
