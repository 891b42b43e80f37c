import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { storeBytes, storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'
import {
  copiesOf,
  operations,
  otherNodes,
  startPair,
  timeToLive,
  untilNode,
  untilSettled,
} from './non-sticky-fixture.js'

/** Status "out of memory" of memcached's binary protocol, and the opcodes of its writes. */
const outOfMemory = { kind: 'status', status: 0x82 } as const
const [set, add] = [0x01, 0x02]

let cluster: Cluster
let a: AppServer
let b: AppServer
let visitor: Visitor

beforeEach(() => {
  visitor = new Visitor()
})

afterEach(() => cluster.close())

function addAges(app: Express): void {
  app.post('/age/:ms', (req, res) => {
    sessionOf(req).cookie.maxAge = Number(req.params.ms)
    res.send('done')
  })
}

describe('the life of the copies of a session', () => {
  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  it('is renewed on the primary node by each request, and on the other when touchAfter has passed', async () => {
    ;[a, b] = await startPair(cluster, { idleTimeout: '1h', backup: { touchAfter: 0.5 } })
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    const before = await operations(cluster)
    for (const server of [a, b, a, b]) await attributesAt(server, visitor)
    expect((await operations(cluster)) - before).toBe(4)
    /* A millionth of an hour: it has passed. */
    for (const { sessions } of [a, b]) sessions.reconfigure({ backup: { touchAfter: 0.000001 } })
    const [copy] = otherNodes(cluster, visitor) as [string]
    const touches = async () => Number((await cluster.memcached(copy).stats()).cmd_touch)
    const touched = await touches()
    await attributesAt(b, visitor)
    await waitFor(async () => (await touches()) === touched + 1)
    expect((await operations(cluster)) - before).toBe(6)
  })

  it("follows the session's own age, longer or shorter than the configured one, also after reads elsewhere", async () => {
    ;[a, b] = await startPair(cluster, { idleTimeout: '30m' }, addAges)
    for (const [age, least, most] of [
      [7_200_000, 7200, 8640],
      [60_000, 60, 73],
    ] as const) {
      const owner = new Visitor()
      await owner.post(`${a.url}/`, { foo: 'bar' })
      await owner.post(`${a.url}/age/${age}`, {})
      for (const server of [b, b, a]) {
        await attributesAt(server, owner)
        for (const node of ['n1', 'n2']) {
          const isRight = async () => {
            const life = await timeToLive(cluster, node, owner)
            return life >= least && life <= most
          }
          await waitFor(isRight, { message: `a life of ${least} to ${most} s on ${node}` })
        }
      }
    }
  })

  it('never goes beyond the absolute timeout, on any server', async () => {
    ;[a, b] = await startPair(cluster, { idleTimeout: '1h', absoluteTimeout: '1500ms' })
    const end = Date.now() + 1500
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    for (const server of [b, a, b]) await attributesAt(server, visitor.copy())
    for (const node of ['n1', 'n2']) {
      await waitFor(async () => (await timeToLive(cluster, node, visitor)) <= 3)
    }
    await waitFor(async () => Object.keys(await attributesAt(b, visitor.copy())).length === 0)
    expect(Date.now()).toBeGreaterThanOrEqual(end)
    expect(await attributesAt(a, visitor.copy())).toEqual({})
  })

  it('ends when nobody comes, and the id leads nowhere then', async () => {
    ;[a, b] = await startPair(cluster, { idleTimeout: '500ms' })
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    const gone = async () => (await Promise.all([copiesOf(cluster, visitor, ['n1', 'n2'])]))[0]?.length === 0
    await waitFor(gone, { message: 'the copies to be gone' })
    expect(await attributesAt(b, visitor.copy())).toEqual({})
    await waitFor(() => a.sessions.stats().activeSessions === 0)
  })
})

describe('the number of copies', () => {
  it('is one, by one operation, with backup.replicas: 1', async () => {
    cluster = await Cluster.of('n1', 'n2')
    ;[a, b] = await startPair(cluster, { backup: { replicas: 1 } })
    const before = await operations(cluster)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    expect((await operations(cluster)) - before).toBe(1)
    expect(await copiesOf(cluster, visitor, ['n1', 'n2'])).toEqual([visitor.node])
    expect(await attributesAt(b, visitor)).toEqual({ foo: 'bar' })
  })

  it('is three with backup.replicas: 3, and two nodes may die at once', async () => {
    cluster = await Cluster.of('n1', 'n2', 'n3', 'n4')
    ;[a, b] = await startPair(cluster, { backup: { replicas: 3 } })
    await visitor.post(`${a.url}/`, { foo: 'bar' })
    await visitor.post(`${b.url}/`, { foo: 'baz' })
    const copies = await copiesOf(cluster, visitor, ['n1', 'n2', 'n3', 'n4'])
    expect(copies).toHaveLength(3)
    const [last, ...dying] = copies as [string, string, string]
    await Promise.all(dying.map((id) => cluster.memcached(id).kill()))
    expect(await attributesAt(b, visitor)).toEqual({ foo: 'baz' })
    for (const id of dying) await untilNode('down', id, a, b)
    await untilSettled(a, b)
    const spare = ['n1', 'n2', 'n3', 'n4'].find((id) => !copies.includes(id)) as string
    expect(await copiesOf(cluster, visitor, [last, spare])).toEqual([last, spare].sort())
    expect(a.sessions.stats().underReplicatedSessions + b.sessions.stats().underReplicatedSessions).toBeGreaterThan(0)
  })

  it('is two on regular nodes; a failover node has one only while there is no other', async () => {
    cluster = await Cluster.of('n1', 'n2', 'n3')
    ;[a, b] = await startPair(cluster, { failoverNodes: 'n3' })
    const visitors = await visitorsOf(a, 10)
    for (const one of visitors) expect(await copiesOf(cluster, one, ['n1', 'n2', 'n3'])).toEqual(['n1', 'n2'])
    await cluster.memcached('n2').kill()
    await untilNode('down', 'n2', a, b)
    await untilSettled(a, b)
    for (const one of visitors) expect(await copiesOf(cluster, one, ['n1', 'n3'])).toEqual(['n1', 'n3'])
    await cluster.memcached('n1').kill()
    await untilNode('down', 'n1', a, b)
    for (const one of visitors) {
      expect(await attributesAt(b, one)).toEqual({ number: visitors.indexOf(one) })
      expect(one.node).toBe('n3')
    }
    await cluster.memcached('n2').restart()
    await untilNode('up', 'n2', a, b)
    await untilSettled(a, b)
    for (const one of visitors) {
      await one.post(`${a.url}/`, { again: true })
      expect(one.node).toBe('n2')
      expect(await attributesAt(b, one)).toMatchObject({ again: true })
    }
  })
})

describe('a session that a node does not take', () => {
  it('goes to another node in the same request when its own has no room (W24: which stays up); the cookie names that', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const faulty = await cluster.faulty('n1')
    ;[a, b] = await startPair(cluster, { nodes: cluster.nodes({ n1: faulty }), operationTimeout: '3s' })
    const visitors = (await visitorsOf(a, 24)).filter((one) => one.node === 'n1')
    expect(visitors.length).toBeGreaterThan(0)
    faulty.fail(outOfMemory, { opcode: set })
    for (const one of visitors) {
      const old = one.copy()
      expect((await one.post(`${a.url}/`, { more: true })).status).toBe(200)
      expect(one.node).toBe('n2')
      for (const who of [one, old]) expect(await attributesAt(b, who)).toMatchObject({ more: true })
    }
    expect(a.sessions.stats().nodes.map(({ state }) => state)).toEqual(['up', 'up'])
    faulty.fail(outOfMemory, { opcode: add })
    const fresh = await visitorsOf(b, 8)
    for (const one of fresh) {
      expect(one.node).toBe('n2')
      expect(await attributesAt(a, one)).toEqual({ number: fresh.indexOf(one) })
    }
  })

  it('is stored on its own node (W20: counted) and given its second copy later, when the other one has no room', async () => {
    cluster = await Cluster.of('n1', 'n2')
    const faulty = await cluster.faulty('n2')
    ;[a, b] = await startPair(cluster, { nodes: cluster.nodes({ n2: faulty }) })
    faulty.fail(outOfMemory, { opcode: add })
    const visitors = (await visitorsOf(a, 24)).filter((one) => one.node === 'n1')
    expect(visitors.length).toBeGreaterThan(0)
    expect(a.sessions.stats().underReplicatedSessions).toBeGreaterThan(0)
    expect(a.sessions.stats().counters.underReplicated).toBeGreaterThan(0)
    for (const one of visitors) expect(await copiesOf(cluster, one, ['n1', 'n2'])).toEqual(['n1'])
    faulty.heal()
    await waitFor(() => a.sessions.stats().underReplicatedSessions === 0)
    for (const one of visitors) expect(await copiesOf(cluster, one, ['n1', 'n2'])).toEqual(['n1', 'n2'])
  })

  it('as it is too large stays as it was, on all servers, and the event names the attribute; others are not affected', async () => {
    cluster = await Cluster.of('n1', 'n2')
    ;[a, b] = await startPair(cluster, { maxSessionBytes: '1MB' }, (app) => {
      app.post('/fill/:name/:bytes', (req, res) => {
        sessionOf(req)[req.params.name as string] = 'x'.repeat(Number(req.params.bytes))
        res.send('done')
      })
    })
    const [other] = (await visitorsOf(a, 1)) as [Visitor]
    for (const name of ['one', 'two', 'three']) await visitor.post(`${a.url}/fill/${name}/200000`, {})
    const failures = record(a.sessions, 'backupFailed')
    expect((await visitor.post(`${a.url}/fill/blob/600000`, {})).status).toBe(500)
    expect(failures).toMatchObject([{ attribute: 'blob', handle: expect.any(String) }])
    expect(a.sessions.stats().counters.oversizedSessions).toBe(1)
    await waitFor(() => a.sessions.stats().activeSessions === 0, { message: 'the memory to be free of it' })
    for (const server of [a, b])
      expect(Object.keys(await attributesAt(server, visitor))).toEqual(['one', 'two', 'three'])
    await visitor.post(`${b.url}/`, { one: null, foo: 'bar' })
    await visitor.post(`${a.url}/fill/blob/300000`, {})
    expect(Object.keys(await attributesAt(b, visitor)).sort()).toEqual(['blob', 'foo', 'three', 'two'])
    expect(await attributesAt(b, other)).toEqual({ number: 0 })
    expect(a.sessions.stats().nodes.map(({ state }) => state)).toEqual(['up', 'up'])
  })
})

