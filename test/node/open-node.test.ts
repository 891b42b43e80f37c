import { expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/node-address.js'
import { openNode } from '../../src/node/open-node.js'

it.each(['memory://', 'memcached://localhost:11211', 'embedded://localhost:11211'])(
  'opens a node for %s, with its id and its address, without connecting',
  async (url) => {
    const node = openNode(parseNodeAddress(url, 'n1'))
    expect(node).toMatchObject({ id: 'n1', address: url })
    await node.close()
  },
)
