import type { Express } from 'express'
import { beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { sessionOf, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest } from './msm-fixture.js'

const close = closeAfterEach()
let storage: StorageUnderTest

beforeEach(async () => {
  storage = close(await StorageUnderTest.start())
})

async function start(options: Partial<HoldfastOptions> = {}, routes?: (app: Express) => void) {
  const nodes = `n1:${storage.address}`
  const server = close(await startAppServer({ ...quick, route: 'a', nodes, ...options }, routes))
  await storage.hasNotes()
  return server
}

describe('a request', () => {
  it('M94: without a session costs no storage operation and brings no cookie', async () => {
    const server = await start()
    const before = await storage.server.storageOperations()
    for (const path of ['/untouched', '/']) {
      const answer = await new Visitor().get(server.url + path)
      expect(answer.headers['set-cookie']).toBeUndefined()
    }
    await server.sessions.flush()
    expect(await storage.server.storageOperations()).toBe(before)
    expect(server.sessions.stats().activeSessions).toBe(0)
  })

  it('M94: that changes its id is stored under the id of the answer, not under the one that it came with', async () => {
    const server = await start({}, (app) => {
      app.post('/login', async (req, res) => {
        await sessionOf(req).regenerate()
        sessionOf(req).user = 'ann'
        res.send('welcome')
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    const sent = visitor.id
    const answer = await visitor.post(`${server.url}/login`, {})
    await server.sessions.flush()
    expect(answer.cookie).not.toBe(sent)
    expect(await storage.attributes(answer.cookie)).toEqual({ user: 'ann' })
    expect(await storage.hasSession(sent)).toBe(false)
  })

  it('M94: that matches the pattern of ignored URLs has no session, costs nothing and changes nothing', async () => {
    const server = await start({ ignore: '\\.(png|gif|jpg|css|js|ico)$' }, (app) => {
      app.get('/pixel.gif', (req, res) => void res.json({ session: sessionOf(req) ?? null }))
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    const before = await storage.server.storageOperations()
    const answer = await visitor.get(`${server.url}/pixel.gif`)
    expect(answer.json()).toEqual({ session: null })
    expect(answer.cookie).toBeUndefined()
    await server.sessions.flush()
    expect(await storage.server.storageOperations()).toBe(before)
    expect(server.sessions.stats().counters.requestsIgnored).toBe(1)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'bar' } })
  })
})

describe('the statistics', () => {
  it('M92: count a request with and one without a session, and one without change', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await visitor.get(server.url)
    expect(server.sessions.stats().counters).toMatchObject({
      requestsWithoutSession: 1,
      requestsWithSession: 1,
      requestsWithChange: 1,
      requestsWithoutChange: 1,
      sessionsCreated: 1,
    })
  })

  it('M92: count nothing while they are switched off, and go on when they are switched on', async () => {
    const server = await start({ statistics: false })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    const { counters, histograms } = server.sessions.stats()
    expect(new Set(Object.values(counters))).toEqual(new Set([0]))
    expect(histograms.recordSize.count).toBe(0)
    server.sessions.reconfigure({ statistics: true })
    await visitor.get(server.url)
    expect(server.sessions.stats().counters.requestsWithSession).toBe(1)
  })
})
