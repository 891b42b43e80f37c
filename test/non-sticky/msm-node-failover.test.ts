import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster } from '../support/cluster.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'
import {
  copiesOf,
  operations,
  otherNodes,
  requestLocking,
  startPair,
  timeToLive,
  untilNode,
  untilSettled,
} from './non-sticky-fixture.js'

let cluster: Cluster
let a: AppServer
let b: AppServer
let visitor: Visitor

beforeEach(() => {
  visitor = new Visitor()
})

afterEach(() => cluster.close())

async function kill(id: string): Promise<void> {
  await cluster.memcached(id).kill()
  await untilNode('down', id, a, b)
}

describe('a session of any server whose storage node stops', () => {
  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2', 'n3')
    ;[a, b] = await startPair(cluster)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
  })

  it('M34: has the same token and another node in its id from the next request on, and is stored there', async () => {
    const before = visitor.copy()
    await kill(visitor.node as string)
    expect(await attributesAt(b, visitor)).toEqual({ foo: 'bar' })
    expect(visitor.token).toBe(before.token)
    expect(visitor.node).not.toBe(before.node)
    const { id } = visitor
    expect(await attributesAt(a, visitor)).toEqual({ foo: 'bar' })
    expect(visitor.id).toBe(id)
    expect((await storedSession(cluster.memcached(visitor), visitor))?.attributes).toEqual({ foo: 'bar' })
  })

  it('M35: moves to the one node that is left when two of three stop', async () => {
    const last = visitor.node === 'n3' ? 'n2' : 'n3'
    for (const id of ['n1', 'n2', 'n3'].filter((node) => node !== last)) {
      await kill(id)
      await untilSettled(a, b)
    }
    expect(await attributesAt(b, visitor)).toEqual({ foo: 'bar' })
    expect(visitor.node).toBe(last)
    expect(await copiesOf(cluster, visitor, [last])).toEqual([last])
    const { id } = visitor
    expect(await attributesAt(a, visitor)).toEqual({ foo: 'bar' })
    expect(visitor.id).toBe(id)
  })

  it('M36: has a second copy again when a node is back, for which nobody has to come; then its first may stop', async () => {
    const [first, others] = [visitor.node as string, otherNodes(cluster, visitor)]
    for (const id of others) await kill(id)
    expect(await attributesAt(b, visitor)).toEqual({ foo: 'bar' })
    const back = others[0] as string
    await cluster.memcached(back).restart()
    await untilNode('up', back, a, b)
    await untilSettled(a, b)
    expect(await copiesOf(cluster, visitor, [first, back])).toEqual([first, back].sort())
    await kill(first)
    expect(await attributesAt(a, visitor)).toEqual({ foo: 'bar' })
    expect(visitor.node).toBe(back)
  })

  it.each([
    ['M63: after a request that changes it', () => visitor.post(`${b.url}/`, { foo: 'baz' }), 'baz'],
    ['M64: after a request that only reads', () => visitor.get(`${b.url}/`), 'bar'],
    ['M64: without any request', async () => undefined, 'bar'],
  ])('has its second copy on the third node when the second one stopped. %s', async (_when, request, foo) => {
    const first = visitor.node as string
    const [second] = (await copiesOf(cluster, visitor, otherNodes(cluster, visitor))) as [string]
    const third = otherNodes(cluster, visitor).find((id) => id !== second) as string
    await kill(second)
    await request()
    await untilSettled(a, b)
    expect(await copiesOf(cluster, visitor, [first, third])).toEqual([first, third].sort())
    await kill(first)
    expect(await attributesAt(a, visitor)).toEqual({ foo })
    expect(visitor.node).toBe(third)
  })
})

describe.each(requestLocking)('the second copy of a session, locking %s', (_name, locking) => {
  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  it.each([
    ['M52: without an idle timeout', 'none', -1],
    ['M53: with one of more than 15 days', '15.1d', 16 * 86_400],
    ['M53: with one of more than 30 days', '31d', 32 * 86_400],
  ])('is there when the first node stops. %s', async (_when, idleTimeout, life) => {
    ;[a, b] = await startPair(cluster, { locking, idleTimeout })
    await visitor.post(`${a.url}/`, { k1: 'v1' })
    const before = visitor.copy()
    for (const node of ['n1', 'n2']) {
      const left = await timeToLive(cluster, node, visitor)
      if (life < 0) expect(left).toBe(life)
      else expect(left).toBeGreaterThan(life)
    }
    await kill(visitor.node as string)
    expect(await attributesAt(b, visitor)).toEqual({ k1: 'v1' })
    expect(visitor.token).toBe(before.token)
    expect(visitor.node).not.toBe(before.node)
  })
})

describe('with a single node', () => {
  it('M65: a session is written once, and there is no second copy', async () => {
    cluster = await Cluster.of('n1', 'unused')
    ;[a, b] = await startPairOn('n1')
    const before = await operations(cluster)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    expect((await operations(cluster)) - before).toBe(1)
    expect(Number((await cluster.memcached('unused').stats()).cmd_set)).toBe(0)
    expect(a.sessions.stats()).toMatchObject({ underReplicatedSessions: 0, counters: { underReplicated: 0 } })
  })
})

async function startPairOn(id: string): Promise<[AppServer, AppServer]> {
  const { host, port } = cluster.memcached(id)
  const options = { mode: 'non-sticky', nodes: `${id}:${host}:${port}` } as const
  const servers = await Promise.all([cluster.server('a', options), cluster.server('b', options)])
  await expect.poll(() => cluster.memcached(id).storageOperations()).toBeGreaterThanOrEqual(2)
  return servers
}
