import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { modesAndStorages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

const minute = 60_000
/* Sync, so that what was answered stands in the storage; patient, as the machine may be busy. */
const options = { backup: { mode: 'sync', timeout: '20s' }, operationTimeout: '10s', trustFor: 0 } as const

describe.each(modesAndStorages)('a session that is given another id, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let gate: Gate
  let start: number
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let old: Visitor

  const at = (time: number) => vi.setSystemTime(start + time)

  const routes = (app: Express) => {
    app.post('/renew', async (req, res) => {
      await sessionOf(req).renewId()
      res.json({ id: sessionOf(req).id })
    })
    app.post('/slow', async (req, res) => {
      const cart = sessionOf(req).cart as unknown[]
      await gate.pass()
      cart?.push('slow')
      sessionOf(req).slow = true
      res.json({})
    })
    app.post('/slow-renewal', async (req, res) => {
      const cart = sessionOf(req).cart as unknown[]
      await gate.pass()
      await sessionOf(req).renewId()
      cart.push('after')
      sessionOf(req).renewed = true
      res.json({})
    })
    app.post('/slow-regenerate', async (req, res) => {
      void sessionOf(req).number
      await gate.pass()
      await sessionOf(req).regenerate({ keep: true })
      res.json({})
    })
    app.post('/too-late', async (req, res) => {
      res.write('begun')
      const outcome = await sessionOf(req)
        .renewId()
        .catch((error: Error) => error.name)
      res.end(` ${outcome}`)
    })
    app.post('/reload', async (req, res) => {
      void sessionOf(req).number
      await gate.pass()
      await sessionOf(req).reload()
      res.json({ ...sessionOf(req) })
    })
  }

  const serve = (route: string, changes: object = {}) => cluster.server(route, { mode, ...options, ...changes }, routes)

  async function renewed(): Promise<void> {
    old = visitor.copy()
    expect((await visitor.post(`${a.url}/renew`, {})).status).toBe(200)
    expect(visitor.token).not.toBe(old.token)
  }

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    gate = new Gate()
    vi.useFakeTimers({ toFake: ['Date'] })
    start = Date.now()
    a = await serve('a')
    b = await serve('b')
    visitor = (await visitorsOf(a, 1))[0] as Visitor
    await visitor.post(a.url, { cart: ['first'] })
  })

  afterEach(async () => {
    gate.open()
    vi.useRealTimers()
    await cluster.close()
  })

  it.each(['a', 'b'])('is the same one, and is found by the old id for ten seconds, on server %s', async (name) => {
    const server = name === 'a' ? a : b
    const events = record(a.sessions, 'renewed')
    await renewed()
    expect(events).toHaveLength(1)
    expect(await attributesAt(server, old.copy())).toEqual({ number: 0, cart: ['first'] })
    at(9_000)
    expect(await attributesAt(server, old.copy())).toEqual({ number: 0, cart: ['first'] })
    at(11_000)
    expect(await attributesAt(server, old.copy())).toEqual({})
    expect(await attributesAt(server, visitor)).toEqual({ number: 0, cart: ['first'] })
  })

  it('leaves nothing of the session under the old id, on any node', async () => {
    await renewed()
    const kinds = await Promise.all(['n1', 'n2'].map((id) => storedSession(cluster.node(id), old)))
    expect(kinds.map((stored) => stored?.kind)).toEqual(['tombstone', 'tombstone'])
  })

  it.each(['a', 'b'])('has what a request changes that was under way with the old id, on server %s', async (name) => {
    const server = name === 'a' ? a : b
    await attributesAt(server, visitor)
    const slow = visitor.copy().post(`${server.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    if (name === 'b' && mode === 'sticky') await attributesAt(a, visitor)
    await renewed()
    await visitor.post(a.url, { quick: true })
    gate.open()
    expect((await slow).status).toBe(200)
    await b.sessions.flush()
    expect(await attributesAt(a, visitor)).toEqual({ number: 0, cart: ['first', 'slow'], quick: true, slow: true })
  })

  it('has what its own request goes on to change inside what it had read before', async () => {
    const answer = visitor.post(`${a.url}/slow-renewal`, {})
    await waitFor(() => gate.waiting === 1)
    gate.open()
    expect((await answer).status).toBe(200)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, cart: ['first', 'after'], renewed: true })
  })

  it.each([
    ['one server', true],
    ['two servers', false],
  ])('is one session after two renewals at once, on %s', async (_name, onOne) => {
    const visitors = [visitor.copy(), visitor.copy()] as const
    const servers = [a, onOne ? a : b] as const
    const answers = visitors.map((each, i) => each.post(`${servers[i]?.url}/slow-renewal`, {}))
    await waitFor(() => gate.waiting === 2)
    gate.open()
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200])
    expect(visitors[0].token).toBe(visitors[1].token)
    await visitors[0].post(a.url, { one: 1 })
    await visitors[1].post(b.url, { two: 2 })
    expect(await attributesAt(a, visitors[0])).toMatchObject({ number: 0, one: 1, two: 2, renewed: true })
    await visitors[1].post(`${b.url}/destroy`, {})
    expect(await attributesAt(a, visitors[0])).toEqual({})
  })

  it.each(['a', 'b'])('ends by its old id too, on server %s', async (name) => {
    await renewed()
    await old.copy().post(`${name === 'a' ? a.url : b.url}/destroy`, {})
    expect(await attributesAt(a, visitor.copy())).toEqual({})
    expect(await attributesAt(b, visitor.copy())).toEqual({})
    expect(await attributesAt(b, old.copy())).toEqual({})
  })

  it.each(['a', 'b'])('is replaced by a request that was under way with the old id, on server %s', async (name) => {
    const server = name === 'a' ? a : b
    const login = visitor.copy()
    const answer = login.post(`${server.url}/slow-regenerate`, {})
    await waitFor(() => gate.waiting === 1)
    if (name === 'b' && mode === 'sticky') await attributesAt(a, visitor)
    await renewed()
    gate.open()
    expect((await answer).status).toBe(200)
    expect(await attributesAt(a, login)).toEqual({ number: 0, cart: ['first'] })
    expect(await attributesAt(a, visitor.copy())).toEqual({})
    expect(await attributesAt(b, old.copy())).toEqual({})
  })

  it('is not found by any older id once it was replaced', async () => {
    await renewed()
    const before = visitor.copy()
    await visitor.post(`${a.url}/regenerate`, {})
    for (const server of [a, b]) {
      for (const each of [old, before]) {
        const late = await each.copy().post(server.url, { late: true })
        expect([late.status, late.cookie]).toEqual([200, undefined])
        expect(await attributesAt(server, each.copy())).toEqual({})
      }
    }
  })

  it('is what a request reloads that came with the old id, however long ago', async () => {
    const answer = visitor.copy().post(`${b.url}/reload`, {})
    await waitFor(() => gate.waiting === 1)
    await renewed()
    await visitor.post(a.url, { news: 1 })
    at(minute)
    gate.open()
    expect((await answer).json()).toMatchObject({ number: 0, news: 1 })
  })

  it('keeps its id while no node can store it, and the request is told', async () => {
    for (const id of cluster.ids) await cluster.node(id).kill()
    old = visitor.copy()
    expect((await visitor.post(`${a.url}/renew`, {})).status).toBe(503)
    if (mode === 'sticky') expect(await attributesAt(a, visitor)).toEqual({ number: 0, cart: ['first'] })
    expect(visitor.token).toBe(old.token)
  })

  it('needs a response that can tell it', async () => {
    expect((await visitor.post(`${a.url}/too-late`, {})).body).toBe('begun TypeError')
    const outside = await a.sessions.get(visitor.id as string)
    await expect(outside?.renewId()).rejects.toThrow(TypeError)
  })

  it('is given one after renewIdAfter by itself, once', async () => {
    await a.sessions.reconfigure({ renewIdAfter: '15m' })
    at(14 * minute)
    expect((await visitor.get(`${a.url}/untouched`)).cookie).toBeUndefined()
    old = visitor.copy()
    at(16 * minute)
    const answers = await Promise.all([visitor.copy(), visitor.copy()].map((each) => each.get(`${a.url}/untouched`)))
    const [told] = answers.map(({ cookie }) => cookie)
    visitor.id = told as string
    expect(visitor.token).not.toBe(old.token)
    expect((await visitor.get(`${a.url}/untouched`)).cookie).toBeUndefined()
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, cart: ['first'] })
    const { token } = visitor
    at(30 * minute)
    await visitor.get(`${a.url}/untouched`)
    expect(visitor.token).toBe(token)
    at(32 * minute)
    await visitor.get(`${a.url}/untouched`)
    expect(visitor.token).not.toBe(token)
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, cart: ['first'] })
  })

  it('does not come back under its old id with a node that was away', async () => {
    const [away, other] = visitor.node === 'n1' ? ['n1', 'n2'] : ['n2', 'n1']
    a = await serve('c', { operationTimeout: '2s' })
    await attributesAt(a, visitor)
    await cluster.node(away).suspend()
    await attributesAt(a, visitor)
    await renewed()
    await cluster.node(away).resume()
    await waitFor(async () => (await storedSession(cluster.node(away), old))?.kind === 'tombstone', {
      message: 'the tombstone that was missed',
    })
    expect((await storedSession(cluster.node(other), old))?.kind).toBe('tombstone')
    at(11_000)
    expect(await attributesAt(b, old.copy())).toEqual({})
    expect(await attributesAt(b, visitor)).toEqual({ number: 0, cart: ['first'] })
  })
})

describe.each(modesAndStorages)('an id that was just replaced, %s on %s', (mode, kind) => {
  it('takes no cookie from another server that would take the place of the new one', async () => {
    const cluster = await Cluster.on(kind, 'n1', 'n2')
    const a = await cluster.server('a', { mode, ...options })
    const b = await cluster.server('b', { mode, ...options })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const late = visitor.copy()
    await visitor.post(`${a.url}/regenerate`, {})
    const answer = await late.post(b.url, { late: true })
    expect([answer.status, answer.cookie]).toEqual([200, undefined])
    await visitor.post(`${a.url}/destroy`, {})
    expect((await visitor.post(b.url, { again: true })).cookie).toBeDefined()
    await cluster.close()
  })
})
