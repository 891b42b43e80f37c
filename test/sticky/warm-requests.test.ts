import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startMemcached, type TestMemcached } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'

describe('the cost of a warm request in storage operations', () => {
  let memcached: TestMemcached
  let server: AppServer

  beforeEach(async () => {
    memcached = await startMemcached()
    server = await startAppServer({ route: 'a', nodes: `n1:127.0.0.1:${memcached.port}` })
  })

  afterEach(async () => {
    await server.close()
    await memcached.close()
  })

  async function operationsOf(work: () => Promise<unknown>): Promise<number> {
    await server.sessions.flush()
    const before = await memcached.storageOperations()
    await work()
    await server.sessions.flush()
    return (await memcached.storageOperations()) - before
  }

  it('is none when the session is not changed', async () => {
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { cart: ['tea'] })
    const operations = await operationsOf(async () => {
      for (let i = 0; i < 20; i++) {
        const answer = await visitor.get(`${server.url}/`)
        expect(answer.json()).toMatchObject({ attributes: { cart: ['tea'] } })
      }
    })
    expect(operations).toBe(0)
  })

  it('is none when the session is not used', async () => {
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { cart: ['tea'] })
    expect(await operationsOf(() => visitor.get(`${server.url}/untouched`))).toBe(0)
  })

  it('is exactly one when the session is changed', async () => {
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { cart: ['tea'] })
    expect(await operationsOf(() => visitor.post(`${server.url}/`, { cart: ['tea', 'milk'] }))).toBe(1)
  })

  it('is none when a value is assigned that is there already', async () => {
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { cart: ['tea'] })
    expect(await operationsOf(() => visitor.post(`${server.url}/`, { cart: ['tea'] }))).toBe(0)
  })

  it('is none for an id that was not issued here', async () => {
    const visitor = new Visitor()
    visitor.id = `${'x'.repeat(48)}-n1.a`
    expect(await operationsOf(() => visitor.get(`${server.url}/`))).toBe(0)
  })
})
