import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
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

async function start(idleTimeout: string) {
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
const passed = (ms: number, start: number) => waitFor(() => performance.now() - start >= ms, { timeout: ms + 1000 })

const gone = (visitor: Visitor, timeout: number) =>
  waitFor(async () => (await storage.timeToLive(visitor.id)) === 0, {
    timeout,
    interval: 50,
    message: 'the copy to go',
  })

describe('the idle timeout', () => {
  it.concurrent('M12: takes the stored copy with it', async () => {
    const server = await start('1s')
    const visitor = await newSession(server)
    expect(await storage.timeToLive(visitor.id)).toBeLessThanOrEqual(2)
    await gone(visitor, 3500)
    await waitFor(() => server.sessions.stats().activeSessions === 0, { message: 'the session to leave the memory' })
  })

  it.concurrent('M12: takes the stored copy with it although no server is there to remove it', async () => {
    const server = await start('1s')
    const visitor = await newSession(server)
    await server.close()
    expect(await storage.hasSession(visitor.id)).toBe(true)
    await gone(visitor, 3500)
  })

  it.concurrent('M14: gives a visitor who comes back later another session with another id', async () => {
    const server = await start('1s')
    const visitor = await newSession(server)
    const { token } = visitor
    await passed(1100, performance.now())
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
    await visitor.post(server.url, { foo: 'new' })
    expect(visitor.token).not.toBe(token)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'new' } })
  })

  it.concurrent('M15: begins anew with a request that only reads, in the storage too', async () => {
    const server = await start('3s')
    const visitor = await newSession(server)
    const { token } = visitor
    await waitFor(async () => (await storage.timeToLive(visitor.id)) <= 2, { interval: 20 })
    await visitor.get(server.url)
    const read = performance.now()
    await waitFor(async () => (await storage.timeToLive(visitor.id)) > 2, { message: 'the copy to live longer' })
    expect(server.sessions.stats().counters.backupsStored).toBe(1)
    await passed(2500, read)
    expect(await storage.hasSession(visitor.id)).toBe(true)
    await gone(visitor, 4000)
    await visitor.post(server.url, { foo: 'new' })
    expect(visitor.token).not.toBe(token)
  })

  it.concurrent('M16: never ends a session that is read again and again; it ends after the last read', async () => {
    const server = await start('2s')
    const visitor = await newSession(server)
    const { id, token } = visitor
    const begin = performance.now()
    for (let time = 700; time <= 4200; time += 700) {
      await passed(time, begin)
      expect((await visitor.get(server.url)).json()).toEqual({ id, attributes: { foo: 'bar' } })
      expect(await storage.hasSession(id)).toBe(true)
    }
    await passed(1500, begin + 4200)
    expect(await storage.hasSession(id)).toBe(true)
    await gone(visitor, 4000)
    await visitor.post(server.url, { foo: 'new' })
    expect(visitor.token).not.toBe(token)
  })

  it.concurrent('M16: begins anew with a request that does not use the session', async () => {
    const server = await start('2s')
    const visitor = await newSession(server)
    const begin = performance.now()
    for (let time = 800; time <= 4000; time += 800) {
      await passed(time, begin)
      await visitor.get(`${server.url}/untouched`)
    }
    expect(await storage.hasSession(visitor.id)).toBe(true)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'bar' } })
  })
})
