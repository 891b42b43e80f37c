import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { endless, patience } from '../support/patience.js'
import { type Place, storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { TroubledWay } from '../support/troubled-way.js'
import type { Visitor } from '../support/visitor.js'

/** Milliseconds that the storage takes to answer. */
const delay = 150

describe.each(storages)('security writes in async mode (%s)', (kind) => {
  let cluster: Cluster
  let way: TroubledWay
  let a: AppServer
  let visitor: Visitor

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1')
    way = await cluster.troubled('n1')
    await begin(way, '10s')
  })

  async function begin(place: Place, operationTimeout: string): Promise<void> {
    const nodes = cluster.nodes({ n1: place })
    const options = { nodes, operationTimeout, unset: 'destroy', backup: { mode: 'async' } } as const
    a = await cluster.server('a', options, (app) => {
      app.post('/unset', (req, res) => {
        ;(req as { session?: unknown }).session = null
        res.send('unset')
      })
      app.post('/login', async (req, res) => {
        await sessionOf(req).regenerate({ keep: true })
        res.send('welcome')
      })
    })
    visitor = (await visitorsOf(a, 1))[0] as Visitor
    await a.sessions.flush()
    way.delay(delay)
  }

  afterEach(() => cluster.close())

  async function duration(work: () => Promise<unknown>): Promise<number> {
    const started = performance.now()
    await work()
    return performance.now() - started
  }

  it('are told from other changes, which wait for nothing', async () => {
    const cut = await cluster.detour('n1')
    await begin(cut, endless)
    cut.hang()
    expect((await visitor.post(`${a.url}/`, { more: 1 })).status).toBe(200)
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual({ number: 0 })
    cut.heal()
    await a.sessions.flush()
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual({ number: 0, more: 1 })
  })

  it.each(['/destroy', '/regenerate', '/unset', '/login'])('wait for the storage’s answer: %s', async (path) => {
    const old = visitor.copy()
    const waited = await duration(async () => expect((await visitor.post(`${a.url}${path}`, {})).status).toBe(200))
    expect(waited).toBeGreaterThan(delay - 5)
    expect((await storedSession(cluster.node('n1'), old))?.kind).toBe('tombstone')
  })

  it('wait for the storage’s answer: revocation from outside of a request', async () => {
    const revoke = () => a.sessions.destroy(visitor.id as string)
    expect(await duration(async () => expect(await revoke()).toBe(true))).toBeGreaterThan(delay - 5)
    expect((await storedSession(cluster.node('n1'), visitor))?.kind).toBe('tombstone')
  })

  it('regenerate({ keep: true }) has stored the new session too when it resolves', async () => {
    const old = visitor.token
    await visitor.post(`${a.url}/login`, {})
    expect(visitor.token).not.toBe(old)
    expect((await storedSession(cluster.node('n1'), visitor))?.attributes).toEqual({ number: 0 })
  })

  it('wait a bounded time for a node that hangs, and are made up for when it answers again', async () => {
    await begin(way, '300ms')
    const old = visitor.copy()
    way.silence()
    const waited = await duration(async () => expect((await visitor.post(`${a.url}/destroy`, {})).status).toBe(200))
    expect(waited).toBeGreaterThan(250)
    expect(waited).toBeLessThan(patience)
    expect(a.sessions.stats().counters.tombstonesPending).toBeGreaterThan(0)
    way.heal()
    await waitFor(async () => (await storedSession(cluster.node('n1'), old))?.kind === 'tombstone')
    const b = await cluster.server('b')
    expect(await attributesAt(b, old)).toEqual({})
  })
})
