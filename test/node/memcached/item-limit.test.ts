import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { NodeRefusedError, NodeUnreachableError } from '../../../src/errors.js'
import { startMemcachedServer } from '../../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { defaultMaxValueBytes } from '../../../src/node/item-size.js'
import { ItemLimit } from '../../../src/node/memcached/item-limit.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import { openNode } from '../../../src/node/open-node.js'
import { startMemcached } from '../../../src/testing/start-memcached.js'

const later = (): number => Date.now() + 600_000
const operationTimeout = 20_000
const kibibyte = 1024

describe.each(['binary', 'meta'])('values of all sizes on memcached, %s protocol', (protocol) => {
  it.each(['32k', '512k', '1m', '8m'])('are stored whatever the limit of its items is (-I %s)', async (limit) => {
    const server = await startMemcached({ memoryMb: 128, args: ['-o', 'slab_chunk_max=16384', '-I', limit] })
    const node = openNode(parseNodeAddress(`memcached://${server.host}:${server.port}?protocol=${protocol}`), {
      operationTimeout,
    })
    for (const size of [10, 30, 31, 32, 33, 500, 511, 512, 600, 1023, 1024, 1500, 4000]) {
      const value = randomBytes(size * kibibyte)
      await node.put(`key-${size}`, value, later(), 'absent')
      expect((await node.get(`key-${size}`))?.bytes.equals(value), `${size} KiB`).toBe(true)
    }
    await node.close()
    await server.close()
  })

  it('come with the item limit of the server, also of an embedded one', async () => {
    const server = await startMemcached({ args: ['-I', '2m'] })
    const open = ({ host, port }: { host: string; port: number }) =>
      createMemcachedNode({
        id: 'n1',
        address: parseNodeAddress(`memcached://${host}:${port}?protocol=${protocol}`),
        operationTimeout,
      })
    const node = open(server)
    const asked = Promise.all([node.get('a'), node.itemBytes(), node.get('b'), node.itemBytes(), node.ping()])
    expect(await asked).toEqual([undefined, 2 * kibibyte ** 2, undefined, 2 * kibibyte ** 2, undefined])
    expect(node.connections).toBe(1)
    const embedded = await startMemcachedServer({ maxItemSize: 100_000 })
    const other = open(embedded)
    expect(await other.itemBytes()).toBe(100_000)
    for (const each of [node, other]) await each.close()
    for (const each of [server, embedded]) await each.close()
  })
})

describe('the limit of a server’s items', () => {
  function limitOf(itemBytes: () => Promise<number | undefined>) {
    const node = { connections: 1, itemBytes }
    return { node, limit: new ItemLimit(node) }
  }

  it('is asked once a connection, when a value comes that is not sure to fit', async () => {
    let asked = 0
    const { node, limit } = limitOf(async () => {
      asked++
      return 100_000
    })
    expect(limit.pieceBytes(100)).toBeGreaterThanOrEqual(100)
    expect(asked).toBe(0)
    expect(await Promise.all([limit.pieceBytes(50_000), limit.pieceBytes(60_000)])).toEqual([98_976, 98_976])
    expect(limit.pieceBytes(50_000)).toBe(98_976)
    expect(asked).toBe(1)
    node.connections = 2
    await limit.pieceBytes(50_000)
    expect(asked).toBe(2)
  })

  it('is the usual one where the server does not tell, or is larger', async () => {
    const answers = [undefined, 8 * kibibyte ** 2, new NodeRefusedError('ERROR')]
    for (const answer of answers) {
      const { limit } = limitOf(() => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)))
      expect(await limit.pieceBytes(50_000)).toBe(defaultMaxValueBytes)
    }
  })

  it('is not guessed while the server can’t be reached', async () => {
    const { limit } = limitOf(() => Promise.reject(new NodeUnreachableError('nothing listens there')))
    await expect(limit.pieceBytes(50_000)).rejects.toThrow(NodeUnreachableError)
  })
})
