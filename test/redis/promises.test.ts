import { randomBytes } from 'node:crypto'
import type { Express } from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { withHashTag } from '../../src/node/redis/cluster-slots.js'
import { formatSessionId, SessionTokens } from '../../src/session-id/session-id.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, secret, sessionOf, startAppServer } from '../support/app-server.js'
import { attributesAt, Gate, visitorsOf } from '../support/cluster.js'
import { modes } from '../support/redis-load.js'
import { type RedisStorage, redisTopologies, startTopology, storedValue } from '../support/redis-topologies.js'
import { startServerProcess } from '../support/server-process.js'
import { keyOf, readStored, type StoredSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

type Options = Partial<HoldfastOptions>

/* Several of these topologies run at once: nothing is to look dead that only has to wait. */
const calm: Options = { probeInterval: '100ms', operationTimeout: '5s' }

/** POST /held/:name reads the session, waits at the gate and sets the attribute. */
function heldRoute(gate: Gate) {
  return (app: Express) => {
    app.post('/held/:name', async (req, res) => {
      const session = sessionOf(req)
      void session.number
      await gate.pass()
      session[req.params.name] = true
      res.send('set')
    })
  }
}

function withId(id: string | undefined): Visitor {
  const visitor = new Visitor()
  visitor.id = id
  return visitor
}

describe.each(redisTopologies)('on %s', (topology) => {
  let storage: RedisStorage
  let running: { close(): Promise<unknown> }[] = []

  beforeAll(async () => {
    storage = await startTopology(topology)
  })

  afterEach(async () => {
    await Promise.all(running.map((each) => each.close()))
    running = []
  })

  afterAll(() => storage?.close())

  function keep<T extends { close(): Promise<unknown> }>(server: T): T {
    running.push(server)
    return server
  }

  async function stored(visitor: Visitor): Promise<StoredSession | undefined> {
    const value = await storedValue(storage, visitor)
    return value && readStored(value.bytes, visitor)
  }

  describe.each(modes)('sessions in %s mode', (mode) => {
    async function server(route: string, options: Options = {}, gate = new Gate()): Promise<AppServer> {
      return keep(await startAppServer({ ...calm, mode, route, nodes: storage.url, ...options }, heldRoute(gate)))
    }

    it('survive the death of their server, with every acknowledged change', async () => {
      const backup = { mode: 'sync', timeout: '5s' } as const
      const start = (route: string) =>
        startServerProcess({ ...calm, mode, route, nodes: storage.url, ...(mode === 'sticky' && { backup }) })
      const [a, b] = await Promise.all([start('a'), start('b')])
      running.push(a, b)
      const visitors = await visitorsOf(a, 5)
      for (const visitor of visitors) await visitor.post(`${a.url}/`, { more: 'of it' })
      await a.kill()
      for (const [number, visitor] of visitors.entries())
        expect(await attributesAt(b, visitor)).toEqual({ number, more: 'of it' })
    })

    it('lose no change when two servers change different attributes at the same time', async () => {
      const gate = new Gate()
      const [a, b] = [await server('a', {}, gate), await server('b', {}, gate)]
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      const held = [a, b, a, b].map(({ url }, index) => visitor.copy().post(`${url}/held/tab${index}`, {}))
      await waitFor(() => gate.waiting === held.length)
      gate.open()
      for (const answer of await Promise.all(held)) expect(answer.status).toBe(200)
      for (const { sessions } of [a, b]) await sessions.flush()
      const all = { number: 0, tab0: true, tab1: true, tab2: true, tab3: true }
      await waitFor(async () => Object.keys(await attributesAt(b, visitor)).length === 5)
      expect(await attributesAt(b, visitor)).toEqual(all)
    })

    it('that have ended do not come back by a slower request, here or elsewhere', async () => {
      const gate = new Gate()
      const [a, b] = [await server('a', {}, gate), await server('b')]
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      const old = visitor.copy()
      const held = old.copy().post(`${a.url}/held/late`, {})
      await waitFor(() => gate.waiting === 1)
      expect((await visitor.post(`${b.url}/destroy`, {})).status).toBe(200)
      gate.open()
      await held
      for (const { sessions } of [a, b]) await sessions.flush()
      for (const { url } of [a, b, await server('c')])
        expect((await old.copy().get(`${url}/`)).json()).toMatchObject({ attributes: {} })
      expect((await stored(old))?.kind).toBe('tombstone')
    })

    it('are not overwritten by a process that was paused', async () => {
      const a = keep(await startServerProcess({ ...calm, mode, route: 'a', nodes: storage.url }))
      const b = await server('b')
      const visitor = new Visitor()
      await visitor.post(`${a.url}/`, { number: 'old', other: 'old' })
      await waitFor(async () => (await stored(visitor)) !== undefined)
      const late = visitor.copy().post(`${a.url}/later`, { mine: 'late' })
      await waitFor(async () => (await a.stats()).activeSessions === 1)
      await a.suspend()
      await visitor.post(`${b.url}/`, { number: 'new', other: null })
      await b.sessions.flush()
      await a.resume()
      await new Visitor().post(`${a.url}/internal/go`, {})
      expect((await late).status).toBe(200)
      const merged = { number: 'new', mine: 'late' }
      await waitFor(async () => (await stored(visitor))?.attributes.mine === 'late')
      expect((await stored(visitor))?.attributes).toEqual(merged)
      expect(await attributesAt(await server('c'), visitor)).toEqual(merged)
    })

    it('are never adopted under an id that was not issued', async () => {
      const a = await server('a')
      const random = randomBytes(36).toString('base64url').replaceAll('-', '_')
      const foreign = new SessionTokens(['the secret of somebody else']).issue()
      const unused = new SessionTokens([secret]).issue()
      for (const token of [random, foreign, unused]) {
        const visitor = withId(formatSessionId(token, undefined, 'a'))
        const planted = visitor.copy()
        await visitor.post(`${a.url}/`, { user: 'victim' })
        expect(visitor.token).not.toBe(planted.token)
        expect(await attributesAt(a, planted)).toEqual({})
      }
    })

    it('have their end and their new id in the storage when that is answered', async () => {
      const a = await server('a')
      const [visitor, other] = (await visitorsOf(a, 2)) as [Visitor, Visitor]
      await a.sessions.flush()
      const [ended, renewed] = [visitor.copy(), other.copy()]
      await visitor.post(`${a.url}/destroy`, {})
      expect((await stored(ended))?.kind).toBe('tombstone')
      await other.post(`${a.url}/regenerate`, {})
      expect((await stored(renewed))?.kind).toBe('tombstone')
    })

    it('are not written by requests that only read', async () => {
      const a = await server('a')
      const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
      await a.sessions.flush()
      const before = await storedValue(storage, visitor)
      const operations = () => a.sessions.stats().nodes[0]?.operations ?? 0
      const counted = operations()
      for (let i = 0; i < 10; i++) await attributesAt(a, visitor)
      expect(operations() - counted).toBe(mode === 'sticky' ? 0 : 10)
      expect((await storedValue(storage, visitor))?.bytes).toEqual(before?.bytes)
    })

    it('end with their idle timeout, which a use on any server renews', async () => {
      const options: Options = { idleTimeout: '1500ms' }
      const [a, b] = [await server('a', options), await server('b', options)]
      const [used, idle] = (await visitorsOf(a, 2)) as [Visitor, Visitor]
      await a.sessions.flush()
      const servers = [a, b]
      let last = performance.now()
      let inTime = true
      const useTheOne = async () => {
        const attributes = await attributesAt(servers.reverse()[0] as AppServer, used)
        inTime &&= performance.now() - last < 1500
        last = performance.now()
        if (inTime) expect(attributes).toEqual({ number: 0 })
        return (await storedValue(storage, idle)) === undefined
      }
      await waitFor(useTheOne, { timeout: 15_000, interval: 50 })
      expect(await attributesAt(b, idle)).toEqual({})
    })
  })

  it('idle sessions are stored again when the server that had them was restarted and is empty (sticky mode)', async () => {
    const options = { ...calm, nodes: storage.url }
    const a = keep(await startAppServer({ ...options, route: 'a' }))
    const b = keep(await startAppServer({ ...options, route: 'b' }))
    const visitors = await visitorsOf(a, 10)
    await a.sessions.flush()
    const contents = async () => JSON.stringify(await Promise.all(visitors.map(stored)))
    const before = await contents()
    const lost = await storage.masterOf(withHashTag(keyOf(visitors[0] as Visitor)))
    await lost.command('FLUSHALL')
    await lost.restart()
    await waitFor(async () => (await contents().catch(() => '')) === before, { timeout: 20_000 })
    for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
  })
})
