import { expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'

it.each([
  'memory://',
  'memcached://localhost:11211',
  'embedded://localhost:11211',
  'redis://localhost:6379/3',
  'rediss+sentinel://h1:26379,h2:26379/name',
  'redis+cluster://h1:6379,h2:6379',
])('opens a node for %s, with its id and its address, without connecting', async (url) => {
  const node = openNode(parseNodeAddress(url, 'n1'))
  expect(node).toMatchObject({ id: 'n1', address: url })
  await node.close()
})
