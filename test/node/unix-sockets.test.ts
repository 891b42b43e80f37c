import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import { startMemcached, startRedis } from '../../src/testing/index.js'

let folder: string
let door: Server
const opened: { close(): Promise<void> }[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-sockets-'))
  opened.push(await startRedis({ args: ['--unixsocket', join(folder, 'redis.sock')], local: true }))
  const memcached = await startMemcached()
  opened.push(memcached)
  /* A memcached listens on a unix socket or on a port, and tests need the port. */
  door = createServer((socket) => {
    const way = connect(memcached.port, memcached.host)
    socket.pipe(way).pipe(socket)
    for (const end of [socket, way]) end.on('error', () => end.destroy())
  })
  await new Promise<void>((resolve) => door.listen(join(folder, 'memcached.sock'), resolve))
})

afterAll(async () => {
  door.close()
  for (const server of opened) await server.close()
  await rm(folder, { recursive: true })
})

describe('a storage node behind a unix socket', () => {
  it.each([
    ['memcached', 'memcached://', ''],
    ['memcached by its binary protocol', 'memcached://', '?protocol=binary'],
    ['redis', 'redis+unix://', '?database=3'],
  ])('works as over the network (%s)', async (kind, scheme, query) => {
    const url = `${scheme}${join(folder, `${kind.split(' ')[0]}.sock`)}`
    const node = openNode(parseNodeAddress(`n1:${url}${query}`), { operationTimeout: 30_000 })
    try {
      expect(node.id).toBe('n1')
      expect(node.address).toContain(url)
      const stored = await node.put('key', Buffer.from('value'), 0, 'absent')
      expect(stored.stored).toBe(true)
      expect(String((await node.get('key'))?.bytes)).toBe('value')
      expect((await node.figures?.())?.server).toBeDefined()
      await node.delete('key')
    } finally {
      await node.close()
    }
  })

  it.each([
    'memcacheds:///run/memcached.sock',
    'embedded:///run/node.sock',
    'redis:///run/redis.sock',
    'rediss+unix:///run/redis.sock',
    'redis+unix://host:6379',
    'redis+unix:///run/redis.sock?database=x',
    'memcached:///run/a b.sock',
  ])('has no address like %s', (url) => {
    expect(() => parseNodeAddress(url)).toThrow()
  })
})
