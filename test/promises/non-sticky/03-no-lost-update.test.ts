import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { sessionOf } from '../../support/app-server.js'
import { attributesAt, Cluster, Gate, visitorsOf } from '../../support/cluster.js'
import { agreedContent, nonSticky, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import type { Visitor } from '../../support/visitor.js'

/** POST /held/:name reads the session, waits at the gate and sets the attribute, or removes it · POST /increment. */
function routes(gate: Gate) {
  return (app: Express) => {
    app.post('/held/:name', async (req, res) => {
      const session = sessionOf(req)
      void session.number
      await gate.pass()
      if (req.query.remove === undefined) session[req.params.name] = true
      else delete session[req.params.name]
      res.send('set')
    })
    app.post('/increment', async (req, res) => {
      const count = Number(sessionOf(req).count ?? 0)
      await new Promise((resolve) => setImmediate(resolve))
      sessionOf(req).count = count + 1
      res.send('counted')
    })
  }
}

describe.each(storages)('without stickiness, changes at the same time on two servers (%s)', (kind) => {
  let cluster: Cluster
  let gate: Gate

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    gate = new Gate()
  })

  afterEach(() => cluster.close())

  it('of different attributes, set and removed, are all kept', async () => {
    const [a, b] = await twoServers(cluster, {}, routes(gate))
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.post(`${b.url}/`, { gone: 1, kept: 1 })
    const names = Array.from({ length: 12 }, (_, i) => `tab${i}`)
    const held = names.map((name, i) => visitor.copy().post(`${(i % 2 === 0 ? a : b).url}/held/${name}`, {}))
    held.push(visitor.copy().post(`${b.url}/held/gone?remove`, {}))
    await waitFor(() => gate.waiting === 13)
    await visitor.copy().post(`${a.url}/`, { between: true })
    gate.open()
    expect(new Set((await Promise.all(held)).map(({ status }) => status))).toEqual(new Set([200]))
    const expected = { number: 0, kept: 1, between: true, ...Object.fromEntries(names.map((name) => [name, true])) }
    for (const server of [a, b]) expect(await attributesAt(server, visitor)).toEqual(expected)
    expect(await agreedContent(cluster, visitor)).toEqual(expected)
    expect(a.sessions.stats().counters.conflicts + b.sessions.stats().counters.conflicts).toBeGreaterThan(0)
  })

  it('of one attribute are all kept under a lock', async () => {
    const [a, b] = await twoServers(cluster, { locking: { mode: 'all', timeout: '10s' } }, routes(gate))
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const requests = Array.from({ length: 30 }, (_, i) =>
      visitor.copy().post(`${(i % 2 === 0 ? a : b).url}/increment`, {}),
    )
    expect(new Set((await Promise.all(requests)).map(({ status }) => status))).toEqual(new Set([200]))
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, count: 30 })
  })
})

describe('a memcached that says of a write that it was stored, and it was not', () => {
  it('is found out by the next write of the same server, which brings everything', async () => {
    const cluster = await Cluster.of('n1', 'n2')
    try {
      const faulty = { n1: await cluster.faulty('n1'), n2: await cluster.faulty('n2') }
      const gate = new Gate()
      const a = await cluster.server('a', { ...nonSticky, nodes: cluster.nodes(faulty) }, routes(gate))
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      const held = visitor.copy().post(`${a.url}/held/last`, {})
      await waitFor(() => gate.waiting === 1)
      for (const node of Object.values(faulty)) node.fail({ kind: 'claim-stored' }, { opcode: 0x01, requests: 1 })
      await visitor.copy().post(`${a.url}/`, { claimed: true })
      gate.open()
      expect((await held).status).toBe(200)
      expect(await agreedContent(cluster, visitor)).toEqual({ number: 0, claimed: true, last: true })
    } finally {
      await cluster.close()
    }
  })
})
