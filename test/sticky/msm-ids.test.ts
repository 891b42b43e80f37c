import { beforeEach, describe, expect, it } from 'vitest'
import { startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest } from './msm-fixture.js'

const close = closeAfterEach()
let storage: StorageUnderTest

beforeEach(async () => {
  storage = close(await StorageUnderTest.start())
})

async function start(nodes: string, route: string | undefined = 'app1') {
  return close(await startAppServer({ ...quick, route, nodes }))
}

describe('the id of a session', () => {
  it('M1: is <token>-<node>.<route>', async () => {
    const server = await start(`n1:${storage.address}`)
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    expect(visitor.id).toBe(`${visitor.token}-n1.app1`)
  })

  it('M2: has one dash at most before the one dot', async () => {
    const server = await start(`n1:${storage.address}`)
    for (let i = 0; i < 50; i++) {
      const visitor = new Visitor()
      await visitor.post(server.url, { foo: 'bar' })
      expect(visitor.id).toMatch(/^[^-.]+-[^-.]+\.\w+$/)
    }
  })

  it('M3: names no node when the only node has no id', async () => {
    const server = await start(storage.address)
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    expect(visitor.id).toBe(`${visitor.token}.app1`)
    expect(visitor.id).not.toContain('-')
  })

  it('M4: stays, and leads to the session, when the only node has no id', async () => {
    const server = await start(storage.address)
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    const { id } = visitor
    const answer = await visitor.get(server.url)
    expect(answer.cookie).toBeUndefined()
    expect(answer.json()).toEqual({ id, attributes: { foo: 'bar' } })
    await server.sessions.flush()
    expect(await storage.attributes(id)).toEqual({ foo: 'bar' })
  })

  it('M5: is replaced by one of ours when it is made up, without an error and without asking the storage', async () => {
    const server = await start(`n1:${storage.address}`)
    const visitor = new Visitor()
    visitor.id = '12345'
    const reads = await storage.reads()
    const answer = await visitor.post(server.url, { foo: 'bar' })
    expect(answer.status).toBe(200)
    expect(visitor.id).toMatch(/^[^-.]{40,}-n1\.app1$/)
    expect(await storage.reads()).toBe(reads)
    expect(server.sessions.stats().counters.invalidIds).toBe(1)
  })

  it('M8: is accepted with and without a node, as the node is a hint; a made-up one is not accepted in either form', async () => {
    const server = await start(`n1:${storage.address}`)
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    const { id, token } = visitor
    visitor.id = token
    const answer = await visitor.get(server.url)
    expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
    expect(answer.cookie).toBe(id)
    for (const madeUp of ['123456', '123456-n1']) {
      visitor.id = madeUp
      expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
    }
  })

  it('M11: is, in the first request already, the one that the session is stored under', async () => {
    const server = await start(`n1:${storage.address}`)
    const visitor = new Visitor()
    const seen = (await visitor.post(server.url, { foo: 'bar' })).json<{ id: string }>().id
    await server.sessions.flush()
    expect(seen).toBe(visitor.id)
    expect(await storage.attributes(seen)).toEqual({ foo: 'bar' })
  })

  it('M83: may name a node that is not configured, which counts as none', async () => {
    const nodes = `n1:${storage.address}`
    const [here, there] = [await start(nodes, 'app1'), await start(nodes, 'app2')]
    const visitor = new Visitor()
    await visitor.post(here.url, { foo: 'bar' })
    await here.sessions.flush()
    for (const server of [here, there]) {
      visitor.id = `${visitor.token}-n9.app1`
      const answer = await visitor.get(server.url)
      expect(answer.json()).toMatchObject({ attributes: { foo: 'bar' } })
      expect(visitor.node).toBe('n1')
    }
  })
})

describe('the storage key of a session', () => {
  it('M81: is the prefix and a digest of the token: no key gives an id away', async () => {
    const server = await start(`n1:${storage.address}`)
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 'bar' })
    await server.sessions.flush()
    const keys = await storage.keys()
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) expect(key).not.toContain(visitor.token)
    const record = await storage.record(visitor.id)
    expect(record?.key).toMatch(/^holdfast:[\w-]{43}$/)
    expect(keys).toContain(record?.key)
  })

  it('M82: begins with the configured prefix, so that applications on one storage node do not meet', async () => {
    const start = async (keyPrefix: string) =>
      close(await startAppServer({ ...quick, keyPrefix, nodes: `n1:${storage.address}` }))
    const [shop, blog] = [await start('shop:'), await start('blog:')]
    const visitor = new Visitor()
    await visitor.post(shop.url, { foo: 'bar' })
    await shop.sessions.flush()
    expect(await storage.record(visitor.id, 'shop:')).toMatchObject({ kind: 'session' })
    expect(await storage.record(visitor.id, 'blog:')).toBeUndefined()
    expect((await visitor.get(blog.url)).json()).toMatchObject({ attributes: {} })
  })
})
