import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LockTimeoutError, NodeUnreachableError } from '../../src/errors.js'
import type { SessionLocks } from '../../src/lock/session-locks.js'
import { Opcode } from '../../src/memcached-wire/binary.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../src/node/memcached/memcached-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { type FaultyServer, startFaultyServer } from '../../src/testing/faulty-server.js'
import { startMemcached, type TestMemcached } from '../../src/testing/start-memcached.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { type ObservedLocks, openLocks } from './locks.js'

const key = 'lock:session'
/** Long, so that a slow machine loses no lock and runs into no time-out. */
const patient = { expiry: 30_000, timeout: 60_000 }

let memcached: TestMemcached
let server: FaultyServer
let opened: { close(): void | Promise<void> }[]

beforeAll(async () => {
  memcached = await startMemcached()
})

afterAll(() => memcached.close())

beforeEach(async () => {
  await memcached.flushAll()
  server = await startFaultyServer(memcached)
  opened = []
})

afterEach(async () => {
  for (const each of opened) await each.close()
  await server.close()
})

function openNode(operationTimeout = 10_000): StorageNode {
  const address = parseNodeAddress(`memcached://${server.host}:${server.port}`)
  const node = createMemcachedNode({ id: 'n1', address, operationTimeout, reconnectPause: 0 })
  opened.push(node)
  return node
}

function open(changed: Parameters<typeof openLocks>[0] = {}): ObservedLocks {
  const locks = openLocks({ ...patient, ...changed })
  opened.unshift(locks)
  return locks
}

const stored = async (node: StorageNode): Promise<string | undefined> => (await node.get(key))?.bytes.toString()

/** Something that two at a time would spoil: a value that is read, kept for a while, and written. */
class CriticalSection {
  value = 0
  overlaps = 0
  #inside = 0

