import { EventEmitter } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/session/session.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record } from '../support/cluster.js'
import { inTime } from '../support/in-time.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

type Open = Session & Record<string, unknown>

/* Each write is waited for, however busy the machine is, and each copy is verified: a test goes on at the other server. */
const patient = { trustFor: '1ms', backup: { timeout: '3s' } }

describe('a session outside of a request', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let gate: Gate

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    gate = new Gate()
    a = await cluster.server('a', patient, (app) => {
      app.post('/held', async (req, res) => {
        sessionOf(req).web = 'held'
        await gate.pass()
        res.send('done')
      })
      app.post('/reload', async (req, res) => {
        void sessionOf(req).name
        await sessionOf(req).reload()
        res.send('done')
      })
    })
    b = await cluster.server('b', patient)
    visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada', cart: ['tea'] })
    await a.sessions.flush()
  })

  afterEach(async () => {
    gate.open()
    await cluster.close()
  })

  const headers = (id = visitor.id) => ({ headers: { cookie: `theme=dark; sid=${id}` } })

  async function open(server = a): Promise<Open> {
    const session = await server.sessions.fromRequest(headers())
    if (session === undefined) throw new Error('no session')
    return session as Open
  }

  it('is found by the Cookie header of an upgrade request', async () => {
    const server = http.createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const upgraded = new EventEmitter()
    server.on('upgrade', (req, socket) => {
      socket.destroy()
      void a.sessions.fromRequest(req).then((session) => upgraded.emit('session', (session as Open).name))
    })
    const name = new Promise((resolve) => upgraded.once('session', resolve))
    const { port } = server.address() as AddressInfo
    const req = http.request({ port, headers: { ...headers().headers, connection: 'Upgrade', upgrade: 'x' } })
    req.on('error', () => {})
    req.end()
    expect(await name).toBe('Ada')
    server.close()
  })

  it('is found behind any number of cookies that were never issued', async () => {
    const planted = Array.from({ length: 50 }, (_, i) => `sid=planted${i}`)
    const cookie = [...planted, `sid=${visitor.id}`].join('; ')
    const session = (await a.sessions.fromRequest({ headers: { cookie } })) as Open
    expect(session.name).toBe('Ada')
  })

  it('is the first valid one of several cookies', async () => {
    const cookie = `sid=planted; sid=${visitor.id}; sid=another`
    const session = (await a.sessions.fromRequest({ headers: { cookie } })) as Open
    expect(session.name).toBe('Ada')
  })

  it.each([[undefined], [''], ['other=1'], ['sid=planted']])('is not made for the cookie header %s', async (cookie) => {
    expect(await a.sessions.fromRequest({ headers: { cookie } })).toBeUndefined()
    expect(a.sessions.stats().activeSessions).toBe(1)
  })

  it('is saved by save(), assignments and deep changes alike', async () => {
    const session = await open()
    const cart = session.cart as string[]
    cart.push('milk')
    session.step = 1
    await session.save()
    expect(await attributesAt(a, visitor)).toEqual({ name: 'Ada', cart: ['tea', 'milk'], step: 1 })
    expect(await attributesAt(b, visitor)).toEqual({ name: 'Ada', cart: ['tea', 'milk'], step: 1 })
  })

  it('goes on after save() with the objects that it gave out before', async () => {
    const session = await open()
    const cart = session.cart as string[]
    await session.save()
    cart.push('bread')
    await attributesAt(a, visitor)
    await session.save()
    expect(await attributesAt(a, visitor)).toMatchObject({ cart: ['tea', 'bread'] })
  })

  it('keeps what was not saved yet when a web request ends', async () => {
    const session = await open()
    const cart = session.cart as string[]
    await attributesAt(a, visitor)
    session.step = 2
    cart.push('sugar')
    await attributesAt(a, visitor)
    await session.save()
    expect(await attributesAt(a, visitor)).toMatchObject({ step: 2, cart: ['tea', 'sugar'] })
  })

  it('keeps what was not saved yet when a web request reloads the session', async () => {
    const session = await open()
    session.step = 3
    await visitor.post(`${a.url}/reload`, {})
    await session.save()
    expect(await attributesAt(a, visitor)).toMatchObject({ step: 3 })
  })

  it('shares the session with a request that is under way', async () => {
    const held = visitor.post(`${a.url}/held`, {})
    await waitFor(() => gate.waiting > 0)
    const session = await open()
    expect(session.web).toBe('held')
    session.job = 'done'
    await session.save()
    gate.open()
    await held
    expect(await attributesAt(a, visitor)).toMatchObject({ web: 'held', job: 'done' })
  })

  it('does not undo cookie settings that a request made meanwhile', async () => {
    const session = await open()
    session.touch()
    const other = await open()
    other.cookie.maxAge = 60_000
    await other.save()
    session.step = 4
    await session.save()
    const fresh = await open()
    expect(fresh.cookie.originalMaxAge).toBe(60_000)
  })

  it('sees by reload() what requests have changed, on this server or another', async () => {
    const session = await open()
    await visitor.post(`${b.url}/`, { name: 'Grace' })
    await b.sessions.flush()
    await session.reload()
    expect(session.name).toBe('Grace')
  })

  it('hands its changes to the server that has the session by now', async () => {
    const session = await open()
    session.job = 'done'
    await visitor.post(`${b.url}/`, { web: 'there' })
    await b.sessions.flush()
    await session.save()
    await waitFor(async () => (await attributesAt(b, visitor)).job === 'done', { message: 'the change of the job' })
    expect(await attributesAt(b, visitor)).toMatchObject({ job: 'done', web: 'there' })
  })

  it('hands its changes to the session that came back', async () => {
    const session = await open()
    void session.name
    await visitor.post(`${b.url}/`, { web: 'there' })
    await b.sessions.flush()
    session.first = 1
    await session.save()
    await visitor.post(`${a.url}/`, { back: true })
    await a.sessions.flush()
    a.sessions.reconfigure({ trustFor: '10s' })
    session.second = 2
    await session.save()
    expect(await attributesAt(a, visitor)).toMatchObject({ web: 'there', back: true, first: 1, second: 2 })
    expect(session.back).toBe(true)
    session.third = 3
    await session.save()
    expect(await attributesAt(b, visitor)).toMatchObject({ first: 1, second: 2, third: 3 })
  })

  it('ends everywhere by destroy()', async () => {
    const events = record(a.sessions, 'destroyed')
    const session = await open()
    const { id } = session
    await session.destroy()
    expect(events.map((event) => [event.id, event.elsewhere])).toEqual([[id, false]])
    expect(await a.sessions.fromRequest(headers())).toBeUndefined()
    expect(await b.sessions.fromRequest(headers())).toBeUndefined()
    session.late = true
    await session.save()
    await expect(session.reload()).rejects.toThrow('failed to load session')
    expect(await b.sessions.get(id)).toBeUndefined()
  })

  it('ends by destroy() although another server has had it since, and has given it back', async () => {
    const session = await open()
    void session.name
    await attributesAt(b, visitor)
    session.step = 1
    await session.save()
    await attributesAt(a, visitor)
    a.sessions.reconfigure({ trustFor: '10s' })
    await session.destroy()
    expect(await attributesAt(a, visitor.copy())).toEqual({})
    expect(await attributesAt(b, visitor.copy())).toEqual({})
  })

  it('goes on as the new session after regenerate()', async () => {
    const session = await open()
    const old = session.id
    await session.regenerate()
    expect(session.id).not.toBe(old)
    expect(Object.keys(session)).toEqual(['cookie'])
    expect(await a.sessions.get(session.id)).toBeUndefined()
    session.name = 'Grace'
    await session.save()
    expect(((await a.sessions.get(session.id)) as Open).name).toBe('Grace')
    expect(await a.sessions.get(old)).toBeUndefined()
    expect(await b.sessions.get(old)).toBeUndefined()
    expect(((await b.sessions.get(session.id)) as Open).name).toBe('Grace')
  })

  it('keeps its attributes by regenerate({ keep: true })', async () => {
    const session = await open()
    const old = session.id
    await session.regenerate({ keep: true })
    expect(session.cart).toEqual(['tea'])
    expect(((await b.sessions.get(session.id)) as Open).name).toBe('Ada')
    expect(await b.sessions.get(old)).toBeUndefined()
  })

  it('is kept alive by touch(), and not brought back by it', async () => {
    await inTime(400, async (life, within) => {
      a.sessions.reconfigure({ idleTimeout: life })
      const other = new Visitor()
      const started = performance.now()
      await other.post(`${a.url}/`, { name: 'short' })
      const session = await a.sessions.get(other.id as string)
      within(life, started)
      let used = started
      while (used - started < 2.5 * life) {
        await waitFor(() => performance.now() - used > 50)
        within(life, used)
        used = performance.now()
        ;(session as Open).touch()
      }
      const attributes = await attributesAt(a, other)
      within(life, used)
      expect(attributes).toEqual({ name: 'short' })
      const ended = record(a.sessions, 'expired')
      const silent = performance.now() + life + 50
      await waitFor(() => performance.now() > silent)
      ;(session as Open).touch()
      expect(await a.sessions.get(other.id as string)).toBeUndefined()
      expect(ended.length).toBe(1)
    })
  })

  it('tells by an event that another server has ended it, when this server finds out', async () => {
    const events = record(a.sessions, 'destroyed')
    const session = await open()
    await visitor.post(`${b.url}/destroy`, {})
    expect(events).toEqual([])
    session.touch()
    await waitFor(() => events.length > 0, { message: 'the event' })
    expect([events[0]?.elsewhere, events[0]?.id]).toEqual([true, session.id])
    await expect(session.reload()).rejects.toThrow('failed to load session')
  })

  it('tells so too when the session was let go before it was ended', async () => {
    const events = record(a.sessions, 'destroyed')
    const released = record(a.sessions, 'released')
    const session = await open()
    await visitor.post(`${b.url}/`, { web: 'there' })
    await b.sessions.flush()
    session.step = 1
    await session.save()
    expect(released.length).toBe(1)
    await visitor.post(`${b.url}/destroy`, {})
    await expect(session.reload()).rejects.toThrow('failed to load session')
    expect(events.map((event) => event.elsewhere)).toEqual([true])
  })

  it('tells so at a save() of what was let go', async () => {
    const events = record(a.sessions, 'destroyed')
    const session = await open()
    await visitor.post(`${b.url}/`, { web: 'there' })
    await b.sessions.flush()
    session.step = 1
    await session.save()
    await visitor.post(`${b.url}/destroy`, {})
    session.step = 2
    await session.save()
    expect(events.map((event) => event.elsewhere)).toEqual([true])
    expect(await b.sessions.get(session.id)).toBeUndefined()
  })

  it('reaches the storage from a job by id', async () => {
    const session = (await a.sessions.get(visitor.id as string)) as Open
    session.job = 'stored'
    await session.save()
    expect((await storedSession(cluster.memcached(visitor), visitor))?.attributes).toMatchObject({ job: 'stored' })
  })
})
