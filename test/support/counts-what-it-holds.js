// A process with one storage node, which does operations as it is told and counts what it holds afterwards. It has to end by itself.
import { readdirSync } from 'node:fs'
import { parseNodeAddress } from '../../dist/node/address/node-address.js'
import { createMemcachedNode } from '../../dist/node/memcached/memcached-node.js'
import { createNearCache } from '../../dist/node/near-cache/near-cache.js'
import { createRedisNode } from '../../dist/node/redis/redis-node.js'

/* The streams are opened when they are first used: now, so that they count from the beginning. */
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

const [url, timeout, kept] = process.argv.slice(2)
const node = open(parseNodeAddress(url), Number(timeout))

function open(address, operationTimeout) {
  const options = { id: undefined, address, operationTimeout, reconnectPause: 0 }
  if (address.scheme !== 'redis') return createMemcachedNode(options)
  const redis = createRedisNode(options)
  if (kept !== 'kept') return redis
  const limits = { maxBytes: 1000000, maxAge: 60000 }
  return createNearCache(
    redis,
    { limits: () => limits, keyPrefix: 'k' },
    { address, operationTimeout: () => operationTimeout },
  )
}

async function operate(times) {
  let failed = 0
  for (let each = 0; each < times; each += 1) {
    const read = kept === 'kept' ? Promise.resolve(node.getCached('k', { to: 0, slack: 0 })) : node.get('k')
    await read.catch(() => {
      failed += 1
    })
  }
  return failed
}

function descriptors() {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

function listeners() {
  const emitters = [process, ...process._getActiveHandles()]
  return emitters.reduce((sum, emitter) => sum + countOf(emitter), 0)
}

function countOf(emitter) {
  return emitter.eventNames?.().reduce((sum, name) => sum + emitter.listenerCount(name), 0) ?? 0
}

function held() {
  const resources = process.getActiveResourcesInfo()
  return {
    descriptors: descriptors(),
    sockets: resources.filter((name) => /TCP|Pipe|TLS/.test(name)).length,
    timers: resources.filter((name) => name === 'Timeout').length,
    listeners: listeners(),
  }
}

process.on('message', async ({ times, end }) => {
  if (end === true) {
    await node.close()
    process.disconnect()
  } else process.send({ failed: await operate(times), held: held() })
})
process.send('ready')
