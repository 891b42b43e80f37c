import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { NodeUnreachableError } from '../../../src/errors.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../../src/node/memcached/memcached-node.js'
import type { StorageNode } from '../../../src/node/storage-node.js'
import { storageNodeConformance } from '../../../src/testing/conformance/storage-node.js'
import { startHaproxy, type TestHaproxy } from '../../../src/testing/start-haproxy.js'
import { startMemcached, type TestMemcached } from '../../../src/testing/start-memcached.js'
import { waitFor } from '../../../src/testing/wait-for.js'

let folder: string
let memcached: TestMemcached
/** A real HAProxy that ends TLS in front of a real memcached. */
let way: TestHaproxy
/** The same, for clients with a certificate. */
let strictWay: TestHaproxy

const file = (name: string): string => join(folder, name)
const parameter = (name: string): string => encodeURIComponent(file(name))

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
  const names = 'subjectAltName=DNS:cache.example,IP:127.0.0.1'
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=cache.example']
  execFileSync('openssl', [...request, '-addext', names, '-keyout', file('key.pem'), '-out', file('cert.pem')], {
    stdio: 'ignore',
  })
  await writeFile(
    file('both.pem'),
    (await readFile(file('cert.pem'), 'utf8')) + (await readFile(file('key.pem'), 'utf8')),
  )
  memcached = await startMemcached()
  const certificate = file('both.pem')
  way = await startHaproxy({ backends: [memcached], tls: { certificate } })
  strictWay = await startHaproxy({ backends: [memcached], tls: { certificate, clientAuthority: file('cert.pem') } })
})

afterAll(async () => {
  await way?.close()
  await strictWay?.close()
  await memcached?.close()
  await rm(folder, { recursive: true })
})

function open(url: string): StorageNode {
  return createMemcachedNode({ id: 'n1', address: parseNodeAddress(url), operationTimeout: 10_000, reconnectPause: 0 })
}

describe('the memcached node over TLS', () => {
  storageNodeConformance(
    'memcached with TLS and a client certificate',
    {
      async open() {
        await memcached.flushAll()
        const files = `ca=${parameter('cert.pem')}&cert=${parameter('cert.pem')}&key=${parameter('key.pem')}`
        return { node: open(`memcacheds://127.0.0.1:${strictWay.port}?${files}`), close: async () => {} }
      },
    },
    { describe, it },
  )

  it('takes the name of the certificate from servername', async () => {
    const node = open(`memcacheds://127.0.0.1:${way.port}?ca=${parameter('cert.pem')}&servername=cache.example`)
    await node.ping()
    await node.close()
  })

  it('does not talk to a server whose certificate it can not check, whatever the environment says', async () => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    try {
      const node = open(`memcacheds://127.0.0.1:${way.port}`)
      await expect(node.ping()).rejects.toThrow(/self-signed certificate/)
      await node.close()
    } finally {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
      else process.env.NODE_TLS_REJECT_UNAUTHORIZED = before
    }
    const other = open(`memcacheds://127.0.0.1:${way.port}?ca=${parameter('cert.pem')}&servername=other.example`)
    await expect(other.ping()).rejects.toThrow(/other\.example/)
    await other.close()
  })

  it('is refused without the certificate that the server wants', async () => {
    const node = open(`memcacheds://127.0.0.1:${strictWay.port}?ca=${parameter('cert.pem')}`)
    await expect(node.ping()).rejects.toThrow(NodeUnreachableError)
    await node.close()
  })

  it('says which file can not be read, and which is none', async () => {
    const node = open(`memcacheds://127.0.0.1:${way.port}?ca=/no/such/file.pem`)
    await expect(node.ping()).rejects.toThrow(/\/no\/such\/file\.pem/)
    await node.close()
    await writeFile(file('nonsense.pem'), 'nonsense')
    const other = open(
      `memcacheds://127.0.0.1:${way.port}?ca=${parameter('cert.pem')}&cert=${parameter('nonsense.pem')}&key=${parameter('key.pem')}`,
    )
    await expect(other.ping()).rejects.toThrow(NodeUnreachableError)
    await other.close()
  })

  it('does not send in plain text to a server without TLS', async () => {
    const node = open(`memcacheds://${memcached.host}:${memcached.port}?ca=${parameter('cert.pem')}`)
    await expect(node.ping()).rejects.toThrow(NodeUnreachableError)
    await node.close()
  })

  it('gives up at once when the server behind it goes away, and goes on when it is back', async () => {
    const node = open(`memcacheds://127.0.0.1:${way.port}?ca=${parameter('cert.pem')}`)
    const result = await node.put('key', Buffer.from('before'), 0, 'any')
    await memcached.restart()
    await waitFor(() =>
      node.ping().then(
        () => true,
        () => false,
      ),
    )
    if (result.stored) expect(await node.put('key', Buffer.from('late'), 0, result.fence)).toEqual({ stored: false })
    expect(await node.get('key')).toBeUndefined()
    await node.close()
  })
})
