import type { Express } from 'express'
import { beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest, storageKey, untilSettled } from './msm-fixture.js'

const close = closeAfterEach()
let storage: StorageUnderTest

beforeEach(async () => {
  storage = close(await StorageUnderTest.start())
})

async function start(route: string | undefined, options: Partial<HoldfastOptions> = {}) {
  const nodes = `n1:${storage.address}`
  return close(await startAppServer({ ...quick, route, nodes, ...options } as Partial<HoldfastOptions>, addLogin))
}

/** The two servers of most tests, and the session of a visitor of the first. */
async function cluster(routes: [string | undefined, string | undefined], options?: Partial<HoldfastOptions>) {
  const a = await start(routes[0], options)
  const b = await start(routes[1], options)
  await storage.hasNotes()
  const visitor = new Visitor()
  await visitor.post(a.url, { foo: 'bar' })
  await a.sessions.flush()
  return { a, b, visitor }
}

function addLogin(app: Express): void {
  app.post('/login', async (req, res) => {
    await sessionOf(req).regenerate()
    sessionOf(req).user = req.body.user
    res.send('welcome')
  })
  app.get('/account', (req, res) => {
    const { user } = sessionOf(req)
    res.status(user === undefined ? 401 : 200).json({ user })
  })
}

function takeovers(server: AppServer) {
  const seen: { from: string; id: string }[] = []
  server.sessions.on('takenOver', (event) => seen.push({ from: event.from, id: event.id }))
  return seen
}

describe('a session whose visitor comes to another server', () => {
  it('M42: is announced there with its new id', async () => {
    const { a, b, visitor } = await cluster(['a', 'b'])
    const seen = takeovers(b)
    await visitor.get(b.url)
    expect(seen).toEqual([{ from: 'a', id: `${visitor.token}-n1.b` }])
    expect(a.sessions.stats().counters.takeovers).toBe(0)
  })

  it('M43: is announced there with its unchanged id when servers have no routes', async () => {
    const { b, visitor } = await cluster([undefined, undefined])
    const { id } = visitor
    const seen = takeovers(b)
    const answer = await visitor.get(b.url)
    expect(answer.cookie).toBeUndefined()
    expect(answer.json()).toEqual({ id, attributes: { foo: 'bar' } })
    expect(seen).toMatchObject([{ id }])
  })

  it('M44: has the new route in its id, the rest as before, and the same key in the storage with the new owner', async () => {
    const { b, visitor } = await cluster(['a', 'b'])
    const before = { id: visitor.id, token: visitor.token }
    expect(await storage.record(before.id)).toMatchObject({ owner: 'a' })
    const answer = await visitor.get(b.url)
    expect(visitor.id).toBe(`${before.token}-n1.b`)
    expect(answer.json()).toEqual({ id: visitor.id, attributes: { foo: 'bar' } })
    expect(storageKey(visitor.id)).toBe(storageKey(before.id))
    expect(await storage.record(visitor.id)).toMatchObject({ kind: 'session', owner: 'b' })
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M45: does so with a storage node that has no id', async () => {
    const { b, visitor } = await cluster(['a', 'b'], { nodes: storage.address })
    const { token } = visitor
    expect(visitor.id).toBe(`${token}.a`)
    const answer = await visitor.get(b.url)
    expect(visitor.id).toBe(`${token}.b`)
    expect(answer.json()).toEqual({ id: visitor.id, attributes: { foo: 'bar' } })
    expect(await storage.record(visitor.id)).toMatchObject({ kind: 'session', owner: 'b' })
  })

  it('M46: is written once for that; an equal value is not written, a new one is', async () => {
    const { b, visitor } = await cluster(['a', 'b'])
    const before = (await storage.writes()) - 1
    const writes: number[] = []
    for (const body of [{}, { foo: 'bar' }, { foo: 'new' }]) {
      await visitor.post(b.url, body)
      await b.sessions.flush()
      writes.push((await storage.writes()) - before)
    }
    expect(writes).toEqual([2, 2, 3])
  })

  it('M47: is logged in there with the first request', async () => {
    const { a, b, visitor } = await cluster(['a', 'b'])
    await visitor.post(`${a.url}/login`, { user: 'ann' })
    await a.sessions.flush()
    const answer = await visitor.get(`${b.url}/account`)
    expect(answer.status).toBe(200)
    expect(answer.json()).toEqual({ user: 'ann' })
    expect(visitor.route).toBe('b')
  })

  it('M49: is read from the storage exactly once', async () => {
    const { b, visitor } = await cluster(['a', 'b'])
    const before = await storage.reads()
    await visitor.get(b.url)
    await visitor.get(b.url)
    await b.sessions.flush()
    expect(await storage.reads()).toBe(before + 1)
  })

  it('M49: is read once from each node where there are several, as an older copy may have stayed behind somewhere', async () => {
    const second = close(await StorageUnderTest.start())
    const { b, visitor } = await cluster(['a', 'b'], { nodes: `n1:${storage.address} n2:${second.address}` })
    const before = [await storage.reads(), await second.reads()]
    await visitor.get(b.url)
    await b.sessions.flush()
    expect([await storage.reads(), await second.reads()]).toEqual(before.map((reads) => reads + 1))
  })

  it('M50: keeps what the very request that brings it there changes', async () => {
    const { b, visitor } = await cluster(['a', 'b'])
    await visitor.post(b.url, { foo: 'new', more: 1 })
    expect((await visitor.get(b.url)).json()).toMatchObject({ attributes: { foo: 'new', more: 1 } })
    await b.sessions.flush()
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 'new', more: 1 })
  })

  it('M51, M86: leaves a storage node that is a failover node for the new server', async () => {
    const second = close(await StorageUnderTest.start())
    const nodes = `n1:${storage.address} n2:${second.address}`
    const a = await start('a', { nodes, failoverNodes: 'n1' })
    const b = await start('b', { nodes, failoverNodes: 'n2' })
    const visitor = new Visitor()
    await visitor.post(a.url, { foo: 'bar' })
    await a.sessions.flush()
    const { token } = visitor
    expect(visitor.id).toBe(`${token}-n2.a`)
    const answer = await visitor.get(b.url)
    expect(visitor.id).toBe(`${token}-n1.b`)
    expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
    await untilSettled(b)
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 'bar' })
    await waitFor(async () => !(await second.hasSession(visitor.id)), { message: 'the old copy to go' })
  })
})

describe('a stored copy that can not be read', () => {
  it('M93: counts as no session: the visitor gets a new one, and nothing breaks', async () => {
    const { b, visitor } = await cluster(['a', 'b'])
    const { token } = visitor
    await storage.overwrite(visitor.id, Buffer.from('a record of some other kind'))
    const answer = await visitor.get(b.url)
    expect(answer.status).toBe(200)
    expect(answer.json()).toMatchObject({ attributes: {} })
    expect(b.sessions.stats().counters.unreadableRecords).toBe(1)
    await visitor.post(b.url, { foo: 'new' })
    expect(visitor.token).not.toBe(token)
    expect((await visitor.get(b.url)).json()).toMatchObject({ attributes: { foo: 'new' } })
  })
})
