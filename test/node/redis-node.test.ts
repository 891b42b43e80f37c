import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ItemTooLargeError, NodeRefusedError, NodeUnreachableError } from '../../src/errors.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import type { RedisAddress } from '../../src/node/redis/redis-address.js'
import { createRedisNode, type RedisNodeOptions } from '../../src/node/redis/redis-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { storageNodeConformance } from '../../src/testing/conformance/storage-node.js'
import { freePort } from '../../src/testing/free-port.js'
import { startRedis } from '../../src/testing/start-redis.js'
import type { TestServer } from '../../src/testing/start-server.js'
import { redisCommand } from '../support/redis-command.js'

const later = (): number => Date.now() + 600_000

function open(url: string, options: Partial<RedisNodeOptions> = {}): StorageNode {
  const address = parseNodeAddress(url) as RedisAddress
  return createRedisNode({ id: 'n1', address, operationTimeout: 10_000, reconnectPause: 0, ...options })
}

describe('the Redis node', () => {
  let redis: TestServer
  let url: string

  beforeAll(async () => {
    redis = await startRedis()
    url = `redis://${redis.host}:${redis.port}`
  })

  afterAll(() => redis.close())

  const subject = (database: string) => ({
    fences: 'content' as const,
    async open() {
      await redisCommand(redis, 'FLUSHALL')
      return { node: open(url + database), close: async () => {} }
    },
  })

  storageNodeConformance('Redis', subject(''), { describe, it })
  storageNodeConformance('Redis, database 3', subject('/3'), { describe, it })

  it('stores in the database that the address names, the bytes as they are', async () => {
    const node = open(`${url}/3`)
    await node.put('bytes', Buffer.from('plain'), later(), 'any')
    expect(await redisCommand(redis, 'GET bytes')).toBe('$-1')
    expect(await redisCommand(redis, 'SELECT 3\r\nGET bytes')).toContain('plain')
    await node.close()
  })

  it('refuses a value above its limit, which is 16 MiB unless another is given', async () => {
    const node = open(url, { maxValueBytes: 10 })
    expect(open(url).maxValueBytes).toBe(16 * 1024 * 1024)
    await expect(node.put('key', Buffer.alloc(11), later(), 'any')).rejects.toThrow(ItemTooLargeError)
    await node.close()
  })

  it('loads a script again after the server has forgotten it', async () => {
    const node = open(url)
    await node.put('key', Buffer.from('one'), later(), 'any')
    for (const value of ['two', 'three']) {
      await redisCommand(redis, 'SCRIPT FLUSH')
      const { fence } = (await node.get('key')) ?? {}
      expect(await node.put('key', Buffer.from(value), later(), fence ?? 'absent')).toMatchObject({ stored: true })
    }
    await redisCommand(redis, 'SCRIPT FLUSH')
    expect(await node.touch('key', 0)).toBe(true)
    expect(await redisCommand(redis, 'TTL key')).toBe(':-1')
    expect(node.connections).toBe(1)
    await node.close()
  })

  it('names the server process, and another one after a restart', async () => {
    const server = await startRedis()
    const node = open(`redis://${server.host}:${server.port}`)
    expect(node.incarnation).toBeUndefined()
    await node.ping()
    const first = node.incarnation
    expect(first).toMatch(/^[0-9a-f]{40}$/)
    await server.restart()
    await node.get('key').catch(() => node.get('key'))
    expect(node.incarnation).toMatch(/^[0-9a-f]{40}$/)
    expect(node.incarnation).not.toBe(first)
    await node.close()
    await server.close()
  })

  it('is unreachable where nothing listens, and works as soon as something does', async () => {
    const port = await freePort()
    const node = open(`redis://127.0.0.1:${port}`)
    await expect(node.get('key')).rejects.toThrow(NodeUnreachableError)
    const server = await startRedis({ port })
    expect(await node.get('key')).toBeUndefined()
    await node.close()
    await server.close()
  })
})

