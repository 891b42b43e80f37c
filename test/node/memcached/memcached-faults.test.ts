import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { NodeRefusedError, NodeUnreachableError } from '../../../src/errors.js'
import { Opcode } from '../../../src/memcached-wire/binary.js'
import { parseNodeAddress } from '../../../src/node/address/node-address.js'
import { createMemcachedNode, type MemcachedNodeOptions } from '../../../src/node/memcached/memcached-node.js'
import type { Fence, StorageNode } from '../../../src/node/storage-node.js'
import { type FaultyServer, startFaultyServer } from '../../../src/testing/faulty-server.js'
import { startMemcached, type TestMemcached } from '../../../src/testing/start-memcached.js'
import { waitFor } from '../../../src/testing/wait-for.js'
import { takesOwnNumbers } from '../../support/own-numbers.js'

/** Short, for the tests that wait for it. */
const timeout = 1000
/** Long, for the tests that show that something happens at once and not by time-out. */
const patience = 60_000

const protocols = ['binary', 'meta'] as const

let memcached: TestMemcached
let protocol: (typeof protocols)[number] = 'binary'
let server: FaultyServer
let node: StorageNode

beforeAll(async () => {
  memcached = await startMemcached()
})

afterAll(() => memcached.close())

async function begin(): Promise<void> {
  await memcached.flushAll()
  server = await startFaultyServer(memcached)
  node = openNode()
}

afterEach(async () => {
  await node.close()
  await server.close()
})

function openNode(options: Partial<MemcachedNodeOptions> = {}): StorageNode {
  const address = parseNodeAddress(`memcached://${server.host}:${server.port}?protocol=${protocol}`)
  return createMemcachedNode({ id: 'n1', address, operationTimeout: timeout, reconnectPause: 0, ...options })
}

const later = (): number => Date.now() + 600_000

async function beginPatiently(): Promise<void> {
  await node.close()
  node = openNode({ operationTimeout: patience })
  await node.ping()
}

async function put(key: string, value: string | Buffer): Promise<Fence> {
  const result = await node.put(key, Buffer.from(value), later(), 'any')
  if (!result.stored) throw new Error('refused')
  return result.fence
}

async function text(key: string): Promise<string | undefined> {
  return (await node.get(key))?.bytes.toString()
}

/** How long it took until the operation was known to be unreachable. */
async function unreachableAfter(operation: Promise<unknown>): Promise<number> {
  const start = performance.now()
  await expect(operation).rejects.toThrow(NodeUnreachableError)
  return performance.now() - start
}

