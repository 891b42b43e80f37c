import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Mode } from '../../src/config/settings.js'
import { waitFor } from '../../src/testing/index.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { allUp, copiesOf, knownDown, repaired } from '../support/non-sticky.js'
import { storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

/* What a server that was not there, or could not ask, has to find out before it believes what it sees. */
describe.each(storages)('on %s, a server that has just started', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  async function visitorOn(node: string, server: { url: string }): Promise<Visitor> {
    const visitors = await visitorsOf(server, 12)
    return visitors.find((visitor) => visitor.node === node) as Visitor
  }

  it('serves no older copy while the node with the newer one does not answer', async () => {
    const options = { backup: { mode: 'sync' } } as const
    const a = await cluster.server('a', options)
    const b = await cluster.server('b', options)
    const visitor = await visitorOn('n2', a)
    await cluster.node('n2').suspend()
    await knownDown('n2', a, b)
    await visitor.post(`${a.url}/`, { step: 1 })
    expect(visitor.node).toBe('n1')
    await a.sessions.close()
    await visitor.post(`${b.url}/`, { cart: 'full' })
    await cluster.node('n2').resume()
    await allUp(b)
    const c = await cluster.server('c', options)
    await cluster.node('n1').suspend()
    const answer = await visitor.copy().get(`${c.url}/`)
    if (answer.status !== 503) expect(answer.body).toContain('full')
    await cluster.node('n1').resume()
    await waitFor(async () => (await visitor.copy().get(`${c.url}/`)).status === 200)
    expect(await attributesAt(c, visitor)).toMatchObject({ step: 1, cart: 'full' })
  })

  it('repairs a copy that was missed by a node, when it reads the session', async () => {
    const nonSticky = { mode: 'non-sticky' } as const
    const a = await cluster.server('a', nonSticky)
    const visitor = await visitorOn('n1', a)
    await cluster.node('n1').suspend()
    await knownDown('n1', a)
    expect((await visitor.post(`${a.url}/`, { cart: 'full' })).status).toBe(200)
    await a.sessions.close()
    await cluster.node('n1').resume()
    const c = await cluster.server('c', nonSticky)
    await allUp(c)
    expect(await attributesAt(c, visitor.copy())).toMatchObject({ cart: 'full' })
    await repaired(c)
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toMatchObject({ cart: 'full' })
  })

  it('finds a session that was on its way to the storage when it was asked for it first', async () => {
    const ways = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const a = await cluster.server('a', { mode: 'non-sticky', nodes: cluster.nodes(ways) }, (app) => {
      app.get('/page', (req, res) => {
        ;(req as unknown as { session: { user: string } }).session.user = 'alice'
        res.write('begun')
        setImmediate(() => res.end('over'))
      })
    })
    const b = await cluster.server('b', { mode: 'non-sticky' })
    for (const way of Object.values(ways)) way.hang()
    const head = await fetch(`${a.url}/page`)
    const visitor = new Visitor()
    visitor.id = /sid=([^;]+)/.exec(head.headers.get('set-cookie') ?? '')?.[1]
    expect(await attributesAt(b, visitor.copy())).toEqual({})
    for (const way of Object.values(ways)) way.heal()
    await head.text()
    expect(await attributesAt(b, visitor.copy())).toEqual({ user: 'alice' })
  })

  it('is not given a session that expired while it was being written', async () => {
    const ways = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const options = { idleTimeout: '2s', operationTimeout: '20s', nodes: cluster.nodes(ways) }
    const a = await cluster.server('a', options)
    const expired = record(a.sessions, 'expired')
    const visitor = await visitorOn('n1', a)
    await a.sessions.flush()
    for (const way of Object.values(ways)) way.hang()
    await visitor.copy().post(`${a.url}/`, { late: true })
    await waitFor(() => expired.length === 12)
    for (const way of Object.values(ways)) way.heal()
    await waitFor(async () => (await copiesOf(cluster, visitor)).length === 0)
    expect(await attributesAt(a, visitor.copy())).toEqual({})
    expect(await attributesAt(await cluster.server('b'), visitor.copy())).toEqual({})
  })

  it.each(['sticky', 'non-sticky'] as Mode[])(
    'finds all sessions after the same nodes were given other addresses, %s',
    async (mode) => {
      const a = await cluster.server('a', { mode })
      const visitors = await visitorsOf(a, 10)
      await a.sessions.flush()
      const nodes = cluster.nodes().replaceAll('127.0.0.1', 'localhost')
      a.sessions.reconfigure({ nodes })
      const isDone = () => !a.sessions.stats().protecting && a.sessions.stats().nodes.length === 2
      await waitFor(isDone, { timeout: 15_000 })
      await a.sessions.flush()
      for (const visitor of visitors) {
        const copies = await copiesOf(cluster, visitor)
        expect(copies).toHaveLength(mode === 'sticky' ? 1 : 2)
      }
      const b = await cluster.server('b', { mode, nodes })
      for (const [number, visitor] of visitors.entries())
        expect(await attributesAt(b, visitor.copy())).toEqual({ number })
    },
  )
})