describe('a record that can not be read', () => {
  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    ;[a, b] = await startPair(cluster)
    await visitor.post(`${a.url}/`, { foo: 'bar' })
  })

  it.each(['reads', 'writes'] as const)(
    'on the primary node is answered from the other copy, and made good; the request %s',
    async (what) => {
      await storeBytes(cluster.memcached(visitor), visitor, Buffer.from('garbage of another program'))
      const { id } = visitor
      if (what === 'writes') await visitor.post(`${b.url}/`, { more: 1 })
      const expected = what === 'writes' ? { foo: 'bar', more: 1 } : { foo: 'bar' }
      expect(await attributesAt(b, visitor)).toEqual(expected)
      await untilSettled(a, b)
      const restored = async () =>
        (await storedSession(cluster.memcached(visitor), visitor).catch(() => undefined))?.attributes
      await waitFor(async () => (await restored()) !== undefined)
      expect(await restored()).toEqual(expected)
      expect(visitor.id).toBe(id)
      expect(b.sessions.stats().counters.unreadableRecords).toBeGreaterThan(0)
    },
  )

  it('on the other node is replaced by the next write', async () => {
    const [copy] = otherNodes(cluster, visitor) as [string]
    await storeBytes(cluster.memcached(copy), visitor, Buffer.from('garbage of another program'))
    for (const server of [a, b]) await visitor.post(`${server.url}/`, { by: server.url })
    expect((await storedSession(cluster.memcached(copy), visitor))?.attributes).toEqual({ foo: 'bar', by: b.url })
  })

  it('on both nodes counts as no session, and as no error', async () => {
    for (const node of ['n1', 'n2']) await storeBytes(cluster.memcached(node), visitor, Buffer.from('garbage'))
    expect(await attributesAt(b, visitor)).toEqual({})
    await visitor.post(`${b.url}/`, { fresh: true })
    expect(await attributesAt(a, visitor)).toEqual({ fresh: true })
  })
})

describe('maxActiveSessions', () => {
  it('counts the sessions that a server has served and that may still live', async () => {
    cluster = await Cluster.of('n1', 'n2')
    ;[a, b] = await startPair(cluster, { maxActiveSessions: 3 })
    const visitors = await visitorsOf(a, 3)
    const refused = await new Visitor().post(`${a.url}/`, { number: 3 })
    expect([refused.status, refused.cookie]).toEqual([503, undefined])
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
    for (const one of visitors) expect(await attributesAt(b, one)).toEqual({ number: visitors.indexOf(one) })
    expect((await new Visitor().post(`${b.url}/`, { number: 3 })).status).toBe(503)
    await (visitors[0] as Visitor).post(`${a.url}/destroy`, {})
    expect((await new Visitor().post(`${a.url}/`, { number: 4 })).status).toBe(200)
    expect(a.sessions.stats().counters.sessionsRejected).toBe(1)
  })
})
