import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import type { MemcachedAddress } from '../../src/node/memcached/memcached-address.js'
import { createMemjsClient } from '../../src/node/memcached/memjs-client.js'
import { openNode } from '../../src/node/open-node.js'
import { openRedisSocket } from '../../src/node/redis/ioredis-client.js'
import { freePort } from '../../src/testing/free-port.js'
import { startMemcached } from '../../src/testing/start-memcached.js'
import { startRedis } from '../../src/testing/start-redis.js'

const docs = readFileSync(fileURLToPath(new URL('../../docs/storage.md', import.meta.url)), 'utf8')

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0)) await end()
})

async function redisPort(options: Parameters<typeof startRedis>[0] = {}): Promise<number> {
  const server = await startRedis(options)
  ends.push(() => server.close())
  return server.port
}

async function memcachedPort(...args: string[]): Promise<number> {
  const server = await startMemcached({ args })
  ends.push(() => server.close())
  return server.port
}

async function webPort(): Promise<number> {
  const server: Server = createServer((_req, res) => res.end('a page')).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  ends.push(async () => server.close())
  return (server.address() as AddressInfo).port
}

/** What an operation on a node says: an operation that writes, as a server may take others. */
async function said(url: string): Promise<string> {
  const node = openNode(parseNodeAddress(url), { operationTimeout: url.startsWith('rediss') ? 2000 : 30_000 })
  ends.push(() => node.close())
  const first = await node.put('a key', Buffer.from('value'), Date.now() + 60_000, 'absent').then(
    () => 'stored',
    (error: Error) => error.message,
  )
  /* The next operation, which does not even try, says the same. */
  const next = await node.get('a key').catch((error: Error) => error.message)
  if (typeof next === 'string') expect(next).toBe(first)
  return first.replace(`storage node ${node.address} `, '')
}

const here = '127.0.0.1'

/** Each with the beginning of what the node says, which stands in the documentation. */
const setups: [what: string, url: () => Promise<string>, sentence: string][] = [
  [
    'a wrong password',
    async () => `redis://:wrong@${here}:${await redisPort({ password: 'right' })}`,
    'refused the login: the user or the password in its address is wrong',
  ],
  [
    'no password',
    async () => `redis://${here}:${await redisPort({ password: 'right' })}`,
    'refused the login: its address has no password',
  ],
  [
    'TLS to a Redis without',
    async () => `rediss://${here}:${await redisPort()}`,
    'gave no answer within 2000 ms: it may speak no TLS, then its address begins with redis://',
  ],
  [
    'TLS to a memcached without',
    async () => `memcacheds://${here}:${await memcachedPort()}`,
    'speaks no TLS: then its address begins with memcached://',
  ],
  [
    'an unknown host (Redis)',
    async () => 'redis://no-such-host.invalid',
    "can't be reached: the name of its host is not known",
  ],
  [
    'an unknown host (memcached)',
    async () => 'memcached://no-such-host.invalid',
    "can't be reached: the name of its host is not known",
  ],
  [
    'nothing that listens (Redis)',
    async () => `redis://${here}:${await freePort()}`,
    "can't be reached: nothing listens there",
  ],
  [
    'nothing that listens (memcached)',
    async () => `memcached://${here}:${await freePort()}`,
    "can't be reached: nothing listens there",
  ],
  [
    'memcached in the place of Redis',
    async () => `redis://${here}:${await memcachedPort()}`,
    'speaks another protocol than Redis',
  ],
  [
    'Redis in the place of memcached',
    async () => `memcached://${here}:${await redisPort()}`,
    'speaks another protocol than memcached',
  ],
  [
    'a web server in the place of memcached',
    async () => `memcached://${here}:${await webPort()}`,
    'speaks another protocol than memcached',
  ],
  [
    'a web server in the place of Redis',
    async () => `redis://${here}:${await webPort()}`,
    'speaks another protocol than Redis',
  ],
  [
    'memcached without CAS',
    async () => `memcached://${here}:${await memcachedPort('-C')}`,
    'the memcached server runs without CAS (option -C)',
  ],
  ['a database that is not there', async () => `redis://${here}:${await redisPort()}/99`, 'refused database 99'],
]

describe('a storage node that is set up wrong says what is wrong, and the documentation says it too', () => {
  it.each(setups)('%s', async (_, url, sentence) => {
    expect((await said(await url())).startsWith(sentence)).toBe(true)
    expect(docs).toContain(sentence.replace(' 2000 ms', ' … ms').replace(/ 99$/, ' …'))
  })

  const isMissing = (): never => {
    throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  }

  it('the package ioredis is missing', async () => {
    const endpoint = { server: { host: here, port: 1 }, tls: undefined }
    const sentence = 'storage nodes on Redis need the package ioredis: npm install ioredis'
    const opened = openRedisSocket(endpoint, { onReady: () => {}, onLost: () => {} }, async () => isMissing())
    await expect(opened).rejects.toThrow(sentence)
    expect(docs).toContain(sentence)
  })

  it('the package memjs is missing', () => {
    const address = parseNodeAddress('memcached://h') as MemcachedAddress
    const sentence =
      "storage nodes that speak memcached's binary protocol only need the package memjs: npm install memjs"
    expect(docs).toContain(sentence)
    expect(() => createMemjsClient(address, isMissing)).toThrow(sentence)
  })
})
