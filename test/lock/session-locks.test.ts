import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ClosedError, LockLostError, LockTimeoutError, NodeUnreachableError } from '../../src/errors.js'
import type { LockHold, SessionLocks } from '../../src/lock/session-locks.js'
import { createMemoryNode } from '../../src/node/memory-node.js'
import { ObservedNode, openLocks } from './locks.js'

const key = 'lock:session'

let node: ObservedNode
let one: ReturnType<typeof openLocks>
let other: ReturnType<typeof openLocks>

/* Time stands still but for what a test lets pass: nothing here depends on how fast the machine is. */
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
  node = new ObservedNode(createMemoryNode({ id: 'n1' }))
  one = openLocks({}, 'one')
  other = openLocks({}, 'other')
})

afterEach(async () => {
  one.close()
  other.close()
  await node.close()
  vi.useRealTimers()
})

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)
const stored = async (name = key): Promise<string | undefined> => (await node.get(name))?.bytes.toString()

/** What becomes of a request, to look at while time passes. */
function follow(acquiring: Promise<LockHold>): { hold?: LockHold; error?: unknown } {
  const followed: { hold?: LockHold; error?: unknown } = {}
  acquiring.then(
    (hold) => {
      followed.hold = hold
    },
    (error: unknown) => {
      followed.error = error
    },
  )
  return followed
}

async function locked(locks: SessionLocks): Promise<boolean> {
  const followed = follow(locks.acquire(key, node))
  await pass(0)
  return followed.hold === undefined
}

describe('a lock on a node', () => {
  it('costs one round trip to take and one to release, and leaves nothing behind', async () => {
    const hold = await one.acquire(key, node)
    expect(one.held).toBe(1)
    expect(await stored()).toMatch(/^[A-Za-z0-9_-]{22} one$/)
    await hold.release()
    expect(node.operations).toEqual(['put', 'get', 'delete'])
    expect(await stored()).toBeUndefined()
    expect([one.held, one.waiting]).toEqual([0, 0])
    expect(one.reports).toEqual({ waited: [], timeouts: [], lost: [] })
  })

  it('has another value each time that it is taken', async () => {
    const values = []
    for (let i = 0; i < 3; i++) {
      const hold = await one.acquire(key, node)
      values.push(await stored())
      await hold.release()
    }
    expect(new Set(values).size).toBe(3)
  })

  it('keeps another process out until it is released', async () => {
    const hold = await one.acquire(key, node)
    const followed = follow(other.acquire(key, node))
    await pass(500)
    expect(followed).toEqual({})
    expect(other.waiting).toBe(1)
    await hold.release()
    await pass(60)
    expect(followed.hold).toBeDefined()
    expect(await stored()).toMatch(/other$/)
    expect(other.reports.waited).toEqual([expect.closeTo(530, -2)])
  })

  it('is no hindrance for another session', async () => {
    await one.acquire(key, node)
    await one.acquire('lock:another', node)
    await other.acquire('lock:third', node)
    expect(one.held).toBe(2)
  })

  it('is released once, however often that is asked for', async () => {
    const hold = await one.acquire(key, node)
    const next = follow(one.acquire(key, node))
    await Promise.all([hold.release(), hold.release()])
    await hold.release()
    await pass(0)
    expect(next.hold).toBeDefined()
    expect(one.held).toBe(1)
    expect(await stored()).toMatch(/one$/)
  })

  it('is asked for at growing intervals of at most 50 ms while another process has it', async () => {
    await one.acquire(key, node)
    follow(other.acquire(key, node))
    await pass(5000)
    const attempts = node.operations.length
    expect(attempts).toBeGreaterThan(5000 / 50)
    expect(attempts).toBeLessThan(5000 / 25 + 30)
  })
})

