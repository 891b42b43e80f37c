import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { inTime } from '../support/in-time.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe('where memcached-session-manager loses sessions that move', () => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
  })

  afterEach(() => cluster.close())

  it('W7: a copy that expires in a server’s memory does not take the new owner’s backup with it', async () => {
    await inTime(1000, async (life, within) => {
      const options = { idleTimeout: life }
      const a = await cluster.server('a', options)
      const b = await cluster.server('b', options)
      const expired = record(a.sessions, 'expired')
      let used = performance.now()
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      while (expired.length === 0) {
        const since = used
        used = performance.now()
        const attributes = await attributesAt(b, visitor)
        within(life, since)
        expect(attributes).toEqual({ number: 0 })
        await waitFor(() => performance.now() - used > 50)
      }
      const owner = (await storedSession(cluster.memcached(visitor), visitor))?.owner
      await b.sessions.close()
      const attributes = await attributesAt(await cluster.server('c', options), visitor)
      within(life, used)
      expect(owner).toBe('b')
      expect(attributes).toEqual({ number: 0 })
    })
  })

  it('W10: the storage has a copy at every moment of a takeover, also when the new server dies within it', async () => {
    const gate = new Gate()
    const held = (app: Express) => {
      app.get('/held', async (req, res) => {
        void sessionOf(req).number
        await gate.pass()
        res.send('done')
      })
    }
    const a = await cluster.server('a')
    const b = await cluster.server('b', {}, held)
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.close()
    const request = visitor.copy().get(`${b.url}/held`)
    let looks = 0
    await waitFor(
      async () => {
        looks++
        expect((await storedSession(cluster.memcached(visitor), visitor))?.attributes).toEqual({ number: 0 })
        return gate.waiting === 1
      },
      { interval: 0 },
    )
    expect(looks).toBeGreaterThan(0)
    expect((await storedSession(cluster.memcached(visitor), visitor))?.owner).toBe('b')
    expect(await attributesAt(await cluster.server('c'), visitor)).toEqual({ number: 0 })
    gate.open()
    await request
  })

  it('W12: parallel requests with the old cookie after a relocation all reach the session', async () => {
    const a = await cluster.server('a')
    const relocated = record(a.sessions, 'relocated')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    await cluster.memcached(visitor).kill()
    await waitFor(() => a.sessions.stats().nodes.some((node) => node.state === 'down'))
    const old = Array.from({ length: 10 }, () => visitor.copy())
    await Promise.all(old.map((tab, i) => tab.post(`${a.url}/`, { [`tab${i}`]: i })))
    for (const tab of old) {
      expect(tab.token).toBe(visitor.token)
      expect(tab.node).not.toBe(visitor.node)
    }
    const expected = { number: 0, ...Object.fromEntries(old.map((_, i) => [`tab${i}`, i])) }
    expect(await attributesAt(a, visitor.copy())).toEqual(expected)
    expect(relocated.length).toBe(1)
    await a.sessions.close()
    expect(await attributesAt(await cluster.server('b'), visitor.copy())).toEqual(expected)
  })
})
