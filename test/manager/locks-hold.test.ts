import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { exchange } from '../../src/testing/exchange.js'
import { redisCommand, waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { knownDown } from '../support/non-sticky.js'
import { modesAndStorages } from '../support/storages.js'
import { keyOf } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

describe.each(modesAndStorages)('locks, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let gates: Record<string, Gate>
  let a: AppServer
  let b: AppServer
  let visitor: Visitor

  const routes = (app: Express) => {
    app.post('/count', async (req, res) => {
      const session = sessionOf(req)
      const count = (session.count as number | undefined) ?? 0
      await gates[req.query.gate as string]?.pass()
      session.count = count + 1
      session.seen = [...((session.seen as string[] | undefined) ?? []), req.query.gate]
      if (req.query.early !== undefined) res.write('begun')
      res.end('counted')
    })
    app.post('/mark', async (req, res) => {
      await gates[req.query.gate as string]?.pass()
      sessionOf(req).mark = true
      res.end('marked')
    })
    app.get('/events', async (req, res) => {
      sessionOf(req).events = true
      if (req.query.unlock !== undefined) await sessionOf(req).unlock()
      await gates.events?.pass()
      res.end('over')
    })
    app.post('/app', async (req, res) => {
      const answer = await sessionOf(req)
        .lock(async () => {
          const count = (sessionOf(req).count as number | undefined) ?? 0
          await gates[req.query.gate as string]?.pass()
          sessionOf(req).count = count + 1
          return 'counted'
        })
        .catch((error: Error & { code: string }) => error.code)
      res.end(answer)
    })
  }

  async function start(options: Partial<HoldfastOptions> = {}): Promise<void> {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    const locking = { mode: 'all', expiry: '2s', timeout: '10s' } as const
    const shared = { mode, locking, operationTimeout: '1s', ...options }
    a = await cluster.server('a', shared, routes)
    b = await cluster.server('b', shared, routes)
    visitor = (await visitorsOf(a, 1))[0] as Visitor
    await a.sessions.flush()
  }

  beforeEach(() => {
    gates = { first: new Gate(), second: new Gate(), events: new Gate() }
  })

  afterEach(async () => {
    for (const gate of Object.values(gates)) gate.open()
    await cluster.close()
  })

  /* As if its node had been restarted, or it had expired while the holder stood still. */
  async function loseLock(): Promise<void> {
    const key = keyOf(visitor).replace(':', ':lock:')
    for (const id of cluster.ids) {
      const node = cluster.node(id)
      if (kind === 'redis') await redisCommand(node, 'DEL', key)
      else await exchange(node, `delete ${key}\r\n`, (text) => text.endsWith('\r\n'))
    }
  }

  async function held(server: AppServer, path: string): Promise<{ answer: ReturnType<Visitor['post']> }> {
    const answer = visitor.copy().post(`${server.url}${path}`, {})
    await waitFor(() => gates.first?.waiting === 1)
    return { answer }
  }

  it('are one for all servers: the second request sees what the first has changed', async () => {
    await start()
    const { answer } = await held(a, '/count?gate=first')
    const second = visitor.copy().post(`${b.url}/count?gate=none`, {})
    await waitFor(() => b.sessions.stats().lockWaiters === 1)
    gates.first?.open()
    expect([(await answer).status, (await second).status]).toEqual([200, 200])
    expect((await attributesAt(b, visitor.copy())).count).toBe(2)
  })

  it('that did not hold cost the one that was overtaken a 503, and nobody a step', async () => {
    await start()
    const lost = record(a.sessions, 'lockLost')
    const { answer } = await held(a, '/count?gate=first')
    await loseLock()
    expect((await visitor.copy().post(`${b.url}/count?gate=none`, {})).status).toBe(200)
    gates.first?.open()
    const refused = await answer
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '1'])
    expect(refused.body).toMatch(/changed by somebody else/)
    expect(await attributesAt(b, visitor.copy())).toMatchObject({ count: 1, seen: ['none'] })
    expect(lost).toEqual([expect.objectContaining({ answered: false })])
    expect(a.sessions.stats().counters.lockedChangesRefused).toBe(1)
  })

  it('that did not hold cost nothing where others changed something else', async () => {
    await start()
    const { answer } = await held(a, '/count?gate=first')
    await loseLock()
    expect((await visitor.copy().post(`${b.url}/mark?gate=none`, {})).status).toBe(200)
    gates.first?.open()
    expect((await answer).status).toBe(200)
    expect(await attributesAt(b, visitor.copy())).toMatchObject({ count: 1, mark: true })
  })

  it('are told of by an event where the answer has begun', async () => {
    await start()
    const lost = record(a.sessions, 'lockLost')
    const { answer } = await held(a, '/count?gate=first&early')
    await loseLock()
    await visitor.copy().post(`${b.url}/count?gate=none`, {})
    gates.first?.open()
    expect((await answer).status).toBe(200)
    await waitFor(() => lost.length === 1)
    expect(lost).toEqual([expect.objectContaining({ answered: true })])
    expect((await attributesAt(b, visitor.copy())).count).toBe(1)
  })

  it('in the code reject with what became of them', async () => {
    await start({ locking: { mode: 'app', expiry: '2s', timeout: '10s' } })
    const { answer } = await held(a, '/app?gate=first')
    await loseLock()
    expect((await visitor.copy().post(`${b.url}/app?gate=none`, {})).body).toBe('counted')
    gates.first?.open()
    expect((await answer).body).toBe('HOLDFAST_LOCK_LOST')
    expect((await attributesAt(b, visitor.copy())).count).toBe(1)
  })

  it.each([
    ['given back', '?unlock', {}],
    ['never taken', '', { except: '/^\\/events$/' }],
  ])('are %s by streams', async (_what, query, options) => {
    await start({ locking: { mode: 'all', expiry: '2s', timeout: '10s', ...options } })
    const stream = visitor.copy().get(`${a.url}/events${query}`)
    await waitFor(() => gates.events?.waiting === 1)
    expect((await visitor.copy().post(`${b.url}/count?gate=none`, {})).status).toBe(200)
    gates.events?.open()
    expect((await stream).status).toBe(200)
    await a.sessions.flush()
    expect(await attributesAt(b, visitor.copy())).toMatchObject({ count: 1, events: true })
  })

  it('are refused by a server that can’t reach their node, and taken elsewhere when that is gone', async () => {
    await start()
    const detours = { n1: await cluster.detour('n1'), n2: await cluster.detour('n2') }
    const locking = { mode: 'all', expiry: '2s', timeout: '1s' } as const
    const c = await cluster.server(
      'c',
      { mode, locking, operationTimeout: '1s', nodes: cluster.nodes(detours) },
      routes,
    )
    const visitors = await visitorsOf(a, 8)
    await a.sessions.flush()
    detours.n1.hang()
    await knownDown('n1', c)
    const answers = await Promise.all(visitors.map((one) => one.copy().post(`${c.url}/count?gate=none`, {})))
    expect(new Set(answers.map(({ status }) => status))).toContain(503)
    await cluster.node('n1').kill()
    await knownDown('n1', a, b)
    for (const one of visitors) expect((await one.copy().post(`${a.url}/count?gate=none`, {})).body).toBe('counted')
  })
})
