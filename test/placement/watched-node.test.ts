import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { ItemTooLargeError, NodeRefusedError, NodeUnreachableError } from '../../src/errors.js'
import type { ReplicaShortfall } from '../../src/node/storage-node.js'
import { WatchedNode } from '../../src/placement/watched-node.js'
import { systemRandom } from '../../src/random.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { ScriptedNode } from './scripted-node.js'

let node: ScriptedNode
let watched: WatchedNode
let events: string[]
/** What its clock is ahead, in milliseconds. */
let ahead: number

beforeEach(() => {
  node = new ScriptedNode('n1')
  events = []
  const observer = {
    nodeDown: (node: WatchedNode) => events.push(`down ${node.id}`),
    nodeReadOnly: (node: WatchedNode) => events.push(`read-only ${node.id}`),
    nodeRefused: (node: WatchedNode, { message }: Error) => events.push(`refused ${node.id} ${message}`),
    nodeUp: (node: WatchedNode) => events.push(`up ${node.id}`),
    nodeReconnected: (node: WatchedNode) => events.push(`reconnected ${node.id}`),
    nodeReplaced: (node: WatchedNode) => events.push(`replaced ${node.id}`),
    nodeEvicted: (node: WatchedNode, values: number) => events.push(`${node.id} evicted ${values}`),
    replicasMissing: (node: WatchedNode, shortfall: ReplicaShortfall) =>
      events.push(`${node.id} ${shortfall.acknowledged} of ${shortfall.wanted}`),
  }
  ahead = 0
  const clock = { ...systemClock, monotonic: () => performance.now() + ahead }
  watched = new WatchedNode(
    node,
    { clock, random: systemRandom, probeInterval: () => 10, operationTimeout: () => 1000 },
    observer,
  )
})

afterEach(async () => {
  await watched.close()
})

async function lookAgain(): Promise<void> {
  const { figuresRead } = node
  ahead += 15_000
  await watched.check()
  await waitFor(() => node.figuresRead > figuresRead)
}

async function fail(): Promise<void> {
  node.breakDown()
  await expect(watched.get('key')).rejects.toThrow(NodeUnreachableError)
  await watched.check()
}

describe('a watched node', () => {
  it('passes operations on, and their answers back', async () => {
    expect(await watched.get('key')).toBeUndefined()
    expect(await watched.verify('key', {}, 0)).toBe('unchanged')
    expect(await watched.put('key', Buffer.from('x'), 0, 'any')).toMatchObject({ stored: true })
    expect(await watched.touch('key', 0)).toBe(true)
    expect(await watched.delete('key')).toBe('deleted')
    await watched.ping()
    expect(node.calls).toEqual(['get', 'verify', 'put', 'touch', 'delete', 'ping'])
    expect([watched.id, watched.address, watched.maxValueBytes]).toEqual(['n1', 'scripted://n1', 1_000_000])
  })

  it('asks the server for its figures beside the probes, seldom, and tells of what was evicted', async () => {
    node.evictions = 3
    await watched.check()
    for (let i = 0; i < 3; i++) await watched.check()
    expect(node.figuresRead).toBe(1)
    expect(watched.server).toMatchObject({ server: 'scripted', evictions: 3 })
    node.evictions = 10
    await lookAgain()
    expect(events).toEqual(['n1 evicted 7'])
    /* It was restarted. */
    node.evictions = 2
    await lookAgain()
    expect(events).toEqual(['n1 evicted 7'])
    expect(watched.status().server?.evictions).toBe(2)
  })

  it('is no worse for a server that tells nothing of itself', async () => {
    node.evictions = undefined
    await watched.check()
    await waitFor(() => node.figuresRead === 1)
    expect([watched.state, watched.server]).toEqual(['up', undefined])
  })

  it('is down after an operation and a probe without answer, and tells so once', async () => {
    await fail()
    expect([watched.state, watched.isUsable, events]).toEqual(['down', false, ['down n1']])
    expect(watched.failedRecently()).toBe(true)
  })

  it('refuses operations at once while it is down, without trying them', async () => {
    await fail()
    const { length } = node.calls
    for (const operation of [
      () => watched.get('key'),
      () => watched.verify('key', {}, 0),
      () => watched.put('key', Buffer.alloc(1), 0, 'any'),
      () => watched.touch('key', 0),
      () => watched.delete('key'),
      () => watched.ping(),
    ]) {
      await expect(operation()).rejects.toThrow(/is down/)
    }
    expect(node.calls).toHaveLength(length)
  })

  it('comes back by its probes', async () => {
    watched.start()
    await fail()
    node.repair()
    await waitFor(() => watched.state === 'up')
    expect(events).toEqual(['down n1', 'up n1'])
    expect(await watched.get('key')).toBeUndefined()
  })

  it('is not held guilty for answers that refuse one session (W24)', async () => {
    for (const failure of [new ItemTooLargeError('too large'), new NodeRefusedError('no'), new Error('a bug')]) {
      node.failure = failure
      for (let i = 0; i < 10; i++) await expect(watched.put('key', Buffer.alloc(1), 0, 'any')).rejects.toBe(failure)
    }
    node.repair()
    await watched.check()
    expect([watched.state, events.filter((event) => !event.startsWith('refused'))]).toEqual(['up', []])
  })

  it('counts operations and errors, and measures what succeeded', async () => {
    await watched.get('key')
    await watched.get('key')
    node.failure = new NodeRefusedError('no')
    await expect(watched.get('key')).rejects.toThrow()
    const status = watched.status()
    expect(status).toMatchObject({ id: 'n1', state: 'up', draining: false, operations: 3, errors: 1 })
    expect(status.latency.count).toBe(2)
  })

  it('does not count its probes as operations', async () => {
    await watched.check()
    expect(node.count('ping')).toBe(1)
    expect(watched.status().operations).toBe(0)
  })

  it('tells of a new connection where an old one was, as the server may be empty now', async () => {
    await watched.get('key')
    await watched.get('key')
    expect(events).toEqual([])
    node.connections = 2
    await watched.get('key')
    await watched.get('key')
    expect(events).toEqual(['reconnected n1'])
    node.connections = 3
    await watched.check()
    expect(events).toEqual(['reconnected n1', 'reconnected n1'])
  })

  it('tells when another server process answers, but not before one was known, nor when none is', async () => {
    await watched.get('key')
    for (const incarnation of ['one', 'one', undefined, 'one']) {
      node.connections += 1
      node.incarnation = incarnation
      await watched.get('key')
    }
    expect(events.filter((event) => event.startsWith('replaced'))).toEqual([])
    node.incarnation = 'two'
    await watched.get('key')
    await watched.get('key')
    expect(events.filter((event) => event.startsWith('replaced'))).toEqual(['replaced n1'])
    expect(watched.incarnation).toBe('two')
  })

  it('tells of durable writes that too few replicas have', async () => {
    node.shortfall = { acknowledged: 1, wanted: 2 }
    await watched.put('key', Buffer.from('value'), 0, 'any')
    expect(events).toEqual([])
    const result = await watched.put('key', Buffer.from('value'), 0, 'any', { durable: true })
    expect(result).toMatchObject({ stored: true })
    expect(events).toEqual(['n1 1 of 2'])
  })

  it('can not be used for new backups while it is drained, but can be read', async () => {
    watched.draining = true
    expect([watched.isUsable, watched.state]).toEqual([false, 'up'])
    await watched.get('key')
    expect(watched.status().draining).toBe(true)
  })

  it('closes its node and probes no more', async () => {
    watched.start()
    await waitFor(() => node.count('ping') > 2)
    await watched.close()
    expect(node.closed).toBe(true)
    const pings = node.count('ping')
    await watched.check()
    expect(node.count('ping')).toBe(pings)
  })
})

