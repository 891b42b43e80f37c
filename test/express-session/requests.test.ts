import type { IncomingMessage, ServerResponse } from 'node:http'
import cookieParser from 'cookie-parser'
import { describe, expect, it } from 'vitest'
import type { Session } from '../../src/session/session.js'
import { sessionIdOf, sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { serve } from './serve.js'

type Open = Session & Record<string, unknown>

/** A visitor with a cookie that he made up. */
function forger(id: string): Visitor {
  const visitor = new Visitor()
  visitor.id = id
  return visitor
}

describe('a request that comes to the middleware', () => {
  it('3.2.1: keeps the session that it has already', async () => {
    const server = await serve({}, (app, sessions) => {
      app.use((req, _res, next) => {
        Object.assign(req, { before: sessionOf(req) })
        next()
      }, sessions.middleware())
      app.get('/twice', (req, res) => {
        res.json((req as unknown as { before: unknown }).before === sessionOf(req))
      })
    })
    expect((await new Visitor().get(`${server.url}/twice`)).json()).toBe(true)
  })

  it.each([
    ['/shop', true],
    ['/shop/cart', true],
    ['/shop?a=1', true],
    ['/shopping', false],
    ['/', false],
  ])('3.2.1: has a session under the cookie’s path only: %s', async (path, has) => {
    const server = await serve({ cookie: { path: '/shop' } }, (app) => {
      app.use((req, res) => void res.json(sessionOf(req) !== undefined))
    })
    expect((await new Visitor().get(server.url + path)).json()).toBe(has)
  })

  it('3.2.1: is measured by its whole URL where the middleware is mounted', async () => {
    const server = await serve({ cookie: { path: '/shop' }, ignore: /^\/shop\/images/ }, (app, sessions) => {
      app.use('/shop', sessions.middleware())
      app.get('/shop/*any', (req, res) => void res.json(sessionOf(req) !== undefined))
    })
    expect((await new Visitor().get(`${server.url}/shop/cart`)).json()).toBe(true)
    expect((await new Visitor().get(`${server.url}/shop/images/1.png`)).json()).toBe(false)
  })

  it('3.2.2: is told by its Cookie header alone, whatever a cookie parser makes of it', async () => {
    const server = await serve({}, (app, sessions) => {
      app.get('/forged', (req, _res, next) => {
        Object.assign(req, { cookies: { sid: 's:x.y' }, signedCookies: { sid: forged.id }, session: undefined })
        sessions.middleware()(req, _res, next)
      })
      app.get('/forged', (req, res) => void res.json(sessionOf(req).secretly ?? null))
    })
    const forged = new Visitor()
    await forged.post(server.url, { secretly: 1 })
    expect((await forged.get(`${server.url}/forged`)).json()).toBe(1)
    expect((await new Visitor().get(`${server.url}/forged`)).json()).toBeNull()
  })

  it('3.2.2: has the same session with a cookie parser in front', async () => {
    const server = await serve({}, (app) => app.use(cookieParser('a secret of the cookie parser')))
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1 } })
  })

  it.each(['apple', 's:apple.D8Y', `${'a'.repeat(24)}${'b'.repeat(24)}`])(
    '3.2.2: with an id that is not signed asks no storage for it: %s',
    async (id) => {
      const server = await serve()
      const answer = await forger(id).get(server.url)
      const { counters } = server.sessions.stats()
      expect(answer.json()).toMatchObject({ attributes: {} })
      expect([counters.invalidIds, counters.unknownIds]).toEqual([1, 0])
    },
  )

  it('3.2.3: never gets the id of a session that is gone', async () => {
    const server = await serve()
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const gone = visitor.id as string
    await server.sessions.destroy(gone)
    await visitor.post(server.url, { b: 2 })
    expect(visitor.id).not.toBe(gone)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { b: 2 } })
    expect((await forger(gone).get(server.url)).json()).toMatchObject({ attributes: {} })
  })
})

describe('what an application writes on a request', () => {
  it('3.2.15: is not taken for the session’s own when it has a reserved name', async () => {
    const server = await serve({}, (app) => {
      app.get('/reserved', async (req, res) => {
        const session = sessionOf(req)
        Object.assign(session, { kept: 1 })
        for (const name of ['id', 'req']) Reflect.set(session, name, 'forged')
        Object.assign(session, { touch: 'forged', ['__proto__']: { forged: true } })
        res.json(Object.keys(session))
      })
      app.get('/keys', (req, res) => {
        const session = sessionOf(req)
        const inherited: string[] = []
        for (const name in session) inherited.push(name)
        res.json([Object.keys(session), inherited, typeof session.touch, session.id === sessionIdOf(req)])
      })
    })
    const visitor = new Visitor()
    await visitor.get(`${server.url}/reserved`)
    const keys = ['cookie', 'kept']
    expect((await visitor.get(`${server.url}/keys`)).json()).toEqual([keys, keys, 'function', true])
  })

  it.each([[null], [42], ['other']])('3.2.16: does not decide the session’s id as req.sessionID = %j', async (id) => {
    const server = await serve({}, (app) => {
      app.post('/id', (req, res) => {
        sessionOf(req).a = 1
        Object.assign(req, { sessionID: id })
        res.json([sessionIdOf(req), sessionOf(req).id])
      })
    })
    const visitor = new Visitor()
    const [assigned, own] = (await visitor.post(`${server.url}/id`, {})).json<unknown[]>()
    expect(assigned).toBe(id)
    expect(own).toBe(visitor.id)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1 } })
  })
})

describe('a request that is none', () => {
  it.each([
    ['no methods at all', {}],
    ['an end only', { end() {} }],
  ])('3.2.17: has its session with a response of %s', async (_what, res) => {
    const server = await serve()
    const visitor = new Visitor()
    await visitor.post(server.url, { user: 'ada' })
    const handshake = { headers: { cookie: `sid=${visitor.id}` }, url: '/socket.io/?EIO=4' }
    const req = handshake as unknown as IncomingMessage & { session: Open; sessionID: string }
    await new Promise((resolve) => server.sessions.middleware()(req, res as unknown as ServerResponse, resolve))
    expect([req.session.user, req.sessionID]).toEqual(['ada', visitor.id])
    req.session.events = 1
    await req.session.save()
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { user: 'ada', events: 1 } })
  })
})
