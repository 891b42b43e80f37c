import { afterEach, describe, expect, it } from 'vitest'
import { NodeUnreachableError } from '../../src/errors.js'
import { startMemcachedServer } from '../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import type { ServerFigures } from '../../src/node/server-figures.js'
import { freePort, startMemcached, startRedis } from '../../src/testing/index.js'

const opened: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const server of opened.splice(0).reverse()) await server.close()
})

function opens<T extends { close(): Promise<void> }>(server: T): T {
  opened.push(server)
  return server
}

async function figuresOf(url: string, thorough = true): Promise<ServerFigures> {
  const node = opens(openNode(parseNodeAddress(url), { operationTimeout: 10_000 }))
  if (node.figures === undefined) throw new Error('no figures')
  return node.figures(thorough)
}

describe('what a memcached tells of itself', () => {
  it('is its version, protocol, memory, limit of an item and evictions', async () => {
    const memcached = opens(await startMemcached({ args: ['-m', '4', '-I', '512k'] }))
    const url = `memcached://${memcached.host}:${memcached.port}`
    const figures = await figuresOf(url)
    expect(figures).toMatchObject({ maxBytes: 4 << 20, maxItemBytes: 512 << 10, evictions: 0, evictionPolicy: 'lru' })
    expect(figures.server).toMatch(/^memcached 1\.\d+\.\d+/)
    expect(['meta', 'binary']).toContain(figures.protocol)
    const node = opens(openNode(parseNodeAddress(url), { operationTimeout: 10_000 }))
    for (let i = 0; i < 100; i++) await node.put(`key${i}`, Buffer.alloc(200_000), 0, 'any')
    expect((await figuresOf(url)).evictions).toBeGreaterThan(0)
  })

  it('tells what it lacks', async () => {
    const memcached = opens(await startMemcached({ args: ['-C', '-M'] }))
    const figures = await figuresOf(`memcached://${memcached.host}:${memcached.port}`)
    expect(figures.evictionPolicy).toBe('noeviction')
    expect(figures.missing.join()).toContain('CAS (option -C)')
  })

  it('is nothing where nobody answers', async () => {
    const port = await freePort()
    await expect(figuresOf(`memcached://127.0.0.1:${port}`)).rejects.toThrow(NodeUnreachableError)
  })

  it('is told by an embedded node, too', async () => {
    const server = opens(await startMemcachedServer({ host: '127.0.0.1', port: 0, memoryLimit: 8 << 20 } as never))
    const figures = await figuresOf(`embedded://127.0.0.1:${server.port}`)
    expect(figures).toMatchObject({ maxBytes: expect.any(Number), evictions: expect.any(Number) })
  })
})

describe('what a Redis tells of itself', () => {
  it('is its version, memory, policy and evictions', async () => {
    const redis = opens(await startRedis({ args: ['--maxmemory', '8mb', '--maxmemory-policy', 'allkeys-lru'] }))
    const figures = await figuresOf(`redis://${redis.host}:${redis.port}`)
    expect(figures).toMatchObject({ maxBytes: 8 << 20, evictions: 0, evictionPolicy: 'allkeys-lru', missing: [] })
    expect(figures.server).toMatch(/^(Redis|Valkey) \d+\.\d+/)
    expect(figures.usedBytes).toBeGreaterThan(0)
  })

  it('tells what access rules forbid, when it is asked for that', async () => {
    const redis = opens(await startRedis())
    const rules = ['-eval', '-evalsha', '-getex', '-wait', '-client|tracking']
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>sesame', '~*', '+@all', ...rules)
    const url = `redis://app:sesame@${redis.host}:${redis.port}`
    const missing = (await figuresOf(url)).missing.map((text) => text.split(/[ :]/)[0])
    expect(missing).toEqual(['scripts', 'GETEX', 'CLIENT', 'WAIT'])
    expect((await figuresOf(url, false)).missing).toEqual([])
  })
})
