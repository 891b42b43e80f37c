import { beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { startAppServer } from '../support/app-server.js'
import { inTime } from '../support/in-time.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest, untilNodeIs, untilSettled } from './msm-fixture.js'

const close = closeAfterEach()
let storage: StorageUnderTest

beforeEach(async () => {
  storage = close(await StorageUnderTest.start())
})

async function start(options: Partial<HoldfastOptions> = {}) {
  return close(await startAppServer({ ...quick, route: 'a', nodes: `n1:${storage.address}`, ...options }))
}

describe('while no storage node is up', () => {
  it('M37: a session that was stored goes on from memory, and its id stays once all are known to be down', async () => {
    const second = close(await StorageUnderTest.start())
    const server = await start({ nodes: `n1:${storage.address} n2:${second.address}` })
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    await Promise.all([storage.server.kill('SIGKILL'), second.server.kill('SIGKILL')])
    const { token } = visitor
    for (const down of [false, true]) {
      if (down) await untilNodeIs('down', server, 'n1', 'n2')
      const answer = await visitor.get(server.url)
      expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
    }
    expect(visitor.token).toBe(token)
    const settled = visitor.id
    const change = await visitor.post(server.url, { foo: 'new' })
    expect(change.status).toBe(200)
    expect(change.cookie).toBeUndefined()
    expect((await visitor.get(server.url)).json()).toEqual({ id: settled, attributes: { foo: 'new' } })
  })

  it('M38: a new session has an id without node, sent in one cookie, and keeps it', async () => {
    await storage.server.kill('SIGKILL')
    const server = await start()
    const visitor = new Visitor()
    const first = await visitor.post(server.url, { foo: 'bar' })
    expect(first.headers['set-cookie']).toHaveLength(1)
    expect(visitor.id).toBe(`${visitor.token}.a`)
    const { id } = visitor
    const second = await visitor.get(server.url)
    expect(second.cookie).toBeUndefined()
    expect(second.json()).toEqual({ id, attributes: { foo: 'bar' } })
    await waitFor(() => server.sessions.stats().unprotectedSessions === 1)
  })

  it('M19: a session is stored when the node comes back, before its next request, whose answer names the node', async () => {
    await storage.server.kill('SIGKILL')
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    expect(visitor.node).toBeUndefined()
    const { token } = visitor
    await storage.server.restart()
    await waitFor(() => storage.hasSession(visitor.id), { message: 'the session to be stored' })
    const answer = await visitor.get(server.url)
    expect(answer.cookie).toBe(`${token}-n1.a`)
    expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
    expect((await visitor.get(server.url)).cookie).toBeUndefined()
  })
})

describe('while backup is switched off', () => {
  it('M20: sessions live in memory alone, without a node in new ids, and expire', async () => {
    await inTime(1000, async (life, within) => {
      const server = await start({ idleTimeout: life })
      server.sessions.reconfigure({ enabled: false })
      await storage.server.kill('SIGKILL')
      const visitor = new Visitor()
      const began = performance.now()
      await visitor.post(server.url, { foo: 'bar' })
      expect(visitor.id).toBe(`${visitor.token}.a`)
      const answer = await visitor.get(server.url)
      within(life, began)
      expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
      expect(server.sessions.stats().counters.backupFailures).toBe(0)
      await waitFor(() => server.sessions.stats().counters.sessionsExpired === 1)
      expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
    })
  })

  it('M20: a session that was stored before goes on from memory', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    server.sessions.reconfigure({ enabled: false })
    await storage.server.kill('SIGKILL')
    await visitor.post(server.url, { foo: 'new' })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 'new' } })
  })

  it('M21: switched on, sessions are stored, those from before too, and go from the storage when they expire', async () => {
    await inTime(2000, async (life, within) => {
      await storage.server.kill('SIGKILL')
      const server = await start({ enabled: false, idleTimeout: life })
      const early = new Visitor()
      const began = performance.now()
      await early.post(server.url, { foo: 'early' })
      expect(early.node).toBeUndefined()
      await storage.server.restart()
      await untilNodeIs('up', server, 'n1')
      expect((await storage.keys()).filter((key) => key !== 'holdfast:notes')).toEqual([])
      server.sessions.reconfigure({ enabled: true })
      const late = new Visitor()
      await late.post(server.url, { foo: 'late' })
      expect(late.node).toBe('n1')
      await untilSettled(server)
      const stored = await Promise.all([early, late].map((visitor) => storage.attributes(visitor.id)))
      await early.get(server.url)
      within(life, began)
      expect(stored).toEqual([{ foo: 'early' }, { foo: 'late' }])
      expect(early.node).toBe('n1')
      const gone = async () => !(await storage.hasSession(early.id)) && !(await storage.hasSession(late.id))
      await waitFor(gone, { interval: 50, message: 'the copies to go' })
      await server.close()
    })
  })
})