describe('the Redis node with a login', () => {
  let redis: TestServer

  beforeAll(async () => {
    const rules = ['--user', 'app', 'on', '>p@ss:w/rd', '~*', '+@all']
    redis = await startRedis({ args: ['--requirepass', 'open sesame', ...rules] })
  })

  afterAll(() => redis.close())

  it.each([':open%20sesame', 'default:open%20sesame', 'app:p%40ss%3Aw%2Frd'])('logs in with %s', async (login) => {
    const node = open(`redis://${login}@${redis.host}:${redis.port}`)
    expect(await node.put('key', Buffer.from(login), later(), 'any')).toMatchObject({ stored: true })
    expect((await node.get('key'))?.bytes.toString()).toBe(login)
    await node.close()
  })

  it.each(['', ':wrong@', 'app:wrong@', 'nobody:open%20sesame@'])('is refused with %j, and says so', async (login) => {
    const node = open(`redis://${login}${redis.host}:${redis.port}`)
    const failure = await node.get('key').catch((error: Error) => error)
    expect(failure).toBeInstanceOf(NodeRefusedError)
    expect(failure).toMatchObject({ message: expect.stringMatching(/refused the login: .* \((WRONGPASS|NOAUTH)\)/) })
    await node.close()
  })

  it('can have a password that the server does not ask for yet', async () => {
    const server = await startRedis()
    const node = open(`redis://:secret@${server.host}:${server.port}`)
    await node.ping()
    await node.close()
    await server.close()
  })

  it('says that a database is not there', async () => {
    const node = open(`redis://:open%20sesame@${redis.host}:${redis.port}/99`)
    await expect(node.get('key')).rejects.toThrow(/refused database 99/)
    await node.close()
  })
})

describe('the Redis node where access rules hide who the server is', () => {
  it('works, and does not know the process', async () => {
    const rules = 'app on >secret ~* +getex +set +del +pexpire +persist +exists +evalsha +eval +auth'.split(' ')
    const redis = await startRedis({ args: ['--user', ...rules] })
    const node = open(`redis://app:secret@${redis.host}:${redis.port}`)
    await node.ping()
    const first = await node.put('key', Buffer.from('one'), later(), 'absent')
    if (!first.stored) throw new Error('refused')
    expect(await node.put('key', Buffer.from('two'), later(), first.fence)).toMatchObject({ stored: true })
    expect(node.incarnation).toBeUndefined()
    await node.close()
    await redis.close()
  })
})

describe('the Redis node over TLS', () => {
  let folder: string
  let redis: TestServer
  let tlsPort: number

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const names = 'subjectAltName=DNS:redis.example,IP:127.0.0.1'
    const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=redis.example']
    execFileSync('openssl', [...request, '-addext', names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
    tlsPort = await freePort()
    const tls = ['--tls-port', `${tlsPort}`, '--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert]
    redis = await startRedis({ args: [...tls, '--user', 'app', 'on', '>secret', '~*', '+@all'] })
  })

  afterAll(async () => {
    await redis?.close()
    await rm(folder, { recursive: true })
  })

  const files = (): string => {
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => encodeURIComponent(join(folder, name)))
    return `ca=${cert}&cert=${cert}&key=${key}`
  }

  storageNodeConformance(
    'Redis with TLS and a user',
    {
      fences: 'content',
      async open() {
        await redisCommand(redis, 'FLUSHALL')
        return { node: open(`rediss://app:secret@127.0.0.1:${tlsPort}?${files()}`), close: async () => {} }
      },
    },
    { describe, it },
  )

  it('takes the name of the certificate from servername', async () => {
    const node = open(`rediss://app:secret@127.0.0.1:${tlsPort}?${files()}&servername=redis.example`)
    await node.ping()
    await node.close()
  })

  it('does not talk to a server whose certificate it can not check', async () => {
    const [cert, key] = ['cert.pem', 'key.pem'].map((name) => encodeURIComponent(join(folder, name)))
    const node = open(`rediss://app:secret@127.0.0.1:${tlsPort}?cert=${cert}&key=${key}`)
    await expect(node.ping()).rejects.toThrow(/self-signed certificate/)
    await node.close()
    const other = open(`rediss://app:secret@127.0.0.1:${tlsPort}?${files()}&servername=other.example`)
    await expect(other.ping()).rejects.toThrow(/other\.example/)
    await other.close()
  })

  it('says which file can not be read', async () => {
    const node = open(`rediss://127.0.0.1:${tlsPort}?ca=/no/such/file.pem`)
    await expect(node.ping()).rejects.toThrow(/\/no\/such\/file\.pem/)
    await node.close()
  })
})
