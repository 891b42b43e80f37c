import { describe, expect, it } from 'vitest'
import { startMemcachedServer } from '../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../src/node/memcached/memcached-node.js'
import { openNode } from '../../src/node/open-node.js'
import { storageNodeConformance } from '../../src/testing/conformance/storage-node.js'
import { createManualClock } from '../../src/testing/manual-clock.js'

for (const protocol of ['binary', 'meta']) {
  storageNodeConformance(
    `embedded, ${protocol} protocol`,
    {
      async open() {
        const clock = createManualClock()
        const server = await startMemcachedServer({ clock })
        const address = parseNodeAddress(`embedded://${server.host}:${server.port}?protocol=${protocol}`)
        const node = createMemcachedNode({ id: 'n1', address, operationTimeout: 2000, clock })
        return { node, advance: clock.advance, close: () => server.close() }
      },
    },
    { describe, it },
  )
}

describe('a node on an embedded server', () => {
  it('sends one operation for each call', async () => {
    const server = await startMemcachedServer()
    const node = openNode(parseNodeAddress(`embedded://${server.host}:${server.port}`))
    await node.put('key', Buffer.from('value'), 0, 'absent')
    await node.get('key', Date.now() + 60_000)
    await node.touch('key', Date.now() + 60_000)
    await node.delete('key')
    expect(server.operations()).toBe(4)
    await node.close()
    await server.close()
  })
})
