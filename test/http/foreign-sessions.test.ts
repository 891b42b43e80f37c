import { afterEach, describe, expect, it } from 'vitest'
import { Visitor } from '../support/visitor.js'
import { type Handler, HttpFixture, type SessionRequest } from './http-server.js'

let fixture: HttpFixture

const serve = (handler: Handler, options = {}) => {
  fixture = new HttpFixture(options)
  return fixture.serve(handler)
}

afterEach(() => fixture.close())

describe('an object that an application has assigned to req.session', () => {
  const assign = (req: object, session: unknown) => Object.assign(req, { session })

  it('is stored nowhere, which a warning says, once, where the session was used before', async () => {
    const url = await serve((req, res) => {
      void req.session.user
      assign(req, { user: 'ann' })
      res.end()
    })
    const visitor = new Visitor()
    await visitor.get(url)
    await visitor.get(url)
    expect(visitor.id).toBeUndefined()
    expect(fixture.warnings).toEqual([expect.stringContaining('assign the properties of req.session')])
  })

  it.each([[null], [undefined]])(
    'is %s for a request without a session, of which nothing is to be said',
    async (none) => {
      const url = await serve((req, res) => {
        void req.session.user
        assign(req, none)
        res.end()
      })
      await new Visitor().get(url)
      expect(fixture.warnings).toEqual([])
    },
  )
})

describe('the middleware', () => {
  it.each([[null], [undefined]])('gives a session to a request that has %s in its place', async (none) => {
    fixture = new HttpFixture()
    const middleware = fixture.sessions.middleware()
    const req = { session: none, headers: {}, url: '/' } as unknown as SessionRequest
    await new Promise((next) => middleware(req, {} as never, next))
    expect(typeof req.session).toBe('object')
    expect(req.session).not.toBeNull()
  })
})

describe('req.sessionID', () => {
  it('follows the new session when the one that was destroyed is regenerated', async () => {
    let ids: unknown[] = []
    const url = await serve(async (req, res) => {
      const { session } = req
      session.a = 1
      const before = (req as { sessionID?: string }).sessionID
      await session.destroy()
      const ended = (req as { sessionID?: string }).sessionID
      await session.regenerate()
      ids = [ended === before, (req as { sessionID?: string }).sessionID === req.session.id, req.session.id === before]
      res.end()
    })
    await new Visitor().get(url)
    expect(ids).toEqual([true, true, false])
  })

  it('does so on a stand-in for a request, too', async () => {
    fixture = new HttpFixture()
    const middleware = fixture.sessions.middleware()
    const req = { headers: {}, url: '/' } as unknown as SessionRequest & { sessionID: string }
    await new Promise((next) => middleware(req, {} as never, next))
    const { session } = req
    await session.destroy()
    await session.regenerate()
    expect(req.sessionID).toBe(req.session.id)
  })
})