describe('why a watched node does not work', () => {
  it('is told without the name of the node, with the time, and stays when it works again', async () => {
    expect([watched.lastError, watched.trouble]).toEqual([undefined, undefined])
    node.failure = new NodeUnreachableError(`storage node ${node.address} can't be reached: nothing listens there`)
    await expect(watched.get('key')).rejects.toThrow(NodeUnreachableError)
    await watched.check()
    expect(watched.trouble).toBe("can't be reached: nothing listens there")
    expect(watched.status().lastError).toEqual({ message: watched.trouble, at: expect.any(Number) })
    node.repair()
    await watched.check()
    expect([watched.trouble, watched.lastError?.message]).toEqual([
      undefined,
      "can't be reached: nothing listens there",
    ])
  })

  it('is told by what it refuses while it is down', async () => {
    await fail()
    await expect(watched.get('key')).rejects.toThrow('storage node scripted://n1 is down: no answer')
  })

  it('is told of each operation that is refused while it works', async () => {
    node.failure = new NodeRefusedError('out of memory')
    await expect(watched.put('key', Buffer.alloc(1), 0, 'any')).rejects.toThrow('out of memory')
    expect([watched.state, events, watched.lastError?.message]).toEqual([
      'up',
      ['refused n1 out of memory'],
      'out of memory',
    ])
  })

  it('is suspect, and probed at once, when everything is refused', async () => {
    node.failure = new NodeRefusedError('wrong password', { refuses: 'everything' })
    await expect(watched.get('key')).rejects.toThrow('wrong password')
    await watched.check()
    expect([watched.state, events]).toEqual(['down', ['down n1']])
  })
})

describe('a watched node that takes no writes', () => {
  const takesNone = new NodeRefusedError('the disk is full', { refuses: 'writes' })

  beforeEach(async () => {
    node.failure = takesNone
    await expect(watched.touch('key', 0)).rejects.toThrow('the disk is full')
    await watched.check()
    node.calls.length = 0
  })

  it('says so, and is no place for backups', () => {
    expect([watched.state, watched.isUsable, watched.failedRecently(), events]).toEqual([
      'read-only',
      false,
      false,
      ['read-only n1'],
    ])
  })

  it('refuses writes without trying them, and says why', async () => {
    for (const write of [
      () => watched.put('key', Buffer.alloc(1), 0, 'any'),
      () => watched.touch('key', 0),
      () => watched.delete('key'),
    ]) {
      await expect(write()).rejects.toThrow('storage node scripted://n1 takes no writes: the disk is full')
    }
    expect(node.calls).toEqual([])
  })

  it('is read, without a renewal, and works again when a probe says so', async () => {
    node.repair()
    expect(await watched.get('key', 1000)).toBeUndefined()
    expect(await watched.verify('key', {}, 1000)).toBeUndefined()
    expect(node.calls).toEqual(['get', 'get'])
    await watched.check()
    expect([watched.state, events.at(-1)]).toEqual(['up', 'up n1'])
    expect(await watched.touch('key', 0)).toBe(true)
  })
})
