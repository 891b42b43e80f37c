import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { startRedis, type TestRedis } from '../../src/testing/index.js'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { attributesAt } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

const minute = 60_000
const idleTimeout = 15 * minute
/* With the granularity of touches on top. */
const latest = idleTimeout * 1.2
const activity = { except: /^\/poll/ }

let redis: TestRedis
let running: { close(): Promise<unknown> }[]
let start: number

beforeEach(async () => {
  redis = await startRedis()
  running = [redis]
  /* The time of day stands still until a test moves it; what waits goes on. */
  vi.useFakeTimers({ toFake: ['Date'] })
  start = Date.now()
})

afterEach(async () => {
  for (const each of running.reverse()) await each.close()
  vi.useRealTimers()
})

/** Milliseconds after the beginning of the test. */
const at = (time: number) => vi.setSystemTime(start + time)

const kinds = [
  ['sticky', { mode: 'sticky', backup: { mode: 'sync', timeout: '5s' }, trustFor: 0 }],
  ['non-sticky', { mode: 'non-sticky' }],
  ['non-sticky with a near cache', { mode: 'non-sticky', nearCache: {} }],
] as const

describe.each(kinds)('requests that are no activity, %s', (name, options) => {
  const isSticky = name === 'sticky'

  async function serve(changes: object = {}): Promise<AppServer> {
    const all = { nodes: `n1:${redis.url}`, operationTimeout: '5s', idleTimeout, activity, ...options, ...changes }
    const server = await startAppServer(all as never, routes)
    running.push(server)
    return server
  }

  function routes(app: Express): void {
    app.get('/poll', (req, res) => void res.json(endOf(req)))
    app.get('/poll/change', (req, res) => {
      sessionOf(req).news = 1
      res.json(endOf(req))
    })
    app.get('/passive', (req, res) => void res.json(endOf(sessionOf(req).passive() && req)))
    app.get('/end', (req, res) => void res.json(endOf(req)))
    app.get('/touch', (req, res) => void res.json(endOf(sessionOf(req).touch() && req)))
  }

  /** Milliseconds after the beginning of the test; `null`: there is no session. */
  function endOf(req: Express['request']): number | null {
    const { expiresAt, user } = sessionOf(req)
    return user === undefined ? null : Number(expiresAt) - start
  }

  async function login(server: AppServer): Promise<Visitor> {
    const visitor = new Visitor()
    await visitor.post(server.url, { user: 'ann' })
    return visitor
  }

  const poll = async (server: AppServer, visitor: Visitor, path = '/poll') => {
    const end = (await visitor.get(server.url + path)).json<number | null>()
    await server.sessions.flush()
    return end
  }

  it.each(['/poll', '/passive', '/poll/change'])('leave the end as it is: %s', async (path) => {
    const server = await serve()
    const visitor = await login(server)
    const ends: (number | null)[] = []
    for (let time = 1; time < 15; time += 2) {
      at(time * minute)
      ends.push(await poll(server, visitor, path))
    }
    const end = isSticky ? idleTimeout : latest
    expect(ends).toEqual(ends.map(() => end))
    at(end + 1)
    expect(await poll(server, visitor, path)).toBeNull()
  })

  it('store what they change', async () => {
    const server = await serve()
    const visitor = await login(server)
    await poll(server, visitor, '/poll/change')
    const other = await serve()
    expect(await attributesAt(other, visitor)).toEqual({ user: 'ann', news: 1 })
  })

  it('stand among others, which keep the session alive', async () => {
    const server = await serve()
    const visitor = await login(server)
    for (let time = 0; time < 60; time += 10) {
      at(time * minute)
      expect(await poll(server, visitor, '/end')).toBeGreaterThanOrEqual(time * minute + idleTimeout)
      at((time + 5) * minute)
      expect(await poll(server, visitor)).toBeGreaterThanOrEqual(time * minute + idleTimeout)
    }
    at(50 * minute + latest + 1)
    expect(await poll(server, visitor)).toBeNull()
  })

  it('keep nothing alive on another server either', async () => {
    const [a, b] = [
      await serve({ route: isSticky ? 'a' : undefined }),
      await serve({ route: isSticky ? 'b' : undefined }),
    ]
    const visitor = await login(a)
    for (let time = 2; time <= 14; time += 4) {
      at(time * minute)
      expect(await poll(a, visitor)).toBeLessThanOrEqual(latest)
      at((time + 2) * minute)
      expect(await poll(b, visitor)).toBeLessThanOrEqual(latest)
    }
    at(latest + 1)
    expect(await poll(a, visitor.copy())).toBeNull()
    expect(await poll(b, visitor.copy())).toBeNull()
  })

  it('get no renewed cookie', async () => {
    const server = await serve({ rolling: true, cookie: { maxAge: '1h' } })
    const visitor = await login(server)
    expect((await visitor.get(`${server.url}/poll`)).cookie).toBeUndefined()
    expect((await visitor.get(`${server.url}/poll/change`)).cookie).toBeUndefined()
    expect((await visitor.get(`${server.url}/passive`)).cookie).toBeUndefined()
    expect((await visitor.get(`${server.url}/end`)).cookie).toBeDefined()
  })

  it('count when they touch the session', async () => {
    const server = await serve()
    const visitor = await login(server)
    at(10 * minute)
    await poll(server, visitor, '/touch')
    at(24 * minute)
    expect(await poll(server, visitor)).toBeGreaterThanOrEqual(25 * minute)
  })

  it('never take the end beyond the absolute one', async () => {
    const server = await serve({ absoluteTimeout: '20m' })
    const visitor = await login(server)
    at(10 * minute)
    expect(await poll(server, visitor, '/end')).toBe(20 * minute)
    at(19 * minute)
    expect(await poll(server, visitor, '/end')).toBe(20 * minute)
    at(20 * minute + 1)
    expect(await poll(server, visitor, '/end')).toBeNull()
  })

  it('follow the age that a session sets for itself', async () => {
    const server = await startAppServer(
      { nodes: `n1:${redis.url}`, operationTimeout: '5s', idleTimeout, activity, ...options } as never,
      (app) => {
        app.get('/remember', (req, res) => {
          sessionOf(req).user = 'ann'
          sessionOf(req).cookie.maxAge = 24 * 60 * minute
          res.end()
        })
        routes(app)
      },
    )
    running.push(server)
    const visitor = new Visitor()
    await visitor.get(`${server.url}/remember`)
    at(23 * 60 * minute)
    expect(await poll(server, visitor)).toBeGreaterThanOrEqual(24 * 60 * minute)
  })

  it('are told apart no more when that is taken out of the configuration, and nobody is logged out', async () => {
    const server = await serve()
    const visitor = await login(server)
    server.sessions.reconfigure({ activity: undefined })
    for (let time = 10; time <= 60; time += 10) {
      at(time * minute)
      expect(await poll(server, visitor)).toBeGreaterThanOrEqual(time * minute + (time > 10 ? idleTimeout : 0))
    }
  })

  it('are refused by passive() without the setting, with its name', async () => {
    const server = await serve({ activity: undefined })
    const visitor = await login(server)
    const answer = await visitor.get(`${server.url}/passive`)
    expect([answer.status, answer.body]).toEqual([500, expect.stringContaining('activity')])
  })
})
