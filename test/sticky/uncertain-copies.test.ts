import { afterEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

/* One server has an older copy, and its way to the node that has the newer one hangs. */
describe.each(storages)('a copy that goes on from memory while its node is silent (%s)', (kind) => {
  let cluster: Cluster

  afterEach(() => cluster.close())

  /** @returns with a visitor whose session is on n1, where the way of server a leads through a detour */
  async function start(backup: HoldfastOptions['backup']) {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    const way = await cluster.detour('n1')
    const options = { trustFor: 0, backup, operationTimeout: '1m', probeInterval: '1m' } as Partial<HoldfastOptions>
    const a = await cluster.server('a', { ...options, nodes: cluster.nodes({ n1: way }) })
    const b = await cluster.server('b', options)
    const visitor = (await visitorsOf(a, 12)).find(({ node }) => node === 'n1') as Visitor
    return { way, a, b, visitor }
  }

  it.each([
    ['is removed', null, undefined],
    ['is assigned what it was here', 'old', 'old'],
  ])('counts what %s there as the later change, also where it says the same', async (_, assigned, expected) => {
    const { way, a, b, visitor } = await start({ mode: 'sync' })
    if (expected !== undefined) await visitor.post(`${a.url}/`, { name: expected })
    const older = visitor.copy()
    await visitor.post(`${b.url}/`, { name: 'new' })
    way.hang()
    expect((await older.copy().post(`${a.url}/`, { name: assigned })).status).toBe(200)
    way.heal()
    await waitFor(async () => (await a.sessions.flush()).unsaved === 0)
    for (const server of [b, a, b]) expect((await attributesAt(server, older.copy())).name).toBe(expected)
  })

  it('is not served when the session has ended on another server', async () => {
    const { way, a, b, visitor } = await start({ timeout: '30s' })
    const older = visitor.copy()
    expect((await visitor.post(`${b.url}/destroy`, {})).status).toBe(200)
    for (const id of cluster.ids)
      await waitFor(async () => (await storedSession(cluster.node(id), older))?.kind === 'tombstone')
    way.hang()
    expect(await attributesAt(a, older)).toEqual({})
    way.heal()
  })
})
