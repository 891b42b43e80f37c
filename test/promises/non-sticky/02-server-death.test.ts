import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { sessionOf } from '../../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import { startLoad } from '../../support/load.js'
import { nonSticky } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { handleOf, storedSession } from '../../support/stored-session.js'
import type { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness, when a server dies (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  it('by kill -9 under load, every acknowledged change is at the next server', async () => {
    const a = await cluster.process('a', nonSticky)
    const b = await cluster.server('b', nonSticky)
    const visitors = await visitorsOf(a, 10)
    const load = startLoad(() => a.url, visitors)
    await waitFor(() => load.report.answers > 100)
    await a.kill()
    const { statuses, failures, acknowledged } = await load.stop()
    expect([...statuses]).toEqual([200])
    expect(failures).toBeGreaterThan(0)
    for (const [number, visitor] of visitors.entries()) {
      const attributes = await attributesAt(b, visitor)
      expect(attributes.number).toBe(number)
      expect(attributes.count).toBeGreaterThanOrEqual(acknowledged.get(visitor) as number)
    }
  })

  it('and the primary node with it, right after the response, the change is on the other node', async () => {
    const a = await cluster.process('a', nonSticky)
    const b = await cluster.server('b', nonSticky)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.post(`${a.url}/`, { order: 1 })
    await Promise.all([a.kill(), cluster.node(visitor).kill()])
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, order: 1 })
  })

  it('the change is on two nodes when the response comes, without the repair', async () => {
    const a = await cluster.server('a', nonSticky)
    const visitors = await visitorsOf(a, 5)
    await Promise.all(visitors.map((visitor) => visitor.post(`${a.url}/`, { order: 1 })))
    for (const [number, visitor] of visitors.entries()) {
      for (const id of cluster.ids) {
        expect((await storedSession(cluster.node(id), visitor))?.attributes).toEqual({ number, order: 1 })
      }
    }
    expect(a.sessions.stats().counters).toMatchObject({ restores: 0, underReplicated: 0 })
  })

  it('before the response, the session is found as it was', async () => {
    const a = await cluster.process('a', nonSticky)
    const b = await cluster.server('b', nonSticky)
    const [visitor] = (await visitorsOf(b, 1)) as [Visitor]
    const late = visitor.copy().post(`${a.url}/later`, { half: 'done' })
    await waitFor(async () => (await a.stats()).activeSessions === 1)
    await Promise.all([a.kill(), expect(late).rejects.toThrow()])
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
  })

  it('in order while its storage does not answer, close() reports what was not stored', async () => {
    const a = await cluster.server('a', nonSticky, (app) => {
      app.post('/cut-off', async (req, res) => {
        sessionOf(req).more = 1
        for (const id of cluster.ids) await cluster.node(id).suspend()
        res.send('too late')
      })
    })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    expect((await visitor.post(`${a.url}/cut-off`, {})).status).toBe(200)
    const report = await a.sessions.close({ timeout: 300 })
    expect(report).toEqual({ unsaved: 1, handles: [handleOf(visitor)], unwrittenEnds: 0, openRequests: 0 })
  })
})
