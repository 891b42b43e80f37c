import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, visitorsOf } from '../support/cluster.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe('where memcached-session-manager stores the wrong thing or nothing', () => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.of('n1')
  })

  afterEach(() => cluster.close())

  it('W8: the stored copy is the newest after many quick changes to a storage of changing speed', async () => {
    const uneven = await cluster.faulty('n1')
    const a = await cluster.server('a', { nodes: cluster.nodes({ n1: uneven }) })
    const visitors = await visitorsOf(a, 15)
    for (let count = 1; count <= 20; count++) {
      uneven.fail({ kind: 'delay', ms: (count * 7) % 26 })
      await Promise.all(visitors.map((visitor) => visitor.post(`${a.url}/`, { count })))
    }
    await a.sessions.flush()
    for (const [number, visitor] of visitors.entries()) {
      expect((await storedSession(cluster.memcached('n1'), visitor))?.attributes).toEqual({ number, count: 20 })
    }
  })

  it('W8: a write that fails is counted and tried again until it is stored', async () => {
    const faulty = await cluster.faulty('n1')
    const a = await cluster.server('a', { nodes: cluster.nodes({ n1: faulty }) })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    /* 0x86: temporary failure; 0x01: set. */
    faulty.fail({ kind: 'status', status: 0x86 }, { opcode: 0x01, requests: 5 })
    await visitor.post(`${a.url}/`, { kept: true })
    const kept = async () => (await storedSession(cluster.memcached('n1'), visitor))?.attributes.kept === true
    await waitFor(kept)
    expect(a.sessions.stats().counters.backupRetries).toBeGreaterThan(0)
    expect(a.sessions.stats().counters.backupFailures).toBeGreaterThan(0)
  })

  it('W17: a change that an asynchronous handler makes long after it returned is stored', async () => {
    const gate = new Gate()
    const a = await cluster.server('a', {}, (app: Express) => {
      app.post('/streamed', (req, res) => {
        res.write('begin ')
        void gate.pass().then(() => {
          sessionOf(req).late = { assigned: true }
          res.end('end')
        })
      })
      app.post('/inside', async (req, res) => {
        const { late } = sessionOf(req) as { late?: { deep?: number } }
        await new Promise(setImmediate)
        if (late !== undefined) late.deep = 1
        res.send('changed inside')
      })
    })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const streamed = visitor.copy().post(`${a.url}/streamed`, {})
    await waitFor(() => gate.waiting === 1)
    gate.open()
    await streamed
    await visitor.post(`${a.url}/inside`, {})
    await a.sessions.flush()
    const expected = { number: 0, late: { assigned: true, deep: 1 } }
    await waitFor(async () => {
      expect((await storedSession(cluster.memcached('n1'), visitor))?.attributes).toEqual(expected)
      return true
    })
  })

  it('W28: a change that comes while the one before is being stored is stored too', async () => {
    const slow = await cluster.faulty('n1')
    const a = await cluster.server('a', { nodes: cluster.nodes({ n1: slow }), operationTimeout: '30s' })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    /* Longer than two more requests take to come, on a busy machine too. */
    slow.fail({ kind: 'delay', ms: 2000 }, { opcode: 0x01, requests: 1 })
    await visitor.post(`${a.url}/`, { first: true })
    const isUnderWay = async () => (await storedSession(cluster.memcached('n1'), visitor))?.attributes.first === true
    await waitFor(isUnderWay, { interval: 0 })
    expect(a.sessions.stats().pendingBackups).toBe(1)
    await visitor.post(`${a.url}/`, { second: true })
    expect((await storedSession(cluster.memcached('n1'), visitor))?.attributes).not.toHaveProperty('second')
    await a.sessions.flush()
    const stored = await storedSession(cluster.memcached('n1'), visitor)
    expect(stored?.attributes).toEqual({ number: 0, first: true, second: true })
    await a.sessions.close()
    expect(await attributesAt(await cluster.server('b'), visitor)).toEqual(stored?.attributes)
  })
})