  async increment(yields: number): Promise<void> {
    this.#inside += 1
    if (this.#inside > 1) this.overlaps += 1
    const read = this.value
    for (let i = 0; i < yields; i++) await new Promise((resolve) => setImmediate(resolve))
    this.value = read + 1
    this.#inside -= 1
  }
}

async function incrementLocked(locks: SessionLocks, node: StorageNode, section: CriticalSection, yields: number) {
  const hold = await locks.acquire(key, node)
  try {
    await section.increment(yields)
  } finally {
    await hold.release()
  }
}

describe('two servers and one memcached', () => {
  it('never hold a lock at the same time, and lose no increment', async () => {
    const servers = Array.from({ length: 2 }, () => ({ locks: open(), node: openNode() }))
    const requests = fc.array(fc.record({ server: fc.nat(1), yields: fc.nat(3) }), { minLength: 2, maxLength: 40 })
    await fc.assert(
      fc.asyncProperty(requests, async (chosen) => {
        const section = new CriticalSection()
        await Promise.all(
          chosen.map(({ server, yields }) => {
            const { locks, node } = servers[server] as (typeof servers)[0]
            return incrementLocked(locks, node, section, yields)
          }),
        )
        expect(section).toMatchObject({ value: chosen.length, overlaps: 0 })
      }),
      { numRuns: 15, endOnFailure: true },
    )
  })

  it('let each other have their turns, although the requests of one never end', async () => {
    const [busy, other] = [open(), open()]
    const [node, otherNode] = [openNode(), openNode()]
    const section = new CriticalSection()
    let done = false
    const load = Array.from({ length: 4 }, async () => {
      while (!done) await incrementLocked(busy, node, section, 2)
    })
    await waitFor(() => section.value > 20)
    for (let turn = 0; turn < 5; turn++) await incrementLocked(other, otherNode, section, 2)
    done = true
    await Promise.all(load)
    expect(section.overlaps).toBe(0)
    expect(other.reports.timeouts).toEqual([])
  })

  it('run 200 increments of one value to exactly 200', async () => {
    const section = new CriticalSection()
    const servers = Array.from({ length: 2 }, () => ({ locks: open(), node: openNode() }))
    const requests = servers.flatMap(({ locks, node }) =>
      Array.from({ length: 100 }, () => incrementLocked(locks, node, section, 2)),
    )
    await Promise.all(requests)
    expect(section).toMatchObject({ value: 200, overlaps: 0 })
    expect(servers.map(({ locks }) => [locks.waiting, locks.held])).toEqual([
      [0, 0],
      [0, 0],
    ])
  })

  it('go on after the expiry when a server died with the lock', async () => {
    const [dead, alive] = [open({ expiry: 2000 }), open()]
    const node = openNode()
    await dead.acquire(key, node)
    dead.close()
    const hold = await alive.acquire(key, node)
    expect(await stored(node)).toMatch(/test$/)
    expect(hold.signal.aborted).toBe(false)
    await hold.release()
    expect(await stored(node)).toBeUndefined()
  })

  it('keep a lock for as long as its holder lives, beyond the expiry', async () => {
    const [locks, node] = [open({ expiry: 6000 }), openNode()]
    const hold = await locks.acquire(key, node)
    const writes = async (): Promise<number> => Number((await memcached.stats()).cmd_set)
    const before = await writes()
    await waitFor(async () => (await writes()) >= before + 4, { timeout: 15_000, message: 'four renewals' })
    expect(hold.signal.aborted).toBe(false)
    await expect(open({ timeout: 100 }).acquire(key, node)).rejects.toBeInstanceOf(LockTimeoutError)
    await hold.release()
  })

  it('do not release each other’s locks: one that expired and was taken by another stays', async () => {
    const [late, next] = [open({ expiry: 2000 }), open()]
    const [node, other] = [openNode(), openNode()]
    const hold = await late.acquire(key, node)
    late.close()
    await next.acquire(key, other)
    const value = await stored(other)
    await hold.release()
    expect(value).toBeDefined()
    expect(await stored(other)).toBe(value)
  })

  it('learn that memcached has lost a lock', async () => {
    const locks = open({ expiry: 2500 })
    const hold = await locks.acquire(key, openNode())
    const { signal } = hold
    await memcached.flushAll()
    await waitFor(() => signal.aborted, { timeout: 10_000 })
    expect(locks.reports.lost).toEqual([key])
    await hold.release()
  })
})

describe('a connection that breaks', () => {
  it('between taking and releasing a lock does not keep it from being released', async () => {
    const [locks, node] = [open(), openNode()]
    const hold = await locks.acquire(key, node)
    server.dropConnections('reset')
    await waitFor(() => server.openConnections === 0)
    await hold.release()
    await waitFor(async () => (await stored(node)) === undefined)
    expect(node.connections).toBeGreaterThan(1)
  })

  it('before a renewal does not lose the lock', async () => {
    const [locks, node, looker] = [open({ expiry: 6000 }), openNode(), openNode()]
    const hold = await locks.acquire(key, node)
    const value = await stored(looker)
    const connections = server.connections
    server.dropConnections('reset')
    const writes = async (): Promise<number> => Number((await memcached.stats()).cmd_set)
    const before = await writes()
    await waitFor(async () => (await writes()) >= before + 3, { timeout: 15_000, message: 'three renewals' })
    expect(server.connections).toBeGreaterThan(connections)
    expect(hold.signal.aborted).toBe(false)
    expect(await stored(openNode())).toBe(value)
    await hold.release()
    await waitFor(async () => (await stored(openNode())) === undefined)
  })

  it('after a lock was written and before the answer leaves no lock behind', async () => {
    const [locks, node] = [open(), openNode()]
    await node.ping()
    server.fail({ kind: 'cut-reply', bytes: 0, afterwards: 'reset' }, { requests: 1, opcode: Opcode.add })
    await expect(locks.acquire(key, node)).rejects.toBeInstanceOf(NodeUnreachableError)
    await waitFor(async () => (await stored(openNode())) === undefined)
  })
})

describe('a memcached that hangs', () => {
  it('while a lock is taken: the error of the node passes on, also when the lock’s own time-out is shorter', async () => {
    const [locks, node] = [open({ timeout: 10 }), openNode(300)]
    await node.ping()
    server.fail({ kind: 'silent' })
    await expect(locks.acquire(key, node)).rejects.toBeInstanceOf(NodeUnreachableError)
    expect(locks.reports.timeouts).toEqual([])
    expect([locks.waiting, locks.held]).toEqual([0, 0])
  })

  it('while a lock is released: the release ends all the same, and the lock is gone by its expiry at the latest', async () => {
    const [locks, node] = [open({ expiry: 3000 }), openNode(300)]
    const hold = await locks.acquire(key, node)
    server.fail({ kind: 'silent' })
    await hold.release()
    expect(locks.held).toBe(0)
    server.heal()
    const next = await open().acquire(key, openNode())
    await next.release()
  })

  it('while a lock is held: the holder learns that it is lost', async () => {
    const [locks, node] = [open({ expiry: 2500 }), openNode(300)]
    const { signal } = await locks.acquire(key, node)
    server.fail({ kind: 'silent' })
    await waitFor(() => signal.aborted, { timeout: 15_000 })
    expect(locks.reports.lost).toEqual([key])
  })
})
