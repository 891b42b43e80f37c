import { beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest, storageKey, untilNodeIs, untilSettled } from './msm-fixture.js'

const close = closeAfterEach()
/** Three running storage nodes, by id. */
let nodes: Record<string, StorageUnderTest>

beforeEach(async () => {
  const [n1, n2, n3] = await Promise.all([1, 2, 3].map(() => StorageUnderTest.start()))
  nodes = { n1, n2, n3 } as Record<string, StorageUnderTest>
  for (const node of Object.values(nodes)) close(node)
})

const addresses = (...ids: string[]) => ids.map((id) => `${id}:${nodes[id]?.address}`).join(' ')

async function start(options: Partial<HoldfastOptions> = {}) {
  return close(await startAppServer({ ...quick, route: 'a', nodes: addresses('n1', 'n2', 'n3'), ...options }))
}

async function newSession(server: AppServer): Promise<Visitor> {
  const visitor = new Visitor()
  await visitor.post(server.url, { foo: 'bar' })
  await server.sessions.flush()
  return visitor
}

function nodeOf(visitor: Visitor): StorageUnderTest {
  return nodes[visitor.node as string] as StorageUnderTest
}

async function kill(server: AppServer, ...ids: string[]): Promise<void> {
  await Promise.all(ids.map((id) => nodes[id]?.server.kill('SIGKILL')))
  await untilNodeIs('down', server, ...ids)
}

describe('when the storage node of a session dies', () => {
  it('M34: the backup moves to another node under the same key, and the id names that node from the next answer on', async () => {
    const server = await start()
    const visitor = await newSession(server)
    const before = { id: visitor.id, token: visitor.token, node: visitor.node as string }
    await kill(server, before.node)
    const answer = await visitor.get(server.url)
    expect(answer.json()).toMatchObject({ id: visitor.id, attributes: { foo: 'bar' } })
    expect(answer.cookie).toBe(visitor.id)
    expect(visitor.token).toBe(before.token)
    expect(visitor.node).not.toBe(before.node)
    const next = await visitor.get(server.url)
    expect(next.cookie).toBeUndefined()
    await untilSettled(server)
    expect(storageKey(visitor.id)).toBe(storageKey(before.id))
    expect(await nodeOf(visitor).attributes(visitor.id)).toEqual({ foo: 'bar' })
    const stats = server.sessions.stats()
    expect(stats).toMatchObject({ activeSessions: 1, counters: { relocations: 1 } })
    expect(stats.nodes.map(({ id, sessions }) => [id, sessions])).toContainEqual([visitor.node, 1])
    expect(stats.nodes.map(({ id, sessions }) => [id, sessions])).toContainEqual([before.node, 0])
  })

  it('M34: no request fails or forgets, not even those before the death is known', async () => {
    const server = await start()
    const visitor = await newSession(server)
    const node = visitor.node as string
    await nodes[node]?.server.kill('SIGKILL')
    let count = 0
    const moved = async () => {
      const answer = await visitor.post(server.url, { count: ++count })
      expect(answer.status).toBe(200)
      expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'bar', count } })
      return visitor.node !== node
    }
    await waitFor(moved, { message: 'the session to move' })
    await untilSettled(server)
    expect(await nodeOf(visitor).attributes(visitor.id)).toEqual({ foo: 'bar', count })
  })

  it('M35, M84: and another one too, the backup moves to the one that is left, and stays there', async () => {
    const server = await start()
    const visitor = await newSession(server)
    const last = visitor.node === 'n3' ? 'n2' : 'n3'
    const others = ['n1', 'n2', 'n3'].filter((id) => id !== last)
    await kill(server, ...others)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'bar' } })
    expect(visitor.node).toBe(last)
    await untilSettled(server)
    expect(await nodeOf(visitor).attributes(visitor.id)).toEqual({ foo: 'bar' })
    for (let i = 0; i < 3; i++) expect((await visitor.get(server.url)).cookie).toBeUndefined()
  })
})

describe('failover nodes', () => {
  it('M39: one is used when no regular node is up', async () => {
    await nodes.n2?.server.kill('SIGKILL')
    const server = await start({ nodes: addresses('n1', 'n2'), failoverNodes: 'n1' })
    const visitor = await newSession(server)
    expect(visitor.node).toBe('n1')
    expect((await visitor.get(server.url)).cookie).toBeUndefined()
    expect(await nodes.n1?.attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M40: nodes can be added while running: a session goes to the new regular one, not to the failover node', async () => {
    const server = await start({ nodes: addresses('n1', 'n2'), failoverNodes: ['n2'] })
    const visitor = await newSession(server)
    expect(visitor.node).toBe('n1')
    server.sessions.reconfigure({ nodes: addresses('n1', 'n2', 'n3') })
    await kill(server, 'n1')
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'bar' } })
    expect(visitor.node).toBe('n3')
    await untilSettled(server)
    expect(await nodes.n3?.attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M40: nodes can be taken out while running: what they hold moves away first', async () => {
    const server = await start({ nodes: addresses('n1', 'n2'), failoverNodes: ['n2'] })
    const visitor = await newSession(server)
    server.sessions.reconfigure({ nodes: addresses('n2'), failoverNodes: [] })
    await waitFor(() => server.sessions.stats().nodes.length === 1, { message: 'n1 to be let go' })
    expect(await nodes.n2?.attributes(visitor.id)).toEqual({ foo: 'bar' })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'bar' } })
    expect(visitor.node).toBe('n2')
  })

  it('M41: they can be changed while running, for new sessions and for those that exist', async () => {
    const server = await start()
    server.sessions.reconfigure({ failoverNodes: 'n2 n3' })
    const visitor = await newSession(server)
    expect(visitor.node).toBe('n1')
    server.sessions.reconfigure({ failoverNodes: 'n1 n2' })
    expect((await newSession(server)).node).toBe('n3')
    await untilSettled(server)
    await visitor.get(server.url)
    expect(visitor.node).toBe('n3')
    expect(await nodes.n3?.attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M85: with the regular node down, a session moves from one failover node to the next', async () => {
    const server = await start({ failoverNodes: ['n2', 'n3'] })
    await kill(server, 'n1')
    const visitor = await newSession(server)
    const first = visitor.node as string
    expect(['n2', 'n3']).toContain(first)
    await kill(server, first)
    await visitor.get(server.url)
    expect(visitor.node).toBe(first === 'n2' ? 'n3' : 'n2')
    await untilSettled(server)
    expect(await nodeOf(visitor).attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M85: a session leaves its failover node, without a request, when a regular node is up again', async () => {
    const server = await start({ failoverNodes: ['n2', 'n3'] })
    await kill(server, 'n1')
    const visitor = await newSession(server)
    const failover = nodeOf(visitor)
    await nodes.n1?.server.restart()
    await waitFor(() => nodes.n1?.hasSession(visitor.id), { message: 'the session to move to n1' })
    await waitFor(async () => !(await failover.hasSession(visitor.id)), { message: 'the old copy to go' })
    await visitor.get(server.url)
    expect(visitor.node).toBe('n1')
  })
})

describe('the health of a storage node', () => {
  it('M87: is found out by asking it, not set by hand', async () => {
    const server = await start({ nodes: addresses('n1') })
    const seen: string[] = []
    server.sessions.on('nodeDown', ({ node }) => seen.push(`${node} down`))
    server.sessions.on('nodeUp', ({ node }) => seen.push(`${node} up`))
    await kill(server, 'n1')
    await nodes.n1?.server.restart()
    await untilNodeIs('up', server, 'n1')
    expect(seen).toEqual(['n1 down', 'n1 up'])
  })
})
