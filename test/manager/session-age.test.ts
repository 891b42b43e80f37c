import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'

describe('the age that an application gives to a session’s cookie', () => {
  let server: AppServer

  beforeEach(async () => {
    server = await startAppServer({ backup: { mode: 'sync' } } as never, (app) => {
      app.get('/age', (req, res) => {
        sessionOf(req).kept = true
        sessionOf(req).cookie.maxAge = Number(req.query.ms)
        res.end()
      })
    })
  })
  afterEach(async () => {
    await server.close()
  })

  async function attributesAfter(age: number): Promise<unknown> {
    const visitor = new Visitor()
    expect((await visitor.get(`${server.url}/age?ms=${age}`)).status).toBe(200)
    return (await visitor.get(`${server.url}/`)).json<{ attributes: unknown }>().attributes
  }

  it('keeps the session while it lasts', async () => {
    expect(await attributesAfter(60_000)).toEqual({ kept: true })
    expect(server.sessions.stats().counters.backupFailures).toBe(0)
  })

  it.each([0, -1, -1e9])('ends the session at once when it is %d, instead of never (promise 9)', async (age) => {
    expect(await attributesAfter(age)).toEqual({})
    expect(server.sessions.stats().counters.backupFailures).toBe(0)
  })

  it.each([1e13, 1e16, 60_000.5])('can be stored when it is %d', async (age) => {
    expect(await attributesAfter(age)).toEqual({ kept: true })
    expect((await server.sessions.flush({ timeout: 500 })).unsaved).toBe(0)
    expect(server.sessions.stats().counters.backupFailures).toBe(0)
  })
})
