import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Session } from '../../src/session/session.js'
import type { StorePayload } from '../../src/store/payload.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { copiesOf, startPair, usedSteadily } from './non-sticky-fixture.js'

type Open = Session & Record<string, unknown>

let cluster: Cluster
let a: AppServer
let b: AppServer
let visitor: Visitor
let gate: Gate

beforeEach(async () => {
  cluster = await Cluster.of('n1', 'n2')
  visitor = new Visitor()
  gate = new Gate()
  ;[a, b] = await startPair(cluster, {}, addRoutes)
  await visitor.post(`${a.url}/`, { name: 'Ada', cart: ['tea'] })
})

afterEach(async () => {
  gate.open()
  await cluster.close()
})

function addRoutes(app: Express): void {
  app.post('/held', async (req, res) => {
    sessionOf(req).web = 'held'
    await gate.pass()
    res.json(sessionOf(req).role ?? null)
  })
}

async function open(server: AppServer, id = visitor.id): Promise<Open> {
  const session = await server.sessions.fromRequest({ headers: { cookie: `sid=${id}` } })
  if (session === undefined) throw new Error('no session')
  return session as Open
}

describe('a session outside of a request, without stickiness', () => {
  it('is found by cookie and by id on any server, and no server keeps it', async () => {
    for (const server of [a, b]) {
      expect((await open(server)).name).toBe('Ada')
      expect(((await server.sessions.get(visitor.id as string)) as Open).cart).toEqual(['tea'])
    }
    for (const id of ['nothing', `${'x'.repeat(60)}-n1`]) expect(await b.sessions.get(id)).toBeUndefined()
    await waitFor(() => a.sessions.stats().activeSessions + b.sessions.stats().activeSessions === 0)
  })

  it('is saved by save(), assignments and deep changes alike, and goes on afterwards', async () => {
    const session = await open(b)
    ;(session.cart as string[]).push('milk')
    session.seen = 1
    await session.save()
    expect(await attributesAt(a, visitor)).toEqual({ name: 'Ada', cart: ['tea', 'milk'], seen: 1 })
    ;(session.cart as string[]).push('sugar')
    delete session.seen
    await session.save()
    expect(await attributesAt(a, visitor)).toEqual({ name: 'Ada', cart: ['tea', 'milk', 'sugar'] })
  })

  it('goes on top of what requests have changed since, on either server', async () => {
    const session = await open(b)
    session.socket = true
    for (const server of [a, b]) await visitor.post(`${server.url}/`, { [`at ${server.url}`]: true })
    await session.save()
    const expected = { name: 'Ada', cart: ['tea'], socket: true, [`at ${a.url}`]: true, [`at ${b.url}`]: true }
    for (const server of [a, b]) expect(await attributesAt(server, visitor)).toEqual(expected)
  })

  it('shares the session with a request that is under way on the same server', async () => {
    const held = visitor.copy().post(`${a.url}/held`, {})
    await waitFor(() => gate.waiting === 1)
    const session = await open(a)
    expect(session.web).toBe('held')
    session.role = 'admin'
    await session.save()
    gate.open()
    expect((await held).json()).toBe('admin')
    expect(await attributesAt(b, visitor)).toMatchObject({ web: 'held', role: 'admin' })
  })

  it('shows the newest state by reload(), and drops nothing of a request that is under way', async () => {
    const session = await open(a)
    session.dropped = true
    await visitor.post(`${b.url}/`, { name: 'Grace' })
    const held = visitor.copy().post(`${a.url}/held`, {})
    await waitFor(() => gate.waiting === 1)
    await session.reload()
    expect([session.name, session.dropped]).toEqual(['Grace', undefined])
    gate.open()
    await held
    expect(await attributesAt(b, visitor)).toEqual({ name: 'Grace', cart: ['tea'], web: 'held' })
    await waitFor(() => a.sessions.stats().activeSessions === 0)
  })

  it('ends everywhere by destroy(); a later save() of the same object leads nowhere', async () => {
    const [one, two] = [await open(a), await open(b)]
    const destroyed = record(a.sessions, 'destroyed')
    two.late = true
    await one.destroy()
    await two.save()
    expect(destroyed).toHaveLength(1)
    for (const server of [a, b]) expect(await attributesAt(server, visitor.copy())).toEqual({})
    expect(await copiesOf(cluster, visitor, ['n1', 'n2'])).toEqual([])
    await expect(two.reload()).rejects.toMatchObject({ code: 'HOLDFAST_SESSION_GONE' })
  })

  it('goes on as the new session after regenerate(), with its attributes where they are kept', async () => {
    const old = visitor.copy()
    const session = await open(b)
    await session.regenerate({ keep: true })
    session.fresh = true
    await session.save()
    visitor.id = session.id
    expect(await attributesAt(a, visitor)).toEqual({ name: 'Ada', cart: ['tea'], fresh: true })
    for (const server of [a, b]) expect(await attributesAt(server, old.copy())).toEqual({})
  })

  it('is kept alive by touch() of a socket, however short its idle timeout', async () => {
    for (const { sessions } of [a, b]) sessions.reconfigure({ idleTimeout: '900ms' })
    const begin = async () => {
      const short = new Visitor()
      await short.post(`${a.url}/`, { name: 'short' })
      return { short, session: await open(b, short.id), end: Date.now() + 2200 }
    }
    const touch = async ({ short, session, end }: Awaited<ReturnType<typeof begin>>) => {
      if (Date.now() > end) return attributesAt(a, short.copy())
      session.touch()
    }
    expect(await usedSteadily({ duration: 2200, longestGap: 800 }, begin, touch)).toEqual({ name: 'short' })
  })

  it('can be ended by its id on any server', async () => {
    const id = visitor.id as string
    expect(await b.sessions.destroy(id)).toBe(true)
    expect(await a.sessions.destroy(id)).toBe(false)
    expect(await attributesAt(a, visitor)).toEqual({})
  })
})