describe('expiry and renewal', () => {
  it('a lock stays as long as its holder lives', async () => {
    const hold = await one.acquire(key, node)
    await pass(60_000)
    expect(await locked(other)).toBe(true)
    expect(hold.signal.aborted).toBe(false)
    expect(node.operations.filter((operation) => operation === 'put').length).toBeGreaterThan(60)
  })

  it('a hold that is short is never renewed', async () => {
    const hold = await one.acquire(key, node)
    await pass(999)
    await hold.release()
    await pass(60_000)
    expect(node.operations).toEqual(['put', 'delete'])
  })

  it('a lock outlives a holder that died by its expiry, and not longer', async () => {
    await one.acquire(key, node)
    one.close()
    const followed = follow(other.acquire(key, node))
    await pass(2990)
    expect(followed).toEqual({})
    await pass(70)
    expect(followed.hold).toBeDefined()
  })

  it('a holder learns that its lock was removed', async () => {
    const hold = await one.acquire(key, node)
    const { signal } = hold
    await node.delete(key)
    expect(signal.aborted).toBe(false)
    await pass(1001)
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toBeInstanceOf(LockLostError)
    expect(one.reports.lost).toEqual([key])
    await hold.release()
    expect(one.held).toBe(0)
  })

  it('a signal that is asked for after the loss is aborted already', async () => {
    const hold = await one.acquire(key, node)
    await node.delete(key)
    await pass(1001)
    expect(hold.signal.aborted).toBe(true)
  })

  it('a lock that cannot be renewed in time is lost before it can be another one’s', async () => {
    const hold = await one.acquire(key, node)
    const { signal } = hold
    node.before = () => Promise.reject(new NodeUnreachableError('down'))
    await pass(1999)
    expect(signal.aborted).toBe(false)
    await pass(2)
    expect(signal.aborted).toBe(true)
    expect(one.reports.lost).toEqual([key])
    node.before = () => {}
    expect(await locked(other)).toBe(true)
    await pass(1060)
    expect(await stored()).toMatch(/other$/)
  })

  it('a node that hangs does not keep the loss from being noticed', async () => {
    const { signal } = await one.acquire(key, node)
    node.before = () => new Promise(() => {})
    await pass(2001)
    expect(signal.aborted).toBe(true)
  })

  it('a renewal that failed is tried again in time', async () => {
    const { signal } = await one.acquire(key, node)
    let failures = 3
    node.before = () => (failures-- > 0 ? Promise.reject(new NodeUnreachableError('down')) : undefined)
    await pass(10_000)
    expect(failures).toBeLessThan(0)
    expect(signal.aborted).toBe(false)
    expect(await locked(other)).toBe(true)
  })

  it('the next request of this process takes a lock that was lost anew', async () => {
    const hold = await one.acquire(key, node)
    const next = follow(one.acquire(key, node))
    await node.delete(key)
    await pass(1001)
    await hold.release()
    await pass(0)
    expect(next.hold?.signal.aborted).toBe(false)
    expect(await stored()).toMatch(/one$/)
  })

  it('the release of one whose lock has expired leaves the next one’s lock alone', async () => {
    const hold = await one.acquire(key, node)
    one.close()
    await pass(3001)
    await other.acquire(key, node)
    await hold.release()
    expect(await stored()).toMatch(/other$/)
  })

  it('the renewal of one whose lock has expired leaves the next one’s lock alone', async () => {
    const { signal } = await one.acquire(key, node)
    await node.put(key, Buffer.from('somebody else'), Date.now() + 1_000_000, 'any')
    await pass(5000)
    expect(await stored()).toBe('somebody else')
    expect(signal.aborted).toBe(true)
  })

  it('a release waits for a renewal that is under way', async () => {
    const hold = await one.acquire(key, node)
    let renew = (): void => {}
    node.before = () =>
      new Promise((resolve) => {
        renew = resolve
      })
    await pass(1001)
    expect(node.operations).toEqual(['put', 'put'])
    node.before = () => {}
    let released = false
    const releasing = hold.release().then(() => {
      released = true
    })
    await pass(100)
    expect(released).toBe(false)
    renew()
    await releasing
    expect(await stored()).toBeUndefined()
  })
})

