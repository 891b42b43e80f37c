import type { Express } from 'express'
import { beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { startFaultyServer, waitFor } from '../../src/testing/index.js'
import { sessionIdOf, sessionOf, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest } from './msm-fixture.js'

const close = closeAfterEach()
let storage: StorageUnderTest

beforeEach(async () => {
  storage = close(await StorageUnderTest.start())
})

async function start(options: Partial<HoldfastOptions> = {}, routes?: (app: Express) => void) {
  return close(await startAppServer({ ...quick, route: 'a', nodes: `n1:${storage.address}`, ...options }, routes))
}

function addLogin(app: Express): void {
  app.post('/login', async (req, res) => {
    await sessionOf(req).regenerate({ keep: true })
    sessionOf(req).user = 'ann'
    res.json({ id: sessionIdOf(req) })
  })
}

describe('the stored copy of a session', () => {
  it('M10: is there soon after the response', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await waitFor(() => storage.hasSession(visitor.id), { timeout: 1000 })
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M10: is there before the response ends when backup.mode is sync', async () => {
    const server = await start({ backup: { mode: 'sync', timeout: '2s' } })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 'bar' })
  })

  it('M13: gives way to a tombstone before the answer when the application ends the session; no cookie is sent', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    const answer = await visitor.post(`${server.url}/destroy`, {})
    expect(answer.headers['set-cookie']).toBeUndefined()
    expect(await storage.record(visitor.id)).toMatchObject({ kind: 'tombstone' })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
  })

  it('M17: loses an attribute that a request only removes, in that request and after it', async () => {
    const server = await start({}, (app) => {
      app.post('/remove', (req, res) => {
        delete sessionOf(req).foo
        res.json({ foo: sessionOf(req).foo ?? null })
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar', other: 1 })
    expect((await visitor.post(`${server.url}/remove`, {})).json()).toEqual({ foo: null })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { other: 1 } })
    await server.sessions.flush()
    expect(await storage.attributes(visitor.id)).toEqual({ other: 1 })
  })

  it('M18: outlives an orderly restart of the server, the last change included', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    const { id } = visitor
    await server.close()
    const restarted = await start()
    const answer = await visitor.get(restarted.url)
    expect(answer.json()).toEqual({ id, attributes: { foo: 'bar' } })
    expect(answer.cookie).toBeUndefined()
  })

  it('M23: is written once for each request that changes the session, and not for others', async () => {
    const server = await start()
    const visitor = new Visitor()
    await storage.hasNotes()
    const before = await storage.writes()
    const writes: number[] = []
    for (const send of [
      () => visitor.post(server.url, { a: 1 }),
      () => visitor.post(server.url, { b: 2 }),
      () => visitor.get(`${server.url}/untouched`),
    ]) {
      await send()
      await server.sessions.flush()
      writes.push((await storage.writes()) - before)
    }
    expect(writes).toEqual([1, 2, 2])
  })

  it('M26: stands under a new key once, and the old one is dead, when the id changes at a login', async () => {
    const server = await start({}, addLogin)
    const visitor = new Visitor()
    await visitor.post(server.url, { cart: ['tea'] })
    await server.sessions.flush()
    const before = visitor.copy()
    await visitor.post(`${server.url}/login`, {})
    await server.sessions.flush()
    expect(visitor.token).not.toBe(before.token)
    expect(await storage.record(before.id)).toMatchObject({ kind: 'tombstone' })
    expect(await storage.attributes(visitor.id)).toEqual({ cart: ['tea'], user: 'ann' })
    expect((await before.get(server.url)).json()).toMatchObject({ attributes: {} })
    expect((await storage.keys()).filter((key) => key !== 'holdfast:notes')).toHaveLength(2)
  })

  it('M27: never expires by itself when sessions have no idle timeout', async () => {
    const server = await start({ idleTimeout: 'none' })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    expect(await storage.timeToLive(visitor.id)).toBe(-1)
  })
})

describe('a write that the storage node refuses', () => {
  const outOfMemory = 0x82
  const add = 0x02

  it('M22: is tried once, reported, and does not fail the request; it is made good as soon as the node takes it', async () => {
    const faulty = close(await startFaultyServer(storage.server))
    const server = await start({
      nodes: `127.0.0.1:${faulty.port}`,
      backup: { mode: 'sync', timeout: '2s', attempts: 1 },
    })
    const failures: string[] = []
    server.sessions.on('backupFailed', (event) => failures.push(event.id))
    await storage.hasNotes()
    const before = await storage.writes()
    faulty.fail({ kind: 'status', status: outOfMemory }, { opcode: add, requests: 1 })
    const visitor = new Visitor()
    const answer = await visitor.post(server.url, { foo: 'bar' })
    expect(answer.status).toBe(200)
    expect(failures).toEqual([visitor.id])
    expect(server.sessions.stats().counters).toMatchObject({ backupFailures: 1, backupRetries: 0 })
    await waitFor(() => storage.hasSession(visitor.id))
    /* The node has it before the server knows. */
    await waitFor(() => server.sessions.stats().unprotectedSessions === 0)
    expect(await storage.writes()).toBe(before + 1)
  })
})
