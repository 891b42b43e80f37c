import { EventEmitter } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { StorageUnavailableError, TooManySessionsError } from '../../src/errors.js'
import type { StorePayload } from '../../src/store/payload.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

/* Each write is waited for, however busy the machine is: a test goes on at the other server. */
const patient = { backup: { timeout: '3s' } }

describe('the sessions as a store', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let gate: Gate

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    gate = new Gate()
    a = await cluster.server('a', patient, (app) => {
      app.post('/held', async (req, res) => {
        sessionOf(req).web = 'held'
        await gate.pass()
        res.json(sessionOf(req).role)
      })
    })
    b = await cluster.server('b', patient)
  })

  afterEach(async () => {
    gate.open()
    await cluster.close()
  })

  async function login(): Promise<{ visitor: Visitor; sid: string }> {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/`, { name: 'Ada', cart: ['tea'] })
    return { visitor, sid: visitor.id as string }
  }

  describe('under an id of ours', () => {
    it('gives a copy of the live session with its cookie', async () => {
      const { visitor, sid } = await login()
      const payload = (await a.sessions.asStore().get(sid)) as StorePayload
      expect(payload).toMatchObject({ name: 'Ada', cart: ['tea'], cookie: { path: '/', httpOnly: true } })
      payload.cart.push('stolen')
      expect(await attributesAt(a, visitor)).toEqual({ name: 'Ada', cart: ['tea'] })
    })

    it('changes the live session at once, and the other server sees it', async () => {
      const { visitor, sid } = await login()
      await a.sessions.asStore().set(sid, { name: 'Grace', role: 'admin' })
      expect(await attributesAt(a, visitor)).toEqual({ name: 'Grace', role: 'admin' })
      expect(await attributesAt(b, visitor)).toEqual({ name: 'Grace', role: 'admin' })
    })

    it('changes a session that another server has', async () => {
      const { visitor, sid } = await login()
      await a.sessions.flush()
      a.sessions.reconfigure({ trustFor: '1ms' })
      await b.sessions.asStore().set(sid, { name: 'Grace' })
      expect(await attributesAt(a, visitor)).toEqual({ name: 'Grace' })
    })

    it('is seen by a request that is under way, and does not undo what that did', async () => {
      const { visitor, sid } = await login()
      const store = a.sessions.asStore()
      const payload = (await store.get(sid)) as StorePayload
      const held = visitor.post(`${a.url}/held`, {})
      await waitFor(() => gate.waiting > 0)
      payload.role = 'admin'
      delete payload.cart
      await store.set(sid, payload)
      gate.open()
      expect((await held).json()).toBe('admin')
      expect(await attributesAt(a, visitor)).toEqual({ name: 'Ada', role: 'admin', web: 'held' })
    })

    it('stays independent of what was set', async () => {
      const { visitor, sid } = await login()
      const list = [1]
      await a.sessions.asStore().set(sid, { list })
      list.push(2)
      expect(await attributesAt(a, visitor)).toEqual({ list: [1] })
    })

    it("takes the cookie's age as the session's idle timeout", async () => {
      const { sid } = await login()
      const store = a.sessions.asStore()
      await store.set(sid, { name: 'Ada', cookie: { originalMaxAge: 60_000 } })
      expect((await store.get(sid))?.cookie.originalMaxAge).toBe(60_000)
      await store.set(sid, { name: 'Ada', cookie: { expires: Date.now() - 1000 } })
      await waitFor(async () => (await store.get(sid)) === undefined, { message: 'the end' })
    })

    it('is not brought to life: neither unknown nor destroyed, nor forged', async () => {
      const { visitor, sid } = await login()
      const store = a.sessions.asStore()
      await store.destroy(sid)
      await store.set(sid, { name: 'zombie' })
      await store.touch(sid, {})
      expect(await store.get(sid)).toBeUndefined()
      expect(await attributesAt(b, visitor)).toEqual({})
      await store.set(`${'x'.repeat(60)}-n1.a`, { name: 'planted' })
      const planted = new Visitor()
      planted.id = `${'x'.repeat(60)}-n1.a`
      expect(await attributesAt(a, planted)).toEqual({})
    })

    it('emits destroyed', async () => {
      const { sid } = await login()
      const events = record(a.sessions, 'destroyed')
      await a.sessions.asStore().destroy(sid)
      expect(events.map((event) => event.id)).toEqual([sid])
    })
  })

  describe('under a text of the library’s own', () => {
    const sid = 'any text: even with ünicode, dots. and-dashes'

    it('keeps a session that meets on every server', async () => {
      const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
      await one.set(sid, { data: { user: 'Ada' } })
      expect(await two.get(sid)).toMatchObject({ data: { user: 'Ada' } })
      await two.set(sid, { data: { user: 'Grace' } })
      expect(await one.get(sid)).toMatchObject({ data: { user: 'Grace' } })
      await one.destroy(sid)
      expect(await two.get(sid)).toBeUndefined()
    })

    it('merges what two callers have changed in different attributes', async () => {
      const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
      await one.set(sid, { x: 1, y: 1, gone: true })
      const [first, second] = [(await one.get(sid)) as StorePayload, (await two.get(sid)) as StorePayload]
      first.x = 2
      second.y = 2
      delete second.gone
      await one.set(sid, first)
      await two.set(sid, second)
      const { cookie: _, ...merged } = (await one.get(sid)) as StorePayload
      expect(merged).toEqual({ x: 2, y: 2 })
    })

    it('does not bring a destroyed session back by a late set or touch', async () => {
      const [one, two] = [a.sessions.asStore(), b.sessions.asStore()]
      await one.set(sid, { x: 1 })
      await two.get(sid)
      await two.destroy(sid)
      for (const store of [one, two]) {
        await store.set(sid, { x: 2 })
        await store.touch(sid, { cookie: { expires: Date.now() + 60_000 } })
      }
      expect(await one.get(sid)).toBeUndefined()
      expect(await two.get(sid)).toBeUndefined()
    })

    it('does not store what is set after a destroy that came first', async () => {
      const store = a.sessions.asStore()
      await store.destroy(sid)
      await store.set(sid, { x: 1 })
      expect(await store.get(sid)).toBeUndefined()
    })

    it('makes one session of two first writes at once', async () => {
      const store = a.sessions.asStore()
      await Promise.all([store.set(sid, { x: 1 }), store.set(sid, { x: 2 })])
      expect(await store.get(sid)).toMatchObject({ x: 2 })
      expect(a.sessions.stats().activeSessions).toBe(1)
    })

    it('keeps an empty session', async () => {
      const store = a.sessions.asStore()
      await store.set(sid, {})
      expect(Object.keys((await b.sessions.asStore().get(sid)) ?? {})).toEqual(['cookie'])
    })

    it('stays in the storage as long as it is read', async () => {
      a.sessions.reconfigure({ idleTimeout: '1s' })
      const store = a.sessions.asStore()
      await store.set(sid, { x: 1 })
      const until = Date.now() + 2500
      await waitFor(async () => (await store.get(sid)) === undefined || Date.now() > until)
      expect(await b.sessions.asStore().get(sid)).toMatchObject({ x: 1 })
    })

    it.each([
      ['a number', (time: number) => time],
      ['text', (time: number) => new Date(time).toISOString()],
      ['a Date', (time: number) => new Date(time)],
    ])('ends when its cookie says, given as %s', async (_, form) => {
      const store = a.sessions.asStore()
      const end = Date.now() + 700
      await store.set(sid, { x: 1, cookie: { expires: form(end) } })
      const payload = (await store.get(sid)) as StorePayload
      expect(new Date(payload.cookie.expires).getTime()).toBe(end)
      await waitFor(async () => (await store.get(sid)) === undefined, { message: 'the end' })
      expect(Date.now()).toBeGreaterThanOrEqual(end)
      expect(await b.sessions.asStore().get(sid)).toBeUndefined()
    })

    it('is prolonged by touch, never shortened, and that holds on the other server', async () => {
      const store = a.sessions.asStore()
      await store.set(sid, { x: 1, cookie: { expires: Date.now() + 60_000 } })
      const end = Date.now() + 600_000
      await store.touch(sid, { cookie: { expires: end } })
      await store.touch(sid, { cookie: { expires: Date.now() + 1000 } })
      await a.sessions.flush()
      expect((await store.get(sid))?.cookie.expires).toBe(end)
      expect((await b.sessions.asStore().get(sid))?.cookie.expires).toBe(end)
    })

    it('is prolonged in small steps too, on the other server by all but the granularity of touches', async () => {
      a.sessions.reconfigure({ trustFor: '1ms' })
      const store = a.sessions.asStore()
      let end = Date.now() + 10_000
      await store.set(sid, { x: 1, cookie: { expires: end } })
      for (let step = 0; step < 20; step++) {
        end += 500
        await store.touch(sid, { cookie: { expires: end } })
        await a.sessions.flush()
      }
      expect((await store.get(sid))?.cookie.expires).toBe(end)
      expect((await b.sessions.asStore().get(sid))?.cookie.expires).toBeGreaterThan(end - 5000)
    })

    it('is not made by touch', async () => {
      const store = a.sessions.asStore()
      await store.touch(sid, { cookie: { expires: Date.now() + 60_000 } })
      expect(await store.get(sid)).toBeUndefined()
    })

    it('is found after the secret was rotated', async () => {
      await a.sessions.asStore().set(sid, { x: 1 })
      const c = await cluster.server('c', { secret: ['a new secret for tests', 'a secret for tests only'] })
      expect(await c.sessions.asStore().get(sid)).toMatchObject({ x: 1 })
      await c.sessions.asStore().destroy(sid)
      expect(await a.sessions.asStore().get(sid)).toBeUndefined()
    })
  })

  describe('on a request that our own middleware serves', () => {
    type Live = { sessionID: string; session: Record<string, unknown> | undefined }
    const live = (req: unknown) => req as Live
    const promised = (work: (done: (error?: unknown) => void) => void) =>
      new Promise<void>((resolve, reject) => work((error) => (error ? reject(error) : resolve())))

    async function shop(change: (req: object, store: ReturnType<typeof a.sessions.asStore>) => unknown) {
      const server = await cluster.server('c', patient, (app, sessions) => {
        const store = sessions.asStore()
        app.post('/change', async (req, res) => {
          await change(req, store)
          res.json(live(req).sessionID)
        })
      })
      const visitor = new Visitor()
      await visitor.post(server.url, { cart: 1 })
      return { server, visitor, before: visitor.copy() }
    }

    it('begins another session with generate, and leaves the old one', async () => {
      const { server, visitor, before } = await shop((req, store) => {
        store.generate(req)
        sessionOf(req as never).user = 'bob'
      })
      const told = (await visitor.post(`${server.url}/change`, {})).json<string>()
      expect([told, await attributesAt(server, visitor)]).toEqual([visitor.id, { user: 'bob' }])
      expect(await attributesAt(server, before)).toEqual({ cart: 1 })
    })

    it.each(['destroy', 'unset'] as const)('begins another session with generate after %s', async (how) => {
      const { server, visitor, before } = await shop(async (req, store) => {
        if (how === 'destroy') await sessionOf(req as never).destroy()
        else await promised((done) => store.destroy(live(req).sessionID, done))
        store.generate(req)
        sessionOf(req as never).user = 'bob'
      })
      await visitor.post(`${server.url}/change`, {})
      expect(await attributesAt(server, visitor)).toEqual({ user: 'bob' })
      expect(await attributesAt(server, before)).toEqual({})
    })

    it('regenerates with regenerate', async () => {
      const { server, visitor, before } = await shop(async (req, store) => {
        await promised((done) => store.regenerate(req, done))
        sessionOf(req as never).user = 'bob'
      })
      await visitor.post(`${server.url}/change`, {})
      expect(await attributesAt(server, visitor)).toEqual({ user: 'bob' })
      expect(await attributesAt(server, before)).toEqual({})
    })

    it('refuses createSession, which could keep no promise there', async () => {
      let error: unknown
      const { server, visitor } = await shop((req, store) => {
        try {
          store.createSession(req, { user: 'bob' })
        } catch (thrown) {
          error = thrown
        }
      })
      await visitor.post(`${server.url}/change`, {})
      expect(error).toMatchObject({ name: 'TypeError', message: expect.stringContaining('sessions.get(id)') })
      expect(await attributesAt(server, visitor)).toEqual({ cart: 1 })
    })
  })

  it('lists, counts and clears the sessions of this server', async () => {
    const store = a.sessions.asStore()
    const { sid } = await login()
    await store.set('foreign', { x: 1 })
    await b.sessions.asStore().set('elsewhere', { x: 2 })
    const all = await store.all()
    expect(all.map(({ name, x }) => name ?? x).sort()).toEqual([1, 'Ada'])
    expect(all.map(({ id }) => id)).toContain(sid)
    expect(await store.length()).toBe(2)
    const foreign = all.find(({ x }) => x === 1) as StorePayload
    foreign.x = 3
    await store.set(foreign.id, foreign)
    expect(await store.get('foreign')).toMatchObject({ x: 3 })
    await store.clear()
    expect(await store.length()).toBe(0)
    expect(await b.sessions.asStore().get('foreign')).toBeUndefined()
    expect(await b.sessions.asStore().get('elsewhere')).toMatchObject({ x: 2 })
  })

  it('gives errors of the storage to the callback', async () => {
    await Promise.all(Object.values(cluster.memcacheds).map((memcached) => memcached.kill()))
    const store = a.sessions.asStore()
    for (const work of [store.get('x'), store.set('x', {}), store.touch('x'), store.destroy('x')]) {
      await expect(work).rejects.toBeInstanceOf(StorageUnavailableError)
    }
    const error = await new Promise((resolve) => store.get('x', resolve))
    expect(error).toBeInstanceOf(StorageUnavailableError)
  })

  it('gives the error of a full server to the callback', async () => {
    a.sessions.reconfigure({ maxActiveSessions: 1 })
    const store = a.sessions.asStore()
    await store.set('x', {})
    await expect(store.set('y', {})).rejects.toBeInstanceOf(TooManySessionsError)
  })

  it('refuses what is no id, and what is no session', async () => {
    const store = a.sessions.asStore()
    await expect(store.get(undefined as never)).rejects.toBeInstanceOf(TypeError)
    await expect(store.get('')).rejects.toBeInstanceOf(TypeError)
    await expect(store.set('x', null as never)).rejects.toBeInstanceOf(TypeError)
  })

  it('never calls back before it has returned, nor twice', async () => {
    const store = a.sessions.asStore()
    const { sid } = await login()
    let calls = 0
    let returned = false
    const done = new Promise<void>((resolve) => {
      store.get(sid, () => {
        calls++
        expect(returned).toBe(true)
        resolve()
      })
      returned = true
    })
    await done
    expect(await store.length()).toBe(1)
    expect(calls).toBe(1)
  })

  it('is an emitter with the methods that libraries inherit', async () => {
    const store = a.sessions.asStore()
    expect(store).toBeInstanceOf(EventEmitter)
    await store.set('x', { value: 1, save: 'not a method' })
    const session = await new Promise<StorePayload>((resolve) => store.load('x', (_, found) => resolve(found)))
    expect(session).toMatchObject({ id: 'x', value: 1 })
    expect(Object.keys(session).sort()).toEqual(['cookie', 'value'])
    session.value = 2
    await new Promise((resolve) => session.save(resolve))
    expect(await store.get('x')).toMatchObject({ value: 2 })
    const req: StorePayload = { sessionID: 'x' }
    await new Promise((resolve) => store.regenerate(req, resolve))
    expect(req.sessionID).not.toBe('x')
    expect(req.session.id).toBe(req.sessionID)
    expect(await store.get('x')).toBeUndefined()
    expect(await new Promise((resolve) => store.load('x', (_, found) => resolve(found)))).toBeUndefined()
  })
})
