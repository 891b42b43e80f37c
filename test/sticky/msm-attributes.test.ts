import { beforeEach, describe, expect, it } from 'vitest'
import type { AttributeCodec } from '../../src/index.js'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { closeAfterEach, quick, StorageUnderTest } from './msm-fixture.js'

const close = closeAfterEach()
let storage: StorageUnderTest
/** Every value that was turned into bytes, and every one that was read from bytes. */
let encoded: unknown[]
let decoded: unknown[]

/** JSON that keeps a list of its calls. */
const watchedCodec: AttributeCodec = {
  id: 'watched',
  encode(value) {
    encoded.push(value)
    return jsonCodec.encode(value)
  },
  decode(bytes) {
    const value = jsonCodec.decode(bytes)
    decoded.push(value)
    return value
  },
}

beforeEach(async () => {
  storage = close(await StorageUnderTest.start())
  encoded = []
  decoded = []
})

async function start(attributes?: RegExp, idleTimeout = '30m') {
  const options = { ...quick, route: 'a', nodes: `n1:${storage.address}`, codec: watchedCodec, idleTimeout, attributes }
  const server = await startAppServer(options, (app) => {
    app.get('/read/:name', (req, res) => void res.json(sessionOf(req)[req.params.name] ?? null))
  })
  return close(server)
}

function forget(): void {
  encoded.length = 0
  decoded.length = 0
}

describe('the cost of attributes', () => {
  it('M24: a request that touches no attribute turns none into bytes', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { cart: ['tea'], user: 'ann' })
    await server.sessions.flush()
    forget()
    await visitor.get(`${server.url}/untouched`)
    await server.sessions.flush()
    expect(encoded).toEqual([])
    expect(decoded).toEqual([])
  })

  it('M24: a request that changes one attribute turns only that one into bytes', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { cart: ['tea'], user: 'ann' })
    forget()
    await visitor.post(server.url, { user: 'bob' })
    await server.sessions.flush()
    expect(encoded).toEqual(['bob'])
    expect(await storage.attributes(visitor.id)).toEqual({ cart: ['tea'], user: 'bob' })
  })

  it('M25: an object that is only read is compared, a primitive is not even that; neither is stored', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { cart: ['tea'], user: 'ann' })
    await storage.hasNotes()
    await server.sessions.flush()
    const writes = await storage.writes()
    forget()
    await visitor.get(`${server.url}/read/user`)
    expect({ encoded, decoded }).toEqual({ encoded: [], decoded: ['ann'] })
    forget()
    await visitor.get(`${server.url}/read/cart`)
    await server.sessions.flush()
    expect([...new Set(encoded)]).toEqual([['tea']])
    expect(decoded).toEqual([['tea']])
    expect(await storage.writes()).toBe(writes)
  })
})

describe('the pattern of attributes that are backed up', () => {
  const pattern = /^(foo|bar)$/

  it('M29: keeps other attributes in memory: they are not turned into bytes, and the visitor finds them again', async () => {
    const server = await start(pattern)
    const visitor = new Visitor()
    const answer = await visitor.post(server.url, { baz: 1 })
    await server.sessions.flush()
    expect(encoded).toEqual([])
    expect(answer.cookie).toBeDefined()
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { baz: 1 } })
  })

  it('M30: has only the attributes that match stored, while the server goes on seeing all', async () => {
    const server = await start(pattern)
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 1, bar: 2, baz: 3 })
    await server.sessions.flush()
    expect(encoded).toEqual([1, 2])
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 1, bar: 2 })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 1, bar: 2, baz: 3 } })
  })

  it('M30: takes an attribute out of the stored copy that changes after it was excluded while running', async () => {
    const server = await start()
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 1, baz: 3 })
    await server.sessions.flush()
    server.sessions.reconfigure({ attributes: pattern })
    await visitor.post(server.url, { baz: 4 })
    await server.sessions.flush()
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 1, baz: 4 } })
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 1 })
  })

  it('M31: holds when a lost copy is stored again in the background', async () => {
    const server = await start(pattern, '2s')
    const visitor = new Visitor()
    await visitor.post(server.url, { foo: 1, bar: 2, baz: 3 })
    await server.sessions.flush()
    await storage.server.flushAll()
    const restored = async () => {
      await visitor.get(server.url)
      return storage.hasSession(visitor.id)
    }
    await waitFor(restored, { interval: 50, message: 'the lost copy to be stored again' })
    expect(await storage.attributes(visitor.id)).toEqual({ foo: 1, bar: 2 })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { foo: 1, bar: 2, baz: 3 } })
  })
})
