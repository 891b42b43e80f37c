import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Opcode, Status } from '../../../src/memcached-wire/binary.js'
import type { MemcachedAddress } from '../../../src/node/memcached/memcached-address.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import { createMemjsClient } from '../../../src/node/memcached/memjs-client.js'
import { parseNodeAddress } from '../../../src/node/node-address.js'
import type { StorageNode } from '../../../src/node/storage-node.js'
import type { ProxiedRequest } from '../../../src/testing/proxied.js'
import { proxiedBinary } from '../../../src/testing/proxied-binary.js'

const { ok, authenticationError } = Status

let server: Server
let node: StorageNode

/** A server that wants `user` and `pass:word`, and remembers the logins that were tried. */
async function startLoginServer(): Promise<{ port: number; logins: string[] }> {
  const logins: string[] = []
  server = createServer((socket) => {
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
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, logins }
}

function openNode(url: string): StorageNode {
  node = createMemcachedNode({ id: 'n1', address: parseNodeAddress(url), operationTimeout: 1000 })
  return node
}

afterEach(async () => {
  await node.close()
  server.close()
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

describe('the memjs client', () => {
  it('takes IPv6 addresses as they are, and no credentials from the environment', async () => {
    process.env.MEMCACHE_USERNAME = 'somebody'
    const { server } = createMemjsClient(parseNodeAddress('memcached://[::1]:4711') as MemcachedAddress)
    expect(server).toMatchObject({ host: '::1', port: 4711, username: undefined, password: undefined })
    delete process.env.MEMCACHE_USERNAME
  })
})
