import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { UnstorableError } from '../../src/errors.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { createMemcachedNode } from '../../src/node/memcached/memcached-node.js'
import { readHead } from '../../src/node/parts/parts-head.js'
import { createRedisNode } from '../../src/node/redis/redis-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, type ClusterNode, record, visitorsOf } from '../support/cluster.js'
import { copiesOf, nonSticky } from '../support/non-sticky.js'
import { patience } from '../support/patience.js'
import { storage, storages } from '../support/storages.js'
import { keyOf, storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

/* What is shown here is not how fast a busy machine is. */
const patient = { operationTimeout: '20s', backup: { timeout: '20s' } } as const
const blob = 2_000_000

function routes(app: Express): void {
  app.post('/fill/:bytes', (req, res) => {
    sessionOf(req).blob = 'x'.repeat(Number(req.params.bytes))
    res.send('done')
  })
  app.post('/count', (req, res) => {
    sessionOf(req).count = 1
    res.send('done')
  })
  app.get('/look', (req, res) => res.send(typeof sessionOf(req).circle))
  app.post('/spoil', (req, res) => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    sessionOf(req).circle = circle
    res.send('done')
  })
  app.post('/begin/:bytes', (req, res) => {
    res.write('begun, ')
    sessionOf(req).blob = 'x'.repeat(Number(req.params.bytes))
    res.end('done')
  })
  app.post('/save/:bytes', (req, res, next) => {
    sessionOf(req).blob = 'x'.repeat(Number(req.params.bytes))
    sessionOf(req)
      .save()
      .then(() => res.send('saved'), next)
  })
}

/** The node as it is, without what puts values together. */
function plainNode(node: ClusterNode): StorageNode {
  const address = parseNodeAddress(storage[node.kind].url(node))
  if (address.scheme === 'redis') return createRedisNode({ id: undefined, address, operationTimeout: 20_000 })
  return createMemcachedNode({ id: undefined, address, operationTimeout: 20_000 })
}

async function removeOnePart(node: ClusterNode, visitor: Visitor): Promise<void> {
  const plain = plainNode(node)
  const head = readHead((await plain.get(keyOf(visitor)))?.bytes ?? Buffer.alloc(0))
  expect(await plain.delete(`holdfast:part:${head?.parts[0]?.name}`)).toBe('deleted')
  await plain.close()
  expect(await storedSession(node, visitor).catch(() => undefined)).toBeUndefined()
}

let cluster: Cluster

afterEach(() => cluster.close())

describe.each(storages)('a session of 2 MB (%s)', (kind) => {
  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  const isWhole = async (node: ClusterNode, visitor: Visitor) => {
    const stored = await storedSession(node, visitor).catch(() => undefined)
    return (stored?.attributes.blob as string | undefined)?.length === blob
  }

  it('is kept on both nodes, and read on both servers; a copy of which a part is gone is made again (non-sticky)', async () => {
    const [a, b] = await Promise.all(
      ['a', 'b'].map((route) => cluster.server(route, { ...nonSticky, ...patient }, routes)),
    )
    if (a === undefined || b === undefined) throw new Error('no servers')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    expect((await visitor.post(`${a.url}/fill/${blob}`, {})).status).toBe(200)
    expect(await copiesOf(cluster, visitor)).toEqual(['n1', 'n2'])
    for (const server of [a, b]) expect((await attributesAt(server, visitor)).blob).toHaveLength(blob)
    const first = cluster.node(visitor)
    await removeOnePart(first, visitor)
    expect((await attributesAt(b, visitor)).blob).toHaveLength(blob)
    await waitFor(() => isWhole(first, visitor), { message: 'the copy to be made again' })
    expect(b.sessions.stats().nodes.map(({ state }) => state)).toEqual(['up', 'up'])
  })

  it('is taken over by another server; a copy of which a part is gone is made again (sticky)', async () => {
    const a = await cluster.server('a', { ...patient, trustFor: 0 }, routes)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    expect((await visitor.post(`${a.url}/fill/${blob}`, {})).status).toBe(200)
    await a.sessions.flush()
    await removeOnePart(cluster.node(visitor), visitor)
    expect((await attributesAt(a, visitor)).blob).toHaveLength(blob)
    await waitFor(() => isWhole(cluster.node(visitor), visitor), { message: 'the copy to be made again' })
    const b = await cluster.server('b', patient, routes)
    expect((await attributesAt(b, visitor)).blob).toHaveLength(blob)
    expect(b.sessions.stats().counters.takeovers).toBe(1)
  })

  it.each(['sticky', 'non-sticky'] as const)(
    'that many requests use at once takes no node down, nor the answer from others (%s)',
    async (mode) => {
      const a = await cluster.server('a', { mode, ...patient }, routes)
      const down = record(a.sessions, 'nodeDown')
      const [large, ...others] = (await visitorsOf(a, 11)) as [Visitor, ...Visitor[]]
      expect((await large.post(`${a.url}/fill/3000000`, {})).status).toBe(200)
      const burst = Array.from({ length: 60 }, () => large.copy().post(`${a.url}/count`, {}))
      const small = others.map((other) => other.post(`${a.url}/`, { more: 1 }))
      for (const answer of await Promise.all([...burst, ...small])) expect(answer.status).toBe(200)
      await a.sessions.flush()
      expect(down).toEqual([])
      expect(a.sessions.stats().nodes.map(({ state, errors }) => [state, errors])).toEqual([
        ['up', 0],
        ['up', 0],
      ])
      const stored = await storedSession(cluster.node(large), large)
      expect(stored?.attributes).toMatchObject({ count: 1 })
      expect(stored?.attributes.blob).toHaveLength(3_000_000)
    },
    4 * patience,
  )
})