describe('the sessions as a store, without stickiness', () => {
  it('give, change, prolong and end the session of a visitor, on any server', async () => {
    const sid = visitor.id as string
    const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
    const payload = (await one.get(sid)) as StorePayload
    expect(payload).toMatchObject({ name: 'Ada', cart: ['tea'], cookie: { path: '/' } })
    payload.role = 'admin'
    await two.set(sid, { ...payload, name: 'Grace' })
    await one.touch(sid, payload)
    for (const server of [a, b]) {
      expect(await attributesAt(server, visitor)).toEqual({ name: 'Grace', cart: ['tea'], role: 'admin' })
    }
    await two.destroy(sid)
    for (const store of [one, two]) {
      await store.set(sid, { name: 'zombie' })
      await store.touch(sid, payload)
      expect(await store.get(sid)).toBeUndefined()
    }
    expect(await attributesAt(a, visitor)).toEqual({})
  })

  it('are seen by a request under way on the same server, and do not undo what that did', async () => {
    const sid = visitor.id as string
    const store = a.sessions.asStore()
    const payload = (await store.get(sid)) as StorePayload
    const held = visitor.copy().post(`${a.url}/held`, {})
    await waitFor(() => gate.waiting === 1)
    payload.role = 'admin'
    delete payload.cart
    await store.set(sid, payload)
    gate.open()
    expect((await held).json()).toBe('admin')
    expect(await attributesAt(b, visitor)).toEqual({ name: 'Ada', role: 'admin', web: 'held' })
  })

  it('find a text of the library’s own as soon as another server has stored it, also when they just missed it', async () => {
    const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
    expect([await one.get('text'), await two.get('text')]).toEqual([undefined, undefined])
    await one.set('text', { x: 1, y: 1 })
    const payload = (await two.get('text')) as StorePayload
    expect(payload).toMatchObject({ x: 1 })
    const mine = (await one.get('text')) as StorePayload
    payload.x = 2
    mine.y = 2
    await Promise.all([two.set('text', payload), one.set('text', mine)])
    for (const store of [one, two]) expect(await store.get('text')).toMatchObject({ x: 2, y: 2 })
    await one.destroy('text')
    expect(await two.get('text')).toBeUndefined()
    await two.set('text', { x: 3 })
    expect(await one.get('text')).toBeUndefined()
  })

  it('make one session of two first writes at once on two servers', async () => {
    const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
    const created = () => [a, b].reduce((sum, { sessions }) => sum + sessions.stats().counters.sessionsCreated, 0)
    /* Where one of them is late it finds the other's session, and replaces it: then it was not at once. */
    const text = await waitFor(async () => {
      const [name, before] = [`text ${Math.random()}`, created()]
      await Promise.all([one.set(name, { x: 1 }), two.set(name, { y: 1 })])
      return created() - before === 2 ? name : undefined
    })
    for (const store of [one, two]) expect(await store.get(text)).toMatchObject({ x: 1, y: 1 })
  })

  it('end when their cookie says, on both servers', async () => {
    const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
    const end = Date.now() + 600
    await one.set('text', { x: 1, cookie: { expires: end } })
    await waitFor(async () => (await two.get('text')) === undefined, { message: 'the end' })
    expect(Date.now()).toBeGreaterThanOrEqual(end)
    expect(await one.get('text')).toBeUndefined()
  })

  it('list and count those that requests of this server work with at the moment: others are in the storage alone', async () => {
    const store = a.sessions.asStore()
    await waitFor(async () => (await store.length()) === 0)
    expect(await store.all()).toEqual([])
    const held = visitor.copy().post(`${a.url}/held`, {})
    await waitFor(() => gate.waiting === 1)
    expect([await store.length(), (await store.all())[0]]).toMatchObject([1, { name: 'Ada', web: 'held' }])
    expect(await b.sessions.asStore().length()).toBe(0)
    gate.open()
    await held
    await waitFor(async () => (await store.length()) === 0)
  })

  it('load sessions for libraries, with their methods', async () => {
    const store = b.sessions.asStore()
    const loaded = await new Promise<Open>((resolve, reject) => {
      store.load(visitor.id as string, (error, session) => (error ? reject(error) : resolve(session)))
    })
    expect(loaded.name).toBe('Ada')
    loaded.name = 'Grace'
    await new Promise<void>((resolve, reject) => loaded.save((error) => (error ? reject(error) : resolve())))
    expect(await attributesAt(a, visitor)).toMatchObject({ name: 'Grace' })
  })
})
