import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { type AppServer, sessionOf } from '../../support/app-server.js'
import { attributesAt, Cluster, Gate, visitorsOf } from '../../support/cluster.js'
import { allUp, copiesOf, knownDown, nonSticky, repaired, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { storedSession } from '../../support/stored-session.js'
import type { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness, a session that has ended (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  /** The id leads nowhere on these servers; soon no node has more than a tombstone, and it leads nowhere on a new one either. */
  async function expectGone(old: Visitor, ...servers: AppServer[]): Promise<void> {
    for (const server of servers) expect(await attributesAt(server, old.copy())).toEqual({})
    await waitFor(async () => (await copiesOf(cluster, old)).length === 0, { message: 'tombstones' })
    expect(await attributesAt(await cluster.server('fresh', nonSticky), old.copy())).toEqual({})
  }

  it.each(['/destroy', '/regenerate'])('does not come back by slower requests on both servers (%s)', async (path) => {
    const gate = new Gate()
    const [a, b] = await twoServers(cluster, {}, (app: Express) => {
      app.post('/held', async (req, res) => {
        void sessionOf(req).number
        await gate.pass()
        sessionOf(req).late = true
        res.send('changed')
      })
    })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const old = visitor.copy()
    const held = [a, b].map((server) => old.copy().post(`${server.url}/held`, {}))
    await waitFor(() => gate.waiting === 2)
    expect((await visitor.post(`${a.url}${path}`, {})).status).toBe(200)
    gate.open()
    expect((await Promise.all(held)).map(({ cookie }) => cookie)).toEqual([undefined, undefined])
    await expectGone(old, a, b)
  })

  it('does not come back by a write that a hung node carries out when it wakes up', async () => {
    const [a, b] = await twoServers(cluster)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const old = visitor.copy()
    await cluster.node(old).suspend()
    await visitor.post(`${a.url}/`, { stuck: true })
    await visitor.post(`${a.url}/destroy`, {})
    /* A server that has not noticed would read there what was stored before, until the tombstone comes. */
    await knownDown(old.node as string, a, b)
    await cluster.node(old).resume()
    await allUp(a, b)
    await expectGone(old, a, b)
    expect((await storedSession(cluster.node(old), old))?.kind).toBe('tombstone')
  })

  it('does not come back by the copy on a node that was away, nor by the repair of copies', async () => {
    const [a, b] = await twoServers(cluster)
    const visitors = await visitorsOf(a, 10)
    const old = visitors.map((visitor) => visitor.copy())
    await Promise.all(visitors.map((visitor) => visitor.copy().post(`${b.url}/`, { seen: 'b' })))
    await cluster.node('n1').suspend()
    await knownDown('n1', a, b)
    await Promise.all(visitors.map((visitor) => visitor.post(`${a.url}/destroy`, {})))
    await cluster.node('n1').resume()
    await allUp(a, b)
    await repaired(a, b)
    for (const one of old) expect(await attributesAt(b, one.copy())).toEqual({})
    await expectGone(old[0] as Visitor, a, b)
  })

  it('stays ended when it was ended by a server that could not see one of the nodes', async () => {
    const detour = await cluster.detour('n1')
    const a = await cluster.server('a', { ...nonSticky, nodes: cluster.nodes({ n1: detour }) })
    const b = await cluster.server('b', nonSticky)
    const visitors = (await visitorsOf(b, 12)).filter((visitor) => visitor.node === 'n1')
    expect(visitors.length).toBeGreaterThan(0)
    detour.hang()
    await knownDown('n1', a)
    for (const visitor of visitors) expect((await visitor.copy().post(`${a.url}/destroy`, {})).status).toBe(200)
    /* The other server goes on with its node until it writes: then it meets the tombstone on the other node. */
    for (const visitor of visitors) await visitor.copy().post(`${b.url}/`, { zombie: true })
    detour.heal()
    await allUp(a, b)
    for (const visitor of visitors) {
      await waitFor(async () => (await storedSession(cluster.node('n1'), visitor))?.kind === 'tombstone')
      for (const server of [a, b]) expect(await attributesAt(server, visitor.copy())).toEqual({})
    }
    await expectGone(visitors[0] as Visitor, a, b)
  })
})