describe.each(protocols)('the memcached node when the connection ends, %s protocol', (kind) => {
  beforeEach(() => {
    protocol = kind
    return begin()
  })

  it('rejects what is pending at once when the server closes the connection', async () => {
    await beginPatiently()
    server.fail({ kind: 'close' })
    const [one, other] = await Promise.all([unreachableAfter(node.get('a')), unreachableAfter(node.get('b'))])
    expect(Math.max(one, other)).toBeLessThan(patience / 2)
  })

  it('rejects what is pending at once when the server resets the connection', async () => {
    await beginPatiently()
    server.fail({ kind: 'reset' })
    expect(await unreachableAfter(node.get('a'))).toBeLessThan(patience / 2)
  })

  it('keeps a process with nothing else to do alive until the pending operation has settled', async () => {
    server.fail({ kind: 'close' })
    const program = new URL('../../support/one-operation.js', import.meta.url).pathname
    const { stdout } = await promisify(execFile)(process.execPath, [
      program,
      `${server.host}:${server.port}?protocol=${protocol}`,
    ])
    expect(stdout.trim()).toBe('HOLDFAST_NODE_UNREACHABLE')
  })

  it('never sends a write again: a newer value is not overwritten by an older one', async () => {
    await put('key', 'oldest')
    server.fail({ kind: 'close' }, { requests: 1, opcode: Opcode.set })
    await expect(put('key', 'old')).rejects.toThrow(NodeUnreachableError)
    await put('key', 'new')
    const end = performance.now() + 4 * timeout
    while (performance.now() < end) expect(await text('key')).toBe('new')
  })

  it('answers an operation that is begun in the very moment of the failure, on a new connection', async () => {
    await put('key', 'value')
    server.fail({ kind: 'reset' }, { requests: 1 })
    const next = node.ping().catch(() => text('key'))
    expect(await next).toBe('value')
    expect(node.connections).toBe(2)
  })

  it('works on after every connection was dropped while idle', async () => {
    await put('key', 'value')
    for (const how of ['close', 'reset'] as const) {
      server.dropConnections(how)
      await waitFor(() => server.openConnections === 0)
      expect(await text('key')).toBe('value')
    }
    expect(node.connections).toBe(3)
  })

  it('counts an established connection, not an attempt', async () => {
    await node.ping()
    await server.refuse()
    for (let attempt = 0; attempt < 3; attempt += 1) await unreachableAfter(node.ping())
    expect(node.connections).toBe(1)
    await server.accept()
    await node.ping()
    expect(node.connections).toBe(2)
  })

  it('tries a server that refuses connections at a bounded rate', async () => {
    await node.close()
    node = openNode({ reconnectPause: patience, operationTimeout: patience })
    await server.refuse()
    await unreachableAfter(node.ping())
    await server.accept()
    for (let attempt = 0; attempt < 50; attempt += 1) await unreachableAfter(node.ping())
    expect(server.connections).toBe(0)
  })

  it('refuses a token of an earlier connection without asking the server, unless it is a number of our own', async () => {
    const own = await takesOwnNumbers(memcached, protocol)
    const fence = await put('key', 'value')
    server.dropConnections()
    await waitFor(() => server.openConnections === 0)
    const before = server.operations
    expect(await node.put('key', Buffer.from('new'), later(), fence)).toMatchObject({ stored: own })
    expect(await node.delete('key', fence)).toBe('refused')
    await node.ping()
    expect(await node.put('key', Buffer.from('new'), later(), fence)).toEqual({ stored: false })
    expect(server.operations - before).toBe(own ? 4 : 1)
  })
})

describe.each(protocols)('the memcached node when answers fail to come, %s protocol', (kind) => {
  beforeEach(() => {
    protocol = kind
    return begin()
  })

  it('notices a hung server within the operation time-out although traffic goes on', async () => {
    await node.ping()
    server.fail({ kind: 'silent' })
    const first = unreachableAfter(node.get('first'))
    const traffic = setInterval(() => node.get('more').catch(() => {}), 5)
    expect(await first).toBeLessThan(patience / 2)
    clearInterval(traffic)
  })

  it('rejects everything that is pending when one operation times out, and starts afresh', async () => {
    await put('key', 'value')
    server.fail({ kind: 'silent' }, { requests: 1 })
    const lost = unreachableAfter(node.get('key'))
    const behind = unreachableAfter(node.get('key'))
    await Promise.all([lost, behind])
    expect(await text('key')).toBe('value')
  })

  it('does not give a late answer to the next operation', async () => {
    await put('slow', 'slow value')
    await put('next', 'next value')
    server.fail({ kind: 'delay', ms: timeout + 100 }, { requests: 1 })
    await unreachableAfter(node.get('slow'))
    const end = performance.now() + timeout
    while (performance.now() < end) expect(await text('next')).toBe('next value')
  })

  it('limits how many operations and how many bytes can be pending', async () => {
    await node.close()
    node = openNode({ maxPending: 10, maxPendingBytes: 10_000 })
    server.fail({ kind: 'silent' })
    const pending = Array.from({ length: 10 }, () => unreachableAfter(node.get('key')))
    await expect(node.get('key')).rejects.toThrow(/10 operations pending/)
    await Promise.all(pending)
    const large = unreachableAfter(put('key', Buffer.alloc(8000)))
    await expect(put('key', Buffer.alloc(8000))).rejects.toThrow(/bytes pending/)
    await large
  })

  it('rejects what is pending when it is closed, and leaves no connection', async () => {
    await node.ping()
    server.fail({ kind: 'silent' })
    const pending = node.get('key')
    await node.close()
    await expect(pending).rejects.toMatchObject({ code: 'HOLDFAST_CLOSED' })
    await waitFor(() => server.openConnections === 0)
  })
})

