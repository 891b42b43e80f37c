import { describe, expect, it } from 'vitest'
import { parseSettings } from '../../src/config/parse-settings.js'
import { ConfigError } from '../../src/errors.js'
import { secret, sessionIdOf, sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { serve } from './serve.js'

const methods = ['save', 'reload', 'destroy', 'regenerate', 'touch', 'resetMaxAge'] as const

describe('what is on a request', () => {
  it('3.1: is the session, and its id as req.sessionID', async () => {
    const server = await serve({}, (app) => {
      app.get('/ids', (req, res) => {
        sessionOf(req).seen = true
        res.json([sessionIdOf(req), sessionOf(req).id, 'sessionStore' in req])
      })
    })
    const visitor = new Visitor()
    const [sessionID, id, hasStore] = (await visitor.get(`${server.url}/ids`)).json<unknown[]>()
    expect([sessionID, id]).toEqual([visitor.id, visitor.id])
    expect(hasStore, 'a store on each request').toBe(false)
  })
})

describe('a session object', () => {
  it('3.1: has its methods on the prototype, not enumerable, with the arities that libraries look at', async () => {
    const server = await serve({}, (app) => {
      app.get('/methods', (req, res) => {
        const prototype = Object.getPrototypeOf(sessionOf(req))
        const facts = methods.map((name) => {
          const { value, enumerable } = Object.getOwnPropertyDescriptor(prototype, name) ?? {}
          return [name, value.length, enumerable, Object.hasOwn(sessionOf(req), name)]
        })
        res.json(facts)
      })
    })
    expect((await new Visitor().get(`${server.url}/methods`)).json()).toEqual([
      ['save', 1, false, false],
      ['reload', 1, false, false],
      ['destroy', 1, false, false],
      ['regenerate', 1, false, false],
      ['touch', 0, false, false],
      ['resetMaxAge', 0, false, false],
    ])
  })

  it('3.1: has an id and a request that are its own, not enumerable and read-only', async () => {
    const server = await serve({}, (app) => {
      app.get('/own', (req, res) => {
        const session = sessionOf(req)
        const own = ['id', 'req'].map((name) => {
          const { enumerable, writable } = Object.getOwnPropertyDescriptor(session, name) ?? {}
          return [Object.hasOwn(session, name), enumerable, writable]
        })
        const refused = ['id', 'req'].map((name) => !Reflect.set(session, name, 'other'))
        res.json({ own, refused, same: session.req === req })
      })
    })
    expect((await new Visitor().get(`${server.url}/own`)).json()).toEqual({
      own: [
        [true, false, false],
        [true, false, false],
      ],
      refused: [true, true],
      same: true,
    })
  })

  it.each(methods)('3.1: gives itself back from %s, with a callback where it takes one', async (name) => {
    const server = await serve({}, (app) => {
      app.get('/call', (req, res) => {
        const session = sessionOf(req)
        session.a = 1
        if (name === 'touch' || name === 'resetMaxAge') return void res.json(session[name]() === session)
        const result: unknown = session[name](() => res.json(result === session))
      })
    })
    expect((await new Visitor().get(`${server.url}/call`)).json()).toBe(true)
  })

  it.each(['save', 'reload', 'destroy', 'regenerate'] as const)('3.1: can do %s with a promise', async (name) => {
    const server = await serve({}, (app) => {
      app.get('/call', async (req, res) => {
        sessionOf(req).a = 1
        await sessionOf(req).save()
        const result = sessionOf(req)[name]()
        res.json([result instanceof Promise, (await result) ?? null])
      })
    })
    expect((await new Visitor().get(`${server.url}/call`)).json()).toEqual([true, null])
  })

  it('3.1: can be changed and saved after the response has ended', async () => {
    let saved: Promise<void> | undefined
    const server = await serve({}, (app) => {
      app.get('/late', (req, res) => {
        const session = sessionOf(req)
        session.early = 1
        saved = new Promise((resolve, reject) => {
          res.once('close', () => {
            session.late = 2
            session.save().then(resolve, reject)
          })
        })
        res.send('done')
      })
    })
    const visitor = new Visitor()
    await visitor.get(`${server.url}/late`)
    await saved
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { early: 1, late: 2 } })
  })

  it('3.1: can be got, changed, saved and destroyed outside of a request', async () => {
    const server = await serve()
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const session = (await server.sessions.get(visitor.id as string)) as unknown as ReturnType<typeof sessionOf>
    session.b = 2
    await session.save()
    session.touch()
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1, b: 2 } })
    await session.destroy()
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
  })
})

describe('the session’s cookie', () => {
  const cookie = {
    maxAge: 60_000,
    domain: 'example.com',
    secure: false,
    sameSite: 'strict',
    priority: 'high',
  } as const

  it('3.1: has the attributes of express-session’s, which its JSON shows', async () => {
    const server = await serve({ cookie }, (app) => {
      app.get('/cookie', (req, res) => void res.json(sessionOf(req).cookie))
    })
    const { expires, ...rest } = (await new Visitor().get(`${server.url}/cookie`)).json<Record<string, unknown>>()
    expect(rest).toEqual({
      originalMaxAge: 60_000,
      httpOnly: true,
      path: '/',
      domain: 'example.com',
      secure: false,
      sameSite: 'strict',
      partitioned: false,
      priority: 'high',
    })
    const left = Date.parse(expires as string) - Date.now()
    expect(left).toBeGreaterThan(30_000)
    expect(left).toBeLessThanOrEqual(60_000)
  })

  it('3.1: tells what is left of its age, and has the same in data', async () => {
    const server = await serve({ cookie }, (app) => {
      app.get('/cookie', (req, res) => {
        const { cookie } = sessionOf(req)
        res.json([cookie.maxAge, cookie.expires instanceof Date, cookie.data.originalMaxAge])
      })
    })
    const [left, isDate, original] = (await new Visitor().get(`${server.url}/cookie`)).json<[number, boolean, number]>()
    expect(left).toBeGreaterThan(30_000)
    expect(left).toBeLessThanOrEqual(60_000)
    expect([isDate, original]).toEqual([true, 60_000])
  })
})

describe('the options', () => {
  const refused: [string, Record<string, unknown>][] = [
    ['a genid that is no function', { genid: 'x' }],
    ['an unset that is neither keep nor destroy', { unset: 'forget' }],
    ['an empty list of secrets', { secret: [] }],
    ['no secret', { secret: undefined }],
  ]
  it.each(refused)('3.1: refuse %s when the manager is made', (_what, options) => {
    expect(() => parseSettings({ secret, ...options } as never)).toThrow(ConfigError)
  })

  it('3.1: may still contain express-session’s resave and store', async () => {
    const server = await serve({ resave: true, store: { on: () => {} } })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1 } })
  })

  it('3.1: give every application its own name for the cookie', async () => {
    const server = await serve({ name: 'connect.sid' })
    const visitor = new Visitor('connect.sid')
    expect((await visitor.post(server.url, { a: 1 })).cookie).toBeDefined()
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1 } })
  })
})
