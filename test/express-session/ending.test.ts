import { describe, expect, it } from 'vitest'
import type { HoldfastError } from '../../src/errors.js'
import { startMemcached, waitFor } from '../../src/testing/index.js'
import { sessionIdOf, sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { serve } from './serve.js'

describe('destroy', () => {
  it('3.2.12: takes the session off the request, keeps its id there, and ends it', async () => {
    const server = await serve({}, (app) => {
      app.post('/bye', (req, res) => {
        const session = sessionOf(req)
        const { id } = session
        session.destroy((error) => {
          res.json([error ?? null, sessionOf(req) === undefined, sessionIdOf(req) === id])
        })
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    expect((await visitor.post(`${server.url}/bye`, {})).json()).toEqual([null, true, true])
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
  })

  it.each(['keep', 'destroy'] as const)('3.2.12: is what req.session = null does, if unset is %s', async (unset) => {
    const server = await serve({ unset }, (app) => {
      app.post('/unset', (req, res) => {
        sessionOf(req).dropped = true // stays: others may have seen it
        Object.assign(req, { session: null })
        res.send('ok')
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const answer = await visitor.post(`${server.url}/unset`, {})
    expect(answer.headers['set-cookie']).toBeUndefined()
    await server.sessions.flush()
    const { attributes } = (await visitor.get(server.url)).json<{ attributes: Record<string, unknown> }>()
    expect(server.sessions.stats().counters.backupsStored).toBe(unset === 'keep' ? 2 : 1)
    expect(attributes).toEqual(unset === 'keep' ? { a: 1, dropped: true } : {})
  })
})

describe('regenerate', () => {
  it('3.2.13: ends the session and begins another, which has only its cookie', async () => {
    const server = await serve({}, (app) => {
      app.post('/again', (req, res) => {
        const before = sessionOf(req)
        before.regenerate((error) => {
          const after = sessionOf(req)
          res.json([error ?? null, after === before, after.id === before.id, Object.keys(after)])
        })
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const old = visitor.copy()
    expect((await visitor.post(`${server.url}/again`, {})).json()).toEqual([null, false, false, ['cookie']])
    expect((await old.get(server.url)).json()).toMatchObject({ attributes: {} })
  })

  it('3.2.13: gives a new session also when the storage can not be told of the old one’s end', async () => {
    const memcached = await startMemcached()
    const nodes = `n1:${memcached.host}:${memcached.port}`
    const server = await serve({ nodes, probeInterval: '100ms' })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const old = visitor.copy()
    await server.sessions.flush()
    await memcached.close()
    const answer = await visitor.post(`${server.url}/regenerate`, {})
    expect(answer.status).toBe(200)
    expect(answer.json<{ id: string }>().id).not.toBe(old.id)
    expect((await old.get(server.url)).json()).toMatchObject({ attributes: {} })
  })
})

describe('reload', () => {
  it('3.2.14: drops what was not saved, and keeps the cookie’s age', async () => {
    const server = await serve({ cookie: { maxAge: '1h' } }, (app) => {
      app.get('/reload', async (req, res) => {
        const session = sessionOf(req)
        const { originalMaxAge } = session.cookie
        session.a = 2
        await session.reload()
        const { cookie, a } = sessionOf(req)
        res.json([a, cookie.originalMaxAge === originalMaxAge, (cookie.maxAge ?? 0) <= 3_600_000])
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    expect((await visitor.get(`${server.url}/reload`)).json()).toEqual([1, true, true])
  })

  it('3.2.14: leaves the session object as it is, and the callback is called after the change', async () => {
    const server = await serve({}, (app) => {
      app.get('/same', (req, res) => {
        const session = sessionOf(req)
        session.reload((error) => res.json([error ?? null, sessionOf(req) === session]))
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    expect((await visitor.get(`${server.url}/same`)).json()).toEqual([null, true])
  })

  it('3.2.14: sees what another request has saved meanwhile', async () => {
    let reached: (() => void) | undefined
    const waiting = new Promise<void>((resolve) => {
      reached = resolve
    })
    let goOn: (() => void) | undefined
    const server = await serve({}, (app) => {
      app.get('/long', async (req, res) => {
        reached?.()
        await new Promise<void>((resolve) => {
          goOn = resolve
        })
        await sessionOf(req).reload()
        res.json(sessionOf(req).other)
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const long = visitor.copy().get(`${server.url}/long`)
    await waiting
    await visitor.post(server.url, { other: 'saved' })
    goOn?.()
    expect((await long).json()).toBe('saved')
  })

  it('3.2.14: of a session that is gone is an error, and the request keeps what it had', async () => {
    const server = await serve({}, (app, sessions) => {
      app.get('/gone', async (req, res) => {
        const session = sessionOf(req)
        const { a } = session
        await sessions.destroy(session.id)
        session.reload((error) => {
          const { message, code } = error as HoldfastError
          res.json([message, code, a, sessionOf(req) === session])
        })
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const [message, ...rest] = (await visitor.get(`${server.url}/gone`)).json<unknown[]>()
    expect(message).toContain('failed to load session')
    expect(rest).toEqual(['HOLDFAST_SESSION_GONE', 1, true])
  })

  it('3.2.14: may be nested', async () => {
    const server = await serve({}, (app) => {
      app.get('/nested', (req, res) => {
        let left = 1000
        const again = (error?: unknown): void => {
          if (error !== undefined || left-- === 0) res.json(error ?? sessionOf(req).a)
          else sessionOf(req).reload(again)
        }
        again()
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    expect((await visitor.get(`${server.url}/nested`)).json()).toBe(1)
  })
})

describe('a storage node that goes away', () => {
  it('3.2.19: takes no session off any request: they go on from memory', async () => {
    const memcached = await startMemcached()
    const nodes = `n1:${memcached.host}:${memcached.port}`
    const server = await serve({ nodes, probeInterval: '100ms' })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    await memcached.close()
    await visitor.post(server.url, { b: 2 })
    await waitFor(() => server.sessions.stats().nodes[0]?.state === 'down')
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1, b: 2 } })
    const other = new Visitor()
    await other.post(server.url, { c: 3 })
    expect((await other.get(server.url)).json()).toMatchObject({ attributes: { c: 3 } })
  })
})