describe('the line in one process', () => {
  it('serves requests in the order in which they came', async () => {
    const served: number[] = []
    const requests = Array.from({ length: 30 }, async (_, index) => {
      const hold = await one.acquire(key, node)
      served.push(index)
      await hold.release()
    })
    await pass(2000)
    await Promise.all(requests)
    expect(served).toEqual(Array.from({ length: 30 }, (_, index) => index))
    expect(one.reports.waited).toHaveLength(29)
  })

  it('hands the node’s lock on without a round trip, at most eight times in a row', async () => {
    const requests = Array.from({ length: 20 }, async () => (await one.acquire(key, node)).release())
    await pass(2000)
    await Promise.all(requests)
    expect(node.operations).toEqual(['put', 'delete', 'put', 'delete', 'put', 'delete'])
  })

  it('does not hand the lock on when the turn has lasted long', async () => {
    const first = await one.acquire(key, node)
    const next = follow(one.acquire(key, node))
    await pass(101)
    await first.release()
    await pass(60)
    expect(next.hold).toBeDefined()
    expect(node.operations).toEqual(['put', 'delete', 'put'])
  })

  it('lets another process have its turn, although requests keep coming', async () => {
    let done = false
    const busy = async (): Promise<void> => {
      while (!done) {
        const hold = await one.acquire(key, node)
        await new Promise((resolve) => setTimeout(resolve, 5))
        await hold.release()
      }
    }
    const loops = [busy(), busy(), busy()]
    await pass(50)
    const followed = follow(other.acquire(key, node))
    await pass(10_000)
    expect(followed.hold).toBeDefined()
    done = true
    await followed.hold?.release()
    await pass(1000)
    await Promise.all(loops)
  })

  it('tells a request to whom the lock was handed on when it is lost', async () => {
    const first = await one.acquire(key, node)
    const next = follow(one.acquire(key, node))
    await first.release()
    await pass(0)
    await node.delete(key)
    await pass(1001)
    expect(next.hold?.signal.aborted).toBe(true)
    expect(first.signal.aborted).toBe(false)
  })

  it('works without a node, for this process alone', async () => {
    const hold = await one.acquire(key, undefined)
    const next = follow(one.acquire(key, undefined))
    await pass(10_000)
    expect(next).toEqual({})
    await hold.release()
    await pass(0)
    expect(next.hold).toBeDefined()
    await other.acquire(key, undefined)
    expect(node.operations).toEqual([])
  })

  it('is one line for requests that lock on different nodes', async () => {
    const second = new ObservedNode(createMemoryNode({ id: 'n2' }))
    const hold = await one.acquire(key, node)
    const next = follow(one.acquire(key, second))
    await pass(10)
    expect(second.operations).toEqual([])
    await hold.release()
    await pass(0)
    expect(next.hold).toBeDefined()
    expect([node.operations, second.operations]).toEqual([['put', 'delete'], ['put']])
  })
})

describe('limits', () => {
  it('a request that waits too long for one of this process gets 503 and Retry-After', async () => {
    const locks = openLocks({ timeout: 1000 })
    await locks.acquire(key, undefined)
    const followed = follow(locks.acquire(key, undefined))
    await pass(999)
    expect(followed).toEqual({})
    await pass(1)
    expect(followed.error).toBeInstanceOf(LockTimeoutError)
    expect(followed.error).toMatchObject({
      code: 'HOLDFAST_LOCK_TIMEOUT',
      status: 503,
      headers: { 'Retry-After': '1' },
    })
    expect(locks.reports).toEqual({ waited: [1000], timeouts: [key], lost: [] })
    expect(locks.waiting).toBe(0)
  })

  it('a request that waits too long for one of another process gets the same', async () => {
    const locks = openLocks({ timeout: 1000 })
    await one.acquire(key, node)
    const followed = follow(locks.acquire(key, node))
    await pass(1001)
    expect(followed.error).toBeInstanceOf(LockTimeoutError)
    expect(locks.reports.timeouts).toEqual([key])
  })

  it('one that gave up leaves the line to the others', async () => {
    const limits = { timeout: 100 }
    const locks = openLocks(limits)
    const hold = await locks.acquire(key, node)
    const impatient = follow(locks.acquire(key, node))
    limits.timeout = 10_000
    const patient = follow(locks.acquire(key, node))
    await pass(200)
    expect(impatient.error).toBeInstanceOf(LockTimeoutError)
    await hold.release()
    await pass(60)
    expect(patient.hold).toBeDefined()
  })

  it('with a time-out of 0 there is one attempt', async () => {
    const locks = openLocks({ timeout: 0 })
    await (await locks.acquire(key, node)).release()
    await one.acquire(key, node)
    const followed = follow(locks.acquire(key, node))
    await pass(1)
    expect(followed.error).toBeInstanceOf(LockTimeoutError)
  })

  it('further requests are turned away at once when the line is full', async () => {
    const locks = openLocks({ maxWaiters: 2 })
    const hold = await locks.acquire(key, node)
    const waiting = [follow(locks.acquire(key, node)), follow(locks.acquire(key, node))]
    await expect(locks.acquire(key, node)).rejects.toBeInstanceOf(LockTimeoutError)
    await expect(locks.acquire('lock:another', node)).resolves.toBeDefined()
    expect(locks.reports).toEqual({ waited: [], timeouts: [key], lost: [] })
    await hold.release()
    await pass(0)
    expect(waiting[0]?.hold).toBeDefined()
  })

  it('with a line of length 0 nobody waits in this process', async () => {
    const locks = openLocks({ maxWaiters: 0 })
    await locks.acquire(key, undefined)
    await expect(locks.acquire(key, undefined)).rejects.toBeInstanceOf(LockTimeoutError)
  })

  it('sessions that nobody locks any more take no memory', async () => {
    for (let i = 0; i < 100; i++) await (await one.acquire(`lock:${i}`, node)).release()
    expect(Reflect.get(one, 'lines').size).toBe(0)
  })
})

