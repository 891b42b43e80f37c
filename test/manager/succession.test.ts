import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, visitorsOf } from '../support/cluster.js'
import { modesAndStorages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

const preset = { theme: 'light' }

describe.each(modesAndStorages)('a session in the place of another one, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let gate: Gate
  let a: AppServer
  let visitor: Visitor

  const routes = (app: Express) => {
    app.post('/login', async (req, res) => {
      void sessionOf(req).number
      sessionOf(req).before = 'of the request'
      if (req.query.held !== undefined) await gate.pass()
      await sessionOf(req).regenerate({ keep: true })
      sessionOf(req).user = 'alice'
      res.json({})
    })
    app.post('/age', (req, res) => {
      if (req.query.expires === undefined) sessionOf(req).cookie.maxAge = Number(req.query.age)
      else sessionOf(req).cookie.expires = new Date(0)
      res.json({})
    })
    app.post('/preset', async (req, res) => {
      sessionOf(req).preset = preset
      res.json({})
    })
    app.post('/theme', (req, res) => {
      ;(sessionOf(req).preset as typeof preset).theme = 'dark'
      res.json({})
    })
  }

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    gate = new Gate()
    a = await cluster.server('a', { mode }, routes)
    visitor = (await visitorsOf(a, 1))[0] as Visitor
    await a.sessions.flush()
  })

  afterEach(() => cluster.close())

  it('begins with all that was stored of it, whatever its request had read', async () => {
    const login = visitor.copy().post(`${a.url}/login?held`, {})
    await waitFor(() => gate.waiting === 1)
    const b = await cluster.server('b', { mode, trustFor: 0, backup: { mode: 'sync' } })
    const other = visitor.copy()
    expect((await other.post(`${b.url}/`, { cart: 'full', number: 7 })).status).toBe(200)
    gate.open()
    const answer = await login
    visitor.id = answer.cookie as string
    expect(await attributesAt(a, visitor)).toEqual({ number: 7, cart: 'full', before: 'of the request', user: 'alice' })
    expect(await attributesAt(b, other.copy())).toEqual({})
  })

  it('has nothing of one that had ended', async () => {
    const old = visitor.copy()
    const login = visitor.copy().post(`${a.url}/login?held`, {})
    await waitFor(() => gate.waiting === 1)
    await a.sessions.destroy(old.id as string)
    gate.open()
    const answer = await login
    visitor.id = answer.cookie as string
    expect(await attributesAt(a, visitor)).toEqual({ user: 'alice' })
  })

  it.each(['age=0', 'age=-1000', 'expires'])(
    'is not needed after a cookie age that is over (%s): the session has ended',
    async (query) => {
      const old = visitor.copy()
      const answer = await visitor.post(`${a.url}/age?${query}`, {})
      expect(answer.status).toBe(200)
      const kinds = await Promise.all(['n1', 'n2'].map((id) => storedSession(cluster.node(id), old)))
      expect(kinds.map((stored) => stored?.kind)).toEqual(['tombstone', 'tombstone'])
      const b = await cluster.server('b', { mode })
      expect(await attributesAt(b, old.copy())).toEqual({})
      expect(await attributesAt(a, old.copy())).toEqual({})
      expect(String(answer.headers['set-cookie'])).toMatch(/Expires=.*(1970|20\d\d)/)
    },
  )

  it('never shares an object that the application has put into both', async () => {
    const [other] = (await visitorsOf(a, 1)) as [Visitor]
    for (const one of [visitor, other]) await one.post(`${a.url}/preset`, {})
    await visitor.post(`${a.url}/theme`, {})
    expect((await attributesAt(a, visitor)).preset).toEqual({ theme: 'dark' })
    expect((await attributesAt(a, other)).preset).toEqual({ theme: 'light' })
    expect(preset).toEqual({ theme: 'light' })
  })
})
