import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Opcode, Status } from '../../../src/memcached-wire/binary.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import type { MemcachedAddress } from '../../../src/node/memcached/memcached-address.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import { createMemjsClient } from '../../../src/node/memcached/memjs-client.js'
import type { StorageNode } from '../../../src/node/storage-node.js'
import type { ProxiedRequest } from '../../../src/testing/proxied.js'
import { proxiedBinary } from '../../../src/testing/proxied-binary.js'
import { startMemcached, type TestMemcached } from '../../../src/testing/start-memcached.js'

const { ok, authenticationError } = Status

let server: Server | undefined
let node: StorageNode

/** A server that wants `user` and `pass:word`, and remembers the logins that were tried. */
async function startLoginServer(): Promise<{ port: number; logins: string[] }> {
  const logins: string[] = []
  const started = createServer((socket) => {
    const requests = proxiedBinary.requests()
    let known = false
    const answer = (request: ProxiedRequest): number => {
      if (request.opcode === Opcode.listMechanisms) return ok
      if (request.opcode === Opcode.authenticate) {
        logins.push(request.bytes.subarray(24).toString())
        known = logins.at(-1) === 'PLAIN\0user\0pass:word'
      }
      return known ? ok : authenticationError
    }
    socket.on('data', (chunk) => {
      for (const request of requests(chunk)) socket.write(request.reply(answer(request)))
    })
    socket.on('error', () => {})
  }).listen(0, '127.0.0.1')
  server = started
  await once(started, 'listening')
  return { port: (started.address() as AddressInfo).port, logins }
}

function openNode(url: string): StorageNode {
  node = createMemcachedNode({ id: 'n1', address: parseNodeAddress(url), operationTimeout: 1000 })
  return node
}

afterEach(async () => {
  await node.close()
  server?.close()
  server = undefined
})

describe('the memcached node on a server with a login of the binary protocol', () => {
  it('logs in before the first operation', async () => {
    const { port, logins } = await startLoginServer()
    await Promise.all([openNode(`memcached://user:pass%3Aword@127.0.0.1:${port}?protocol=binary`).ping(), node.ping()])
    expect(logins).toEqual(['PLAIN\0user\0pass:word'])
  })

  it('says that the login was refused, without the password', async () => {
    const { port } = await startLoginServer()
    const refusal = openNode(`memcached://user:wrong-password@127.0.0.1:${port}?protocol=binary`).ping()
    await expect(refusal).rejects.toMatchObject({ code: 'HOLDFAST_NODE_REFUSED', message: /refused the login$/ })
    await expect(refusal).rejects.not.toThrow(/wrong-password/)
  })

  it('says so too when there are no credentials', async () => {
    const { port, logins } = await startLoginServer()
    await expect(openNode(`memcached://127.0.0.1:${port}?protocol=binary`).ping()).rejects.toThrow(/refused the login/)
    expect(logins).toEqual([])
  })
})

describe('the memcached node on a server with a login of the text protocol', () => {
  let folder: string
  let memcached: TestMemcached

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-login-'))
    await writeFile(join(folder, 'users'), 'app:pass/word\n')
    memcached = await startMemcached({ args: ['-Y', join(folder, 'users')] })
  })

  afterAll(async () => {
    await memcached.close()
    await rm(folder, { recursive: true })
  })

  const open = (login: string, query = ''): StorageNode =>
    openNode(`memcached://${login}${memcached.host}:${memcached.port}${query}`)

  it.each(['', '?protocol=meta'])('logs in before the first operation (%s)', async (query) => {
    const first = open('app:pass%2Fword@', query)
    expect((await first.put('key', Buffer.from('value'), 0, 'any')).stored).toBe(true)
    expect((await first.get('key'))?.bytes.toString()).toBe('value')
    expect(first.connections).toBe(1)
  })

  it('says that the login was refused, without the password', async () => {
    const refusal = open('app:wrong-password@').ping()
    await expect(refusal).rejects.toMatchObject({ code: 'HOLDFAST_NODE_REFUSED', message: /refused the login$/ })
    await expect(refusal).rejects.not.toThrow(/wrong-password/)
  })

  it('says so too when there are no credentials', async () => {
    await expect(open('').ping()).rejects.toThrow(/refused the login: its address has no user and password/)
  })

  it('leaves no password with a server that asks for none', async () => {
    const careless = await startMemcached()
    await openNode(`memcached://app:secret@${careless.host}:${careless.port}`).ping()
    expect(await careless.stats()).toMatchObject({ cmd_set: '0', curr_items: '0' })
    await careless.close()
  })
})

describe('the memjs client', () => {
  it('takes IPv6 addresses as they are, and no credentials from the environment', async () => {
    process.env.MEMCACHE_USERNAME = 'somebody'
    const { server } = createMemjsClient(parseNodeAddress('memcached://[::1]:4711') as MemcachedAddress)
    expect(server).toMatchObject({ host: '::1', port: 4711, username: undefined, password: undefined })
    delete process.env.MEMCACHE_USERNAME
  })
})