describe('a node that fails', () => {
  it('while a lock is taken: its error passes on as it is, and the next in line tries by itself', async () => {
    const error = new NodeUnreachableError('down')
    node.before = () => Promise.reject(error)
    const first = follow(one.acquire(key, node))
    const next = follow(one.acquire(key, undefined))
    await pass(0)
    expect(first.error).toBe(error)
    expect(next.hold).toBeDefined()
    expect(one.reports.timeouts).toEqual([])
  })

  it('while a lock is taken, after it was written: the value does not stay', async () => {
    let lostAnswers = 1
    node.after = () => (lostAnswers-- > 0 ? Promise.reject(new NodeUnreachableError('reset')) : undefined)
    await expect(one.acquire(key, node)).rejects.toBeInstanceOf(NodeUnreachableError)
    await pass(0)
    expect(await stored()).toBeUndefined()
  })

  it('while a lock is released: the lock expires by itself', async () => {
    const hold = await one.acquire(key, node)
    node.before = () => Promise.reject(new NodeUnreachableError('down'))
    await hold.release()
    node.before = () => {}
    const followed = follow(other.acquire(key, node))
    await pass(2000)
    expect(followed).toEqual({})
    await pass(1100)
    expect(followed.hold).toBeDefined()
  })

  it('for a moment while a lock is released: it is removed all the same', async () => {
    const hold = await one.acquire(key, node)
    let failures = 1
    node.before = () => (failures-- > 0 ? Promise.reject(new NodeUnreachableError('reset')) : undefined)
    await hold.release()
    await pass(0)
    expect(await stored()).toBeUndefined()
  })
})

describe('close', () => {
  it('rejects those who wait, in line and for the node, and refuses new ones', async () => {
    await one.acquire(key, node)
    const waiting = [follow(other.acquire(key, node)), follow(other.acquire(key, node))]
    await pass(100)
    other.close()
    await pass(0)
    for (const { error } of waiting) expect(error).toBeInstanceOf(ClosedError)
    await expect(other.acquire(key, node)).rejects.toBeInstanceOf(ClosedError)
    expect(other.waiting).toBe(0)
    expect(Reflect.get(other, 'lines').size).toBe(0)
  })

  it('gives back a lock that arrives after it', async () => {
    let answer = (): void => {}
    node.after = () =>
      new Promise((resolve) => {
        answer = resolve
      })
    const followed = follow(one.acquire(key, node))
    await pass(10)
    one.close()
    node.after = () => {}
    answer()
    await pass(0)
    expect(followed.error).toBeInstanceOf(ClosedError)
    expect(await stored()).toBeUndefined()
  })

  it('leaves no timer behind', async () => {
    await one.acquire(key, node)
    follow(one.acquire(key, node))
    follow(other.acquire(key, node))
    await pass(10)
    one.close()
    other.close()
    await pass(0)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('leaves holds releasable', async () => {
    const hold = await one.acquire(key, node)
    one.close()
    one.close()
    await hold.release()
    expect(await stored()).toBeUndefined()
  })
})
