import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/clock.js'
import { CopyIndex } from '../../../src/local/copy-index.js'
import { formatSessionId, SessionTokens } from '../../../src/session-id/session-id.js'
import { secret, sessionOf } from '../../support/app-server.js'
import { attributesAt, Cluster, record, visitorsOf } from '../../support/cluster.js'
import { nonSticky, twoServers } from '../../support/non-sticky.js'
import { patience } from '../../support/patience.js'
import { storages } from '../../support/storages.js'
import { Visitor } from '../../support/visitor.js'

describe.each(storages)('without stickiness (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  it('an id that leads nowhere is looked up once on each node, and then for a while on its own alone', async () => {
    const [a] = await twoServers(cluster)
    await cluster.settled()
    const lost = new Visitor()
    lost.id = formatSessionId(new SessionTokens([secret]).issue(), 'n1', undefined)
    const before = await cluster.operations()
    for (let i = 0; i < 10; i++) expect((await lost.copy().get(`${a.url}/`)).status).toBe(200)
    expect((await cluster.operations()) - before).toBe(2 + 9)
    expect(a.sessions.stats().counters).toMatchObject({ unknownIds: 1, rememberedMisses: 9 })
  })

  it('a session that is too large is that session’s problem, and stays as it was stored', async () => {
    const [a, b] = await twoServers(cluster, { maxSessionBytes: '1MB' }, fillRoute)
    const failed = record(a.sessions, 'backupFailed')
    const visitors = await visitorsOf(a, 5)
    const [bad] = visitors as [Visitor]
    expect((await bad.post(`${a.url}/fill/1200000`, {})).status).toBe(500)
    expect(failed).toMatchObject([{ attribute: 'big' }])
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
    await expect.poll(() => a.sessions.stats().activeSessions).toBe(0)
    expect(a.sessions.stats().nodes.map(({ state }) => state)).toEqual(['up', 'up'])
    expect((await bad.post(`${a.url}/`, { small: true })).status).toBe(200)
    expect(await attributesAt(b, bad)).toEqual({ number: 0, small: true })
  })

  it('a response waits for a storage that does not answer for a bounded time', async () => {
    const detours = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const a = await cluster.server(
      'a',
      { ...nonSticky, nodes: cluster.nodes(detours), operationTimeout: '300ms' },
      (app) => {
        app.post('/cut-off', (req, res) => {
          sessionOf(req).more = 1
          for (const detour of Object.values(detours)) detour.hang()
          res.send('not stored')
        })
      },
    )
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const started = performance.now()
    expect((await visitor.copy().post(`${a.url}/cut-off`, {})).status).toBe(200)
    expect(performance.now() - started).toBeLessThan(patience)
    const { backupTimeouts, backupFailures } = a.sessions.stats().counters
    expect(backupTimeouts + backupFailures).toBeGreaterThan(0)
    for (const detour of Object.values(detours)) detour.heal()
    const b = await cluster.server('b', nonSticky)
    await expect.poll(() => attributesAt(b, visitor)).toEqual({ number: 0, more: 1 })
  })
})

describe('without stickiness, on memcached', () => {
  it('a write that is refused again and again ends', async () => {
    const cluster = await Cluster.of('n1', 'n2')
    try {
      const faulty = { n1: await cluster.faulty('n1'), n2: await cluster.faulty('n2') }
      /* A response waits for five times as long, and the repetitions of a write take longer. */
      const options = { ...nonSticky, nodes: cluster.nodes(faulty), operationTimeout: '300ms' } as const
      const a = await cluster.server('a', options)
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      for (const node of Object.values(faulty)) node.fail({ kind: 'status', status: 0x02 }, { opcode: 0x01 })
      expect((await visitor.copy().post(`${a.url}/`, { more: 1 })).status).toBe(200)
      expect(a.sessions.stats().counters.backupTimeouts).toBe(1)
      for (const node of Object.values(faulty)) node.heal()
      await expect.poll(() => attributesAt(a, visitor)).toEqual({ number: 0, more: 1 })
    } finally {
      await cluster.close()
    }
  })

  it('a server remembers the places of so many sessions, the oldest are forgotten and counted', () => {
    let dropped = 0
    const known = new CopyIndex(systemClock, () => dropped++, 100)
    for (let i = 0; i < 1000; i++) known.schedule(known.note(`token${i}`))
    expect([known.size, dropped, known.has('token899'), known.has('token900')]).toEqual([100, 900, false, true])
  })
})

function fillRoute(app: Express): void {
  app.post('/fill/:bytes', (req, res) => {
    sessionOf(req).big = 'x'.repeat(Number(req.params.bytes))
    res.send('filled')
  })
}
