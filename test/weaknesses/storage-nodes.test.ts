import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatSessionId } from '../../src/session-id/session-id.js'
import { waitFor } from '../../src/testing/index.js'
import { attributesAt, Cluster, record, visitorsOf } from '../support/cluster.js'
import { startLoad } from '../support/load.js'
import { endless, patience } from '../support/patience.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

describe('where memcached-session-manager misjudges storage nodes', () => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  afterEach(() => cluster.close())

  it.each([
    ['refused', { kind: 'status', status: 0x82 }],
    ['cut off', { kind: 'reset' }],
    ['unanswered', { kind: 'unanswered' }],
  ] as const)('W24: one write that was %s moves no other session off the node', async (_what, fault) => {
    const detour = await cluster.faulty('n1')
    const a = await cluster.server('a', { nodes: cluster.nodes({ n1: detour }), failoverNodes: ['n2'] })
    const down = record(a.sessions, 'nodeDown')
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    detour.fail(fault, { opcode: 0x01, requests: 1 })
    await (visitors[0] as Visitor).post(`${a.url}/`, { more: 1 })
    await a.sessions.flush()
    await Promise.all(visitors.map((visitor) => visitor.post(`${a.url}/`, { after: 1 })))
    await a.sessions.flush()
    expect(down).toEqual([])
    expect(a.sessions.stats().counters.relocations).toBe(0)
    for (const visitor of visitors) {
      expect(visitor.node).toBe('n1')
      expect((await storedSession(cluster.memcached('n1'), visitor))?.attributes).toHaveProperty('after')
    }
  })

  it('W25: a hung node is found out in the background: requests of other sessions never wait for it', async () => {
    const backup = { mode: 'sync', timeout: '30s' } as const
    const patient = await cluster.server('b', { operationTimeout: endless, backup })
    const others = (await visitorsOf(patient, 10)).filter((visitor) => visitor.node === 'n2')
    const a = await cluster.server('a', { operationTimeout: '2s', backup })
    const down = record(a.sessions, 'nodeDown')
    const visitors = await visitorsOf(a, 20)
    const unaffected = visitors.filter((visitor) => visitor.node === 'n2')
    const load = startLoad(() => a.url, unaffected)
    await waitFor(() => load.report.answers > 50)
    await cluster.memcached('n1').suspend()
    await waitFor(() => down.length === 1)
    const { answers } = load.report
    await waitFor(() => load.report.answers > answers + 50)
    const { statuses } = await load.stop()
    expect([...statuses]).toEqual([200])
    const askedOfHung = () => a.sessions.stats().nodes[0]?.operations
    const before = askedOfHung()
    for (const visitor of visitors) expect((await visitor.post(`${a.url}/`, { after: 1 })).status).toBe(200)
    expect(askedOfHung()).toBe(before)
    /* At the other server the node costs whoever asks it a minute. */
    expect(others.length).toBeGreaterThan(0)
    const started = performance.now()
    for (const visitor of others) expect((await visitor.post(`${patient.url}/`, { after: 1 })).status).toBe(200)
    expect(performance.now() - started).toBeLessThan(patience)
    expect(patient.sessions.stats().nodes.map(({ state }) => state)).toEqual(['up', 'up'])
  })

  it('W35: node ids in cookies leave nothing in memory, however many are made up', async () => {
    const a = await cluster.server('a')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.close()
    const b = await cluster.server('b')
    const before = b.sessions.stats()
    for (let round = 0; round < 20; round++) {
      const bogus = Array.from({ length: 25 }, (_, i) => {
        const tab = new Visitor()
        const token = i % 2 === 0 ? (visitor.token as string) : 'x'.repeat(48)
        tab.id = formatSessionId(token, `bogus${round}x${i}`, `route${i}`)
        return tab.get(`${b.url}/untouched`)
      })
      await Promise.all(bogus)
    }
    const after = b.sessions.stats()
    expect(after.nodes.map(({ id }) => id)).toEqual(before.nodes.map(({ id }) => id))
    expect(after.activeSessions).toBe(1)
    expect(after.counters.unknownIds).toBe(0)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0 })
  })
})
