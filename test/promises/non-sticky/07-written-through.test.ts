import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../../src/testing/index.js'
import { type AppServer, sessionOf } from '../../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import type { Detour } from '../../support/detour.js'
import { copiesOf, nonSticky } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { storedSession } from '../../support/stored-session.js'
import type { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness, security writes (%s)', (kind) => {
  let cluster: Cluster
  let detours: Record<string, Detour>
  let a: AppServer
  let visitor: Visitor

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    detours = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const options = { ...nonSticky, nodes: cluster.nodes(detours), operationTimeout: '5s', probeInterval: '1m' }
    a = await cluster.server('a', { ...options, unset: 'destroy' }, (app) => {
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
  })

  afterEach(() => cluster.close())

  /** Cuts the way to one node when the session has been read, and sees whether `work` waits for it. */
  async function expectToWait(id: string, work: () => Promise<unknown>): Promise<void> {
    let isDone = false
    const detour = detours[id] as Detour
    await cluster.settled()
    detour.hang()
    const done = work().then(() => {
      isDone = true
    })
    await waitFor(() => detour.held > 0)
    const other = id === 'n1' ? 'n2' : 'n1'
    await waitFor(async () => (await storedSession(cluster.node(other), visitor))?.kind === 'tombstone')
    expect(isDone).toBe(false)
    detour.heal()
    await done
  }

  /** The node that is not needed to read the session. */
  const second = () => (visitor.node === 'n1' ? 'n2' : 'n1')

  it.each(['/destroy', '/regenerate', '/unset', '/login'])('wait for every node’s answer: %s', async (path) => {
    const old = visitor.copy()
    await expectToWait(second(), async () => expect((await old.copy().post(`${a.url}${path}`, {})).status).toBe(200))
    for (const id of cluster.ids) expect((await storedSession(cluster.node(id), old))?.kind).toBe('tombstone')
  })

  it('wait for every node’s answer: revocation from outside of a request', async () => {
    await expectToWait(second(), async () => expect(await a.sessions.destroy(visitor.id as string)).toBe(true))
    expect(await copiesOf(cluster, visitor)).toEqual([])
  })

  it('regenerate({ keep: true }) has stored the new session on two nodes when it resolves', async () => {
    await visitor.post(`${a.url}/login`, {})
    expect(await copiesOf(cluster, visitor)).toEqual(['n1', 'n2'])
  })

  it('are made up for when a node that hung answers again', async () => {
    const b = await cluster.server('b', { ...nonSticky, nodes: cluster.nodes(detours) })
    const old = visitor.copy()
    const detour = detours[second()] as Detour
    detour.hang()
    expect((await visitor.post(`${b.url}/destroy`, {})).status).toBe(200)
    expect(b.sessions.stats().counters.tombstonesPending).toBeGreaterThan(0)
    detour.heal()
    await waitFor(async () => (await copiesOf(cluster, old)).length === 0, { message: 'the tombstone' })
    expect(await attributesAt(b, old)).toEqual({})
  })
})
