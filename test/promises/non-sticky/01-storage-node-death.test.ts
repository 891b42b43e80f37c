import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Fault, waitFor } from '../../../src/testing/index.js'
import { type AppServer, sessionIdOf, sessionOf } from '../../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import { startLoad } from '../../support/load.js'
import { knownDown, nonSticky, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { storedSession } from '../../support/stored-session.js'
import type { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness, when a storage node dies (%s)', (kind) => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    ;[a, b] = await twoServers(cluster)
  })

  afterEach(() => cluster.close())

  it.each(['kill', 'suspend'] as const)(
    'under load (%s), every request is answered and nothing is lost',
    async (how) => {
      const visitors = await visitorsOf(a, 10)
      let turn = 0
      const load = startLoad(() => (turn++ % 2 === 0 ? a : b).url, visitors)
      await waitFor(() => load.report.answers > 50)
      await cluster.node('n1')[how]()
      await waitFor(() => visitors.every((visitor) => visitor.node === 'n2'), { timeout: 10_000 })
      const { statuses, failures, acknowledged } = await load.stop()
      expect([...statuses]).toEqual([200])
      expect(failures).toBe(0)
      for (const [number, visitor] of visitors.entries()) {
        expect(await attributesAt(b, visitor)).toEqual({ number, count: acknowledged.get(visitor) })
      }
    },
  )

  it('between the read and the write of a request, the change is on another node when the response comes', async () => {
    const c = await cluster.server('c', nonSticky, (app) => {
      app.post('/during', async (req, res) => {
        sessionOf(req).paid = true
        await cluster.node(sessionIdOf(req).split('-')[1] as string).kill()
        res.send('paid')
      })
    })
    const [visitor] = (await visitorsOf(c, 1)) as [Visitor]
    const first = visitor.node
    expect((await visitor.post(`${c.url}/during`, {})).status).toBe(200)
    expect(visitor.node).not.toBe(first)
    expect((await storedSession(cluster.node(visitor), visitor))?.attributes).toEqual({ number: 0, paid: true })
  })

  it('that hangs, requests wait for it until it is known, and then for nothing', async () => {
    const visitors = (await visitorsOf(a, 12)).filter((visitor) => visitor.node === 'n1')
    await cluster.node('n1').suspend()
    await knownDown('n1', a)
    const operationsAt = ({ sessions }: AppServer) => sessions.stats().nodes[0]?.operations
    const before = operationsAt(a)
    for (const visitor of visitors) expect((await visitor.post(`${a.url}/`, { more: 1 })).status).toBe(200)
    expect(operationsAt(a)).toBe(before)
  })

  it('with all nodes out of reach nobody gets a new session, and everything goes on when one returns', async () => {
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    for (const id of cluster.ids) await cluster.node(id).suspend()
    for (const id of cluster.ids) await knownDown(id, a, b)
    for (const server of [a, b]) {
      const answer = await visitor.get(`${server.url}/`)
      expect([answer.status, answer.cookie]).toEqual([503, undefined])
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
    }
    for (const id of cluster.ids) await cluster.node(id).resume()
    for (const server of [a, b]) await waitFor(async () => (await visitor.get(`${server.url}/`)).status === 200)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
  })
})

describe('without stickiness, when memcached answers badly', () => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  afterEach(() => cluster.close())

  const faults: [string, Fault][] = [
    ['resets the connection', { kind: 'reset' }],
    ['closes the connection', { kind: 'close' }],
    ['carries it out and does not say so', { kind: 'unanswered' }],
    ['cuts its reply', { kind: 'cut-reply', afterwards: 'reset' }],
    ['cuts its reply and hangs', { kind: 'cut-reply', afterwards: 'stop' }],
    ['sends garbage', { kind: 'garbage' }],
    ['sends a reply to another request', { kind: 'other-request' }],
    ['is out of memory', { kind: 'status', status: 0x82 }],
  ]

  it.each(faults)('and %s, now and then, no request fails and no change is lost', async (_what, fault) => {
    const faulty = await cluster.faulty('n1')
    const a = await cluster.server('a', { ...nonSticky, nodes: cluster.nodes({ n1: faulty }) })
    const b = await cluster.server('b', nonSticky)
    const visitors = await visitorsOf(a, 4)
    for (let round = 0; round < 6; round++) {
      faulty.fail(fault, { requests: 1, after: round })
      const changes = visitors.map((visitor) => visitor.post(`${a.url}/`, { [`round${round}`]: round }))
      expect((await Promise.all(changes)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
      await waitFor(() => a.sessions.stats().nodes.every((node) => node.state === 'up'))
    }
    faulty.heal()
    const expected = Object.fromEntries([0, 1, 2, 3, 4, 5].map((round) => [`round${round}`, round]))
    for (const [number, visitor] of visitors.entries()) {
      for (const server of [a, b]) expect(await attributesAt(server, visitor)).toEqual({ number, ...expected })
    }
  })
})