describe('a change that can not be stored at all', () => {
  const tooLarge = 1_200_000

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  const start = async (options: Parameters<Cluster['server']>[1]) => {
    const a = await cluster.server('a', { maxSessionBytes: '1MB', ...patient, ...options }, routes)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    return { a, visitor, failed: record(a.sessions, 'backupFailed') }
  }

  it.each([
    ['non-sticky', { ...nonSticky }],
    ['sticky, sync', { backup: { ...patient.backup, mode: 'sync' } }],
  ] as const)('is a 500 that says so in the place of a success (%s)', async (_, options) => {
    const { a, visitor, failed } = await start(options)
    const answer = await visitor.post(`${a.url}/fill/${tooLarge}`, {})
    expect([answer.status, answer.body]).toEqual([500, 'the session could not be stored: it is too large'])
    expect(failed[0]).toMatchObject({ attribute: 'blob' })
    expect((await visitor.post(`${a.url}/spoil`, {})).status).toBe(500)
    /* Who only reads has done nothing that could not be stored. */
    expect((await visitor.get(`${a.url}/look`)).status).toBe(200)
    expect((await visitor.post(`${a.url}/`, { blob: null, circle: null, small: 1 })).status).toBe(200)
    expect((await storedSession(cluster.node(visitor), visitor))?.attributes).toEqual({ number: 0, small: 1 })
  })

  it('is told to whoever saves by hand', async () => {
    const { a, visitor } = await start({ backup: { ...patient.backup, mode: 'sync' } })
    expect((await visitor.post(`${a.url}/save/${tooLarge}`, {})).status).toBe(500)
    const session = (await a.sessions.get(visitor.id ?? '')) as { other?: unknown; save(): Promise<void> } | undefined
    if (session === undefined) throw new Error('no session')
    session.other = 1
    await expect(session.save()).rejects.toThrow(UnstorableError)
  })

  it('leaves alone what has been sent already, nobody waits for, or is to be reported only; the event tells of each', async () => {
    for (const [path, options] of [
      ['/begin', nonSticky],
      ['/fill', {}],
      ['/fill', { ...nonSticky, backup: { ...patient.backup, onUnstorable: 'report' } }],
      ['/save', { ...nonSticky, backup: { ...patient.backup, onUnstorable: 'report' } }],
    ] as const) {
      const { a, visitor, failed } = await start(options)
      const answer = await visitor.post(`${a.url}${path}/${tooLarge}`, {})
      expect([path, answer.status, answer.body]).toEqual([path, 200, expect.stringMatching(/done|saved/)])
      await waitFor(() => failed.length > 0, { message: 'the event' })
      await a.close()
    }
  })
})
