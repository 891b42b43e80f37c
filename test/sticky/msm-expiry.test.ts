import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { inTime } from '../support/in-time.js'
import { patience } from '../support/patience.js'
import { Visitor } from '../support/visitor.js'
import { quick, StorageUnderTest } from './msm-fixture.js'

/* These tests wait for real timeouts, so they run side by side on one memcached. */
let storage: StorageUnderTest
const servers: AppServer[] = []

beforeAll(async () => {
  storage = await StorageUnderTest.start()
})

afterAll(async () => {
  for (const server of servers) await server.close()
  await storage.close()
})

async function start(idleTimeout: number) {
  const server = await startAppServer({ ...quick, route: 'a', nodes: `n1:${storage.address}`, idleTimeout })
  servers.push(server)
  return server
}

async function newSession(server: AppServer): Promise<Visitor> {
  const visitor = new Visitor()
  await visitor.post(server.url, { foo: 'bar' })
  await server.sessions.flush()
  return visitor
}

/** Waits until the time has passed, measured from `start`. */
const passed = (ms: number, start: number) => waitFor(() => performance.now() - start >= ms, { timeout: ms + patience })

const gone = (visitor: Visitor) =>
  waitFor(async () => (await storage.timeToLive(visitor.id)) === 0, { interval: 50, message: 'the copy to go' })

describe('the idle timeout', () => {
  it.concurrent('M12: takes the stored copy with it', async () => {
    const server = await start(1000)
    const visitor = await newSession(server)
    expect(await storage.timeToLive(visitor.id)).toBeLessThanOrEqual(2)
    await gone(visitor)
    await waitFor(() => server.sessions.stats().activeSessions === 0, { message: 'the session to leave the memory' })
  })

  it.concurrent('M12: takes the stored copy with it although no server is there to remove it', async () => {
    await inTime(1000, async (life, within) => {
      const server = await start(life)
      const created = performance.now()
      const visitor = await newSession(server)
      await server.close()
      const isStored = await storage.hasSession(visitor.id)
      within(life, created)
      expect(isStored).toBe(true)
      await gone(visitor)
    })
  })

  it.concurrent('M14: gives a visitor who comes back later another session with another id', async () => {
    await inTime(1000, async (life, within) => {
      const server = await start(life)
      const visitor = await newSession(server)
      const { token } = visitor
      await passed(life + 100, performance.now())
      expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
      const began = performance.now()
      await visitor.post(server.url, { foo: 'new' })
      expect(visitor.token).not.toBe(token)
      const answer = await visitor.get(server.url)
      within(life, began)
      expect(answer.json()).toMatchObject({ attributes: { foo: 'new' } })
    })
  })

  it.concurrent('M15: begins anew with a request that only reads, in the storage too', async () => {
    await inTime(3000, async (life, within) => {
      const server = await start(life)
      const created = performance.now()
      const visitor = await newSession(server)
      const { token } = visitor
      const seconds = life / 1000
      await waitFor(async () => (await storage.timeToLive(visitor.id)) < seconds, { interval: 20 })
      const read = performance.now()
      await visitor.get(server.url)
      within(life, created)
      const isLonger = async () => (await storage.timeToLive(visitor.id)) >= seconds || performance.now() - read > life
      await waitFor(isLonger, { message: 'the copy to live longer' })
      within(1000, read)
      expect(server.sessions.stats().counters.backupsStored).toBe(1)
      await passed(life - 500, read)
      const isStored = await storage.hasSession(visitor.id)
      within(life, read)
      expect(isStored).toBe(true)
      await gone(visitor)
      await visitor.post(server.url, { foo: 'new' })
      expect(visitor.token).not.toBe(token)
    })
  })

  it.concurrent('M16: never ends a session that is read again and again; it ends after the last read', async () => {
    await inTime(2000, async (life, within) => {
      const server = await start(life)
      let used = performance.now()
      const visitor = await newSession(server)
      const { id, token } = visitor
      for (let times = 0; times < 6; times++) {
        await passed(0.35 * life, used)
        const since = used
        used = performance.now()
        const answer = await visitor.get(server.url)
        const isStored = await storage.hasSession(id)
        within(life / 2, since)
        expect(answer.json()).toEqual({ id, attributes: { foo: 'bar' } })
        expect(isStored).toBe(true)
      }
      await passed(0.75 * life, used)
      const isStored = await storage.hasSession(id)
      within(life, used)
      expect(isStored).toBe(true)
      await gone(visitor)
      await visitor.post(server.url, { foo: 'new' })
      expect(visitor.token).not.toBe(token)
    })
  })

  it.concurrent('M16: begins anew with a request that does not use the session', async () => {
    await inTime(2000, async (life, within) => {
      const server = await start(life)
      let used = performance.now()
      const visitor = await newSession(server)
      for (let times = 0; times < 5; times++) {
        await passed(0.4 * life, used)
        const since = used
        used = performance.now()
        await visitor.get(`${server.url}/untouched`)
        within(0.6 * life, since)
      }
      const isStored = await storage.hasSession(visitor.id)
      const answer = await visitor.get(server.url)
      within(life, used)
      expect(isStored).toBe(true)
      expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
    })
  })
})
