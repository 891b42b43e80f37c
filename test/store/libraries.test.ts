import http from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import express, { type Express, type Request, type RequestHandler } from 'express'
import session, { type Store } from 'express-session'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppServer, sessionIdOf, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

const require = createRequire(import.meta.url)
const openidSession = require('express-openid-connect/lib/appSession.js') as (config: unknown) => RequestHandler

interface Server {
  url: string
  close(): void
}

/** A server of its own for an application that has no sessions but the library's. */
async function serve(app: Express): Promise<Server> {
  const server = http.createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = (): void => {
    server.close()
    server.closeAllConnections()
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close }
}

/** The browser's side of a request whose answer came: the library's cookie as it is in the header. */
const plain = (visitor: Visitor): string => decodeURIComponent(visitor.id ?? '')

/* Each write is waited for, however busy the machine is: a test goes on at the other server. */
const patient = { backup: { timeout: '3s' } }

describe('libraries that take an express-session store', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let others: Server[]

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    a = await cluster.server('a', patient)
    b = await cluster.server('b', patient)
    others = []
  })

  afterEach(async () => {
    for (const other of others) other.close()
    await cluster.close()
  })

  async function onBoth(build: (sessions: AppServer['sessions']) => Express): Promise<[string, string]> {
    const one = await serve(build(a.sessions))
    const two = await serve(build(b.sessions))
    others.push(one, two)
    return [one.url, two.url]
  }

  describe('express-session itself', () => {
    let gate: Gate

    beforeEach(() => {
      gate = new Gate()
    })

    function build(sessions: AppServer['sessions']): Express {
      const app = express()
      const store: Store = sessions.asStore()
      app.use(session({ secret: 'theirs', store, resave: false, saveUninitialized: false, cookie: { maxAge: 60_000 } }))
      app.use(express.json())
      app.get('/', (req, res) => {
        const { cookie: _, ...attributes } = sessionOf(req) as Record<string, unknown>
        res.json({ id: sessionIdOf(req), attributes })
      })
      app.post('/login', (req, res, next) => {
        const { body } = req
        sessionOf(req).regenerate((error) => {
          if (error) return next(error)
          sessionOf(req).user = body.user
          sessionOf(req).save((failure) => (failure ? next(failure) : res.redirect('/')))
        })
      })
      app.post('/', (req, res) => {
        Object.assign(sessionOf(req), req.body)
        res.send('set')
      })
      app.post('/held', async (req, res) => {
        sessionOf(req).slow = true
        await gate.pass()
        res.send('set')
      })
      app.post('/reload', (req, res, next) => {
        sessionOf(req).user = 'somebody else'
        sessionOf(req).reload((error) => (error ? next(error) : res.json(sessionOf(req).user)))
      })
      app.post('/logout', (req, res) => {
        sessionOf(req).destroy((error) => res.status(error ? 500 : 200).send('gone'))
      })
      return app
    }

    const attributes = (url: string, visitor: Visitor) =>
      visitor.get(`${url}/`).then((answer) => answer.json<{ attributes: Record<string, unknown> }>().attributes)

    it('finds the login after the redirect, on either server', async () => {
      const [one, two] = await onBoth(build)
      const visitor = new Visitor('connect.sid')
      expect((await visitor.post(`${one}/login`, { user: 'Ada' })).status).toBe(302)
      expect(visitor.id).toBeDefined()
      expect(await attributes(two, visitor)).toEqual({ user: 'Ada' })
      expect(await attributes(one, visitor)).toEqual({ user: 'Ada' })
    })

    it('ends a session on both servers, also for a request that is late', async () => {
      const [one, two] = await onBoth(build)
      const visitor = new Visitor('connect.sid')
      await visitor.post(`${one}/login`, { user: 'Ada' })
      const late = visitor.copy().post(`${one}/held`, {})
      const gone = visitor.copy()
      await expect.poll(() => gate.waiting).toBe(1)
      expect((await visitor.post(`${two}/logout`, {})).body).toBe('gone')
      gate.open()
      await late
      expect(await attributes(one, gone.copy())).toEqual({})
      expect(await attributes(two, gone.copy())).toEqual({})
    })

    it('keeps what overlapping requests change in different attributes', async () => {
      const [one, two] = await onBoth(build)
      const visitor = new Visitor('connect.sid')
      await visitor.post(`${one}/login`, { user: 'Ada' })
      const slow = visitor.copy().post(`${one}/held`, {})
      await expect.poll(() => gate.waiting).toBe(1)
      await visitor.copy().post(`${two}/`, { quick: true })
      gate.open()
      await slow
      expect(await attributes(two, visitor)).toEqual({ user: 'Ada', quick: true, slow: true })
    })

    it('reloads, and regenerates to an id of its own', async () => {
      const [one] = await onBoth(build)
      const visitor = new Visitor('connect.sid')
      await visitor.post(`${one}/login`, { user: 'Ada' })
      const old = visitor.copy()
      expect((await visitor.post(`${one}/reload`, {})).json()).toBe('Ada')
      await visitor.post(`${one}/login`, { user: 'Grace' })
      expect(visitor.id).not.toBe(old.id)
      expect(await attributes(one, old)).toEqual({})
      expect(await attributes(one, visitor)).toEqual({ user: 'Grace' })
    })

    it('keeps its own cookie settings', async () => {
      const [one, two] = await onBoth(build)
      const visitor = new Visitor('connect.sid')
      const login = await visitor.post(`${one}/login`, { user: 'Ada' })
      const again = await visitor.post(`${two}/`, { step: 1 })
      for (const { headers } of [login, again]) {
        expect(headers['set-cookie']?.[0]).toMatch(/^connect\.sid=[^;]+; Path=\/; Expires=[^;]+; HttpOnly$/)
      }
    })
  })

  describe('express-openid-connect', () => {
    /** Its session part, with what its configuration would give it. */
    function build(sessions: AppServer['sessions']): Express {
      const app = express()
      let count = 0
      const config = {
        secret: 'a secret of theirs that is long enough',
        session: {
          name: 'appSession',
          store: sessions.asStore(),
          genid: () => `their-own-id-${Math.random()}-${count++}`,
          cookie: { httpOnly: true, sameSite: 'Lax', path: '/', transient: false },
          rolling: true,
          rollingDuration: 3600,
          absoluteDuration: 86_400,
          signSessionStoreCookie: false,
          requireSignedSessionStoreCookie: false,
        },
      }
      app.use(openidSession(config))
      app.use(express.json())
      const mine = (req: Request) => req as unknown as { appSession: Record<string, unknown> | undefined }
      app.get('/', (req, res) => void res.json(mine(req).appSession))
      app.post('/', (req, res) => void res.json(Object.assign(mine(req).appSession as object, req.body)))
      app.post('/logout', (req, res) => {
        mine(req).appSession = undefined
        res.send('gone')
      })
      return app
    }

    it('keeps its sessions, on both servers, and ends them', async () => {
      const [one, two] = await onBoth(build)
      const visitor = new Visitor('appSession')
      await visitor.post(`${one}/`, { id_token: 'x'.repeat(5000), user: 'Ada' })
      expect(plain(visitor)).toMatch(/^their-own-id/)
      expect((await visitor.get(`${two}/`)).json()).toMatchObject({ user: 'Ada' })
      await visitor.post(`${two}/`, { step: 2 })
      expect((await visitor.get(`${one}/`)).json()).toMatchObject({ user: 'Ada', step: 2 })
      const stored = await a.sessions.asStore().get(plain(visitor))
      expect(stored?.cookie.expires).toBeGreaterThan(Date.now() + 3_500_000)
      const gone = visitor.copy()
      await visitor.post(`${one}/logout`, {})
      expect((await gone.copy().get(`${two}/`)).json()).toEqual({})
      expect((await gone.copy().get(`${one}/`)).json()).toEqual({})
    })
  })

  describe('keycloak-connect', () => {
    it('takes the token out of a visitor’s session from outside, with no callback', async () => {
      const visitor = new Visitor()
      await visitor.post(`${a.url}/`, { 'keycloak-token': 'secret', name: 'Ada' })
      const store = a.sessions.asStore() as unknown as Store
      await new Promise<void>((resolve, reject) => {
        store.get(visitor.id as string, (error, data) => {
          if (error || !data) return reject(error)
          delete (data as unknown as Record<string, unknown>)['keycloak-token']
          store.set(visitor.id as string, data)
          resolve()
        })
      })
      await expect.poll(() => attributesAt(a, visitor)).toEqual({ name: 'Ada' })
      await a.sessions.flush()
      expect(await attributesAt(b, visitor)).toEqual({ name: 'Ada' })
    })

    it('crashes nobody when the storage does not answer', async () => {
      await Promise.all(Object.values(cluster.memcacheds).map((memcached) => memcached.kill()))
      const store: Store = a.sessions.asStore()
      const unhandled: unknown[] = []
      const note = (error: unknown): void => void unhandled.push(error)
      process.on('unhandledRejection', note)
      store.set('their id', {} as never)
      await expect(a.sessions.asStore().get('their id')).rejects.toThrow()
      await new Promise((resolve) => setImmediate(resolve))
      process.off('unhandledRejection', note)
      expect(unhandled).toEqual([])
    })
  })
})