describe.each(protocols)('the memcached node when answers are wrong, %s protocol', (kind) => {
  beforeEach(() => {
    protocol = kind
    return begin()
  })

  it('never serves half a reply glued to another one', async () => {
    const large = 'x'.repeat(50_000)
    await put('large', large)
    await put('small', 'small')
    for (const afterwards of ['stop', 'close', 'reset'] as const) {
      server.fail({ kind: 'cut-reply', afterwards }, { requests: 1 })
      await unreachableAfter(node.get('large'))
      expect(await text('large')).toBe(large)
      expect(await text('small')).toBe('small')
    }
  })

  it('never serves a reply that was cut within its header', async () => {
    await put('key', 'value')
    server.fail({ kind: 'cut-reply', bytes: 10, afterwards: 'stop' }, { requests: 1 })
    await unreachableAfter(node.get('key'))
    expect(await text('key')).toBe('value')
  })

  it('refuses a reply that belongs to another request, at once', async () => {
    await beginPatiently()
    await put('key', 'value')
    server.fail({ kind: 'other-request' }, { requests: 1 })
    expect(await unreachableAfter(node.get('key'))).toBeLessThan(patience / 2)
    expect(await text('key')).toBe('value')
    expect(node.connections).toBe(2)
  })

  it('refuses replies that are out of step with the requests, at once', async () => {
    await beginPatiently()
    await put('a', 'a')
    server.fail({ kind: 'silent' }, { requests: 1 })
    const [first] = await Promise.allSettled([node.get('a'), node.get('b')])
    expect(first).toMatchObject({ reason: { message: expect.stringMatching(/answers no pending operation/) } })
  })

  it('refuses bytes that are no reply, at once', async () => {
    await beginPatiently()
    server.fail({ kind: 'garbage' }, { requests: 1 })
    expect(await unreachableAfter(node.get('key'))).toBeLessThan(patience / 2)
    await node.ping()
  })

  it('ends the connection when a reply claims to be longer than any can be', async () => {
    await node.close()
    node = openNode({ maxReplyBytes: 10_000, operationTimeout: patience })
    await put('key', Buffer.alloc(500_000))
    expect(await unreachableAfter(node.get('key'))).toBeLessThan(patience / 2)
  })

  it('passes an error status on, and keeps the connection where the server is merely out of memory', async () => {
    await node.ping()
    server.fail({ kind: 'status', status: 0x82 }, { requests: 1 })
    await expect(node.put('key', Buffer.from('value'), later(), 'any')).rejects.toThrow(NodeRefusedError)
    await node.ping()
    expect(node.connections).toBe(1)
  })

  it('passes an unexpected status on, and gives the connection up', async () => {
    await node.ping()
    for (const status of [0x81, 0x04, 0x7777]) {
      server.fail({ kind: 'status', status }, { requests: 1 })
      await expect(node.get('key')).rejects.toThrow(NodeRefusedError)
    }
    await node.ping()
    expect(node.connections).toBe(4)
  })

  it('gives the connection up when the status can not follow the request', async () => {
    await node.ping()
    server.fail({ kind: 'status', status: 2 }, { requests: 1 })
    await unreachableAfter(node.get('key'))
    await node.ping()
    expect(node.connections).toBe(2)
  })

  it('loses nothing but the one write to a server that lies about having stored it', async () => {
    await put('key', 'before')
    server.fail({ kind: 'claim-stored' }, { requests: 1 })
    const invented = await put('key', 'never stored')
    expect(await node.put('key', Buffer.from('next'), later(), invented)).toEqual({ stored: false })
    expect(await text('key')).toBe('before')
  })

  it('hands the bytes of another key to the caller: only the record can tell', async () => {
    await put('mine', 'mine')
    await put('theirs', 'theirs')
    server.fail({ kind: 'other-key', key: 'theirs' }, { requests: 1 })
    expect(await text('mine')).toBe('theirs')
  })
})
