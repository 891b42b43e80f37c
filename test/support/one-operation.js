// A process with one operation on a storage node and nothing else to do. Prints how the operation ended.
import { createJiti } from 'jiti'

const jiti = createJiti(import.meta.url)
const { createMemcachedNode } = await jiti.import('../../src/node/memcached/memcached-node.ts')
const { parseNodeAddress } = await jiti.import('../../src/node/address/node-address.ts')

const [place] = process.argv.slice(2)
const address = parseNodeAddress(`memcached://${place}`)
const node = createMemcachedNode({ id: undefined, address, operationTimeout: 5000 })
node.get('key').then(
  () => console.log('answered'),
  (error) => console.log(error.code),
)
