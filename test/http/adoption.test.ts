import http from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import expressSession from 'express-session'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

const oldSecret = 'cat'

/** A store of express-session that notes what it is asked, and may be broken. */
class OldStore extends expressSession.MemoryStore {
  readonly asked: string[] = []
  failure: Error | undefined
  hangs = false
  keeps = false

  everything(): Promise<object> {
    return new Promise((resolve) => this.all?.((_error, sessions) => resolve(sessions ?? {})))
  }

  override get(sid: string, callback: (error: unknown, session?: expressSession.SessionData | null) => void): void {
    this.asked.push(sid)
    if (this.hangs) return
    if (this.failure !== undefined) callback(this.failure)
    else super.get(sid, callback)
  }

  override destroy(sid: string, callback?: (error?: unknown) => void): void {
    if (this.keeps) callback?.(new Error('on purpose'))
    else super.destroy(sid, callback)
  }
}

let store: OldStore
let cluster: Cluster
let old: http.Server
let oldUrl: string

beforeEach(async () => {
  store = new OldStore()
  cluster = await Cluster.of('n1')
  const app = express()
  app.use(expressSession({ store, secret: oldSecret, resave: false, saveUninitialized: false }))
  app.get('/in', (req, res) => {
    Object.assign(req.session, { user: 'ann', cart: ['tea'], at: new Date(0) })
    if (req.query.remember !== undefined) req.session.cookie.maxAge = Number(req.query.remember)
    res.end()
  })
  old = http.createServer(app)
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve))
  oldUrl = `http://127.0.0.1:${(old.address() as AddressInfo).port}`
})

afterEach(async () => {
  old.closeAllConnections()
  old.close()
  await cluster.close()
})

/** The Cookie header of a visitor who has logged in before the move. */
async function loggedIn(query = ''): Promise<string> {
  const visitor = new Visitor('connect.sid')
  await visitor.get(`${oldUrl}/in${query}`)
  store.asked.length = 0
  return `connect.sid=${visitor.id}`
}

const attributes = { user: 'ann', cart: ['tea'], at: new Date(0).toISOString() }

describe.each(['sticky', 'non-sticky'] as const)('a session of express-session, %s', (mode) => {
  const options = () => ({
    mode,
    backup: { mode: 'sync', timeout: '5s' } as const,
    adopt: { secret: oldSecret, store },
  })
  const serve = (route = 'a', more: object = {}) =>
    cluster.server(route, { ...options(), ...more } as never, (app) => {
      app.post('/age', (req, res) => void res.json(sessionOf(req).cookie.originalMaxAge))
    })
  const get = async (server: AppServer, cookie: string, visitor = new Visitor()) =>
    (await visitor.get(`${server.url}/`, { cookie })).json<{ attributes: unknown }>().attributes

  it('is there for its visitor under an id of ours, and the old one goes', async () => {
    const server = await serve()
    const cookie = await loggedIn()
    const visitor = new Visitor()
    expect(await get(server, cookie, visitor)).toEqual(attributes)
    expect(visitor.id).toMatch(/^[\w-]{40,}/)
    expect(Object.keys(await store.everything())).toEqual([])
    store.asked.length = 0
    expect(await get(server, `${cookie}; sid=${visitor.id}`)).toEqual(attributes)
    expect(store.asked).toEqual([])
  })

  it('is one, however many requests come at once, on two servers', async () => {
    const servers = [await serve('a'), await serve('b')]
    const cookie = await loggedIn()
    const visitors = Array.from({ length: 6 }, () => new Visitor())
    const all = visitors.map((visitor, i) => get(servers[i % 2] as AppServer, cookie, visitor))
    expect(await Promise.all(all)).toEqual(visitors.map(() => attributes))
    expect(new Set(visitors.map(({ token }) => token)).size).toBe(1)
  })

  it('does not come back after its end, though its record does', async () => {
    store.keeps = true
    const servers = [await serve('a'), await serve('b')]
    const cookie = await loggedIn()
    const visitor = new Visitor()
    await get(servers[0] as AppServer, cookie, visitor)
    await visitor.post(`${servers[0]?.url}/destroy`, {})
    for (const server of servers) {
      expect(await get(server, cookie)).toEqual({})
      expect(await get(server, `${cookie}; sid=${visitor.id}`)).toEqual({})
    }
  })

  it('keeps the age that its cookie had of its own', async () => {
    const server = await serve()
    const visitor = new Visitor()
    const cookie = await loggedIn(`?remember=${86_400_000}`)
    /* express-session counts it back from the end, and may be a millisecond off. */
    const [old] = Object.values(await store.everything()) as { cookie: { originalMaxAge: number } }[]
    await get(server, cookie, visitor)
    expect((await visitor.post(`${server.url}/age`, {})).json()).toBe(old?.cookie.originalMaxAge)
  })

  it('is found under our own name, too', async () => {
    const server = await serve('a', { name: 'connect.sid' })
    const cookie = await loggedIn()
    const visitor = new Visitor('connect.sid')
    expect(await get(server, cookie, visitor)).toEqual(attributes)
    expect(await attributesAt(server, visitor)).toEqual(attributes)
  })

  it.each([
    ['forged', 's%3Amade-up.c2lnbmF0dXJl'],
    ['unsigned', 'made-up'],
    ['no text at all', '%E0%A4%A'],
  ])('is not looked for when the cookie is %s', async (_what, value) => {
    const server = await serve()
    expect(await get(server, `connect.sid=${value}`)).toEqual({})
    expect(store.asked).toEqual([])
  })

  it('is looked for once when there is none', async () => {
    const server = await serve()
    const cookie = await loggedIn()
    store.clear()
    for (let i = 0; i < 3; i++) expect(await get(server, cookie)).toEqual({})
    expect(store.asked).toHaveLength(1)
  })

  it('is waited for, and not replaced by a new one, when its store fails or hangs', async () => {
    const server = await serve('a', { operationTimeout: '2s' })
    const cookie = await loggedIn()
    store.failure = new Error('on purpose')
    expect((await new Visitor().get(server.url, { cookie })).status).toBe(503)
    store.failure = undefined
    store.hangs = true
    expect((await new Visitor().get(server.url, { cookie })).status).toBe(503)
    store.hangs = false
    expect(await get(server, cookie)).toEqual(attributes)
  })

  it('is not looked for from the given time on', async () => {
    const server = await serve('a', { adopt: { ...options().adopt, until: new Date() } })
    expect(await get(server, await loggedIn())).toEqual({})
    expect(store.asked).toEqual([])
  })
})
