import { describe, expect, it } from 'vitest'
import { sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { serve, writes } from './serve.js'

const hour = 3_600_000

/** When a Set-Cookie header lets the cookie expire, in milliseconds from now; `undefined`: with the browser. */
function ageIn(header: string | undefined): number | undefined {
  const expires = header?.match(/; Expires=([^;]+)/)?.[1]
  return expires === undefined ? undefined : Date.parse(expires) - Date.now()
}

describe('the cookie', () => {
  it('3.2.7: is sent when a session begins, and not again', async () => {
    const server = await serve()
    const visitor = new Visitor()
    expect((await visitor.post(server.url, { a: 1 })).cookie).toBeDefined()
    expect((await visitor.post(server.url, { a: 2 })).cookie).toBeUndefined()
    expect((await visitor.get(server.url)).cookie).toBeUndefined()
  })

  it('3.2.7: is sent with each response when it is rolling, with a new age', async () => {
    const server = await serve({ rolling: true, cookie: { maxAge: '1h' } })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    for (const path of ['/', '/untouched']) {
      const answer = await visitor.get(server.url + path)
      expect(answer.cookie).toBe(visitor.id)
      expect(ageIn(answer.headers['set-cookie']?.[0])).toBeGreaterThan(hour - 10_000)
    }
  })

  it('3.2.7: is sent again with a new age when it has one and the session was changed', async () => {
    const server = await serve({ cookie: { maxAge: '1h' } })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const answer = await visitor.post(server.url, { a: 2 })
    expect(answer.cookie).toBe(visitor.id)
    expect(ageIn(answer.headers['set-cookie']?.[0])).toBeGreaterThan(hour - 10_000)
    expect((await visitor.get(server.url)).cookie).toBeUndefined()
  })

  it('3.2.7: is not sent for a new session that nothing was put into, rolling or not', async () => {
    const server = await serve({ rolling: true })
    expect((await new Visitor().get(server.url)).cookie).toBeUndefined()
  })

  it('3.2.7: is not sent over an insecure connection when it is secure; the session is kept', async () => {
    let id: string | undefined
    const server = await serve({ cookie: { secure: true } }, (app) => {
      app.post('/login', (req, res) => {
        const session = sessionOf(req)
        session.user = 'ada'
        id = session.id
        res.send('ok')
      })
    })
    expect((await new Visitor().post(`${server.url}/login`, {})).headers['set-cookie']).toBeUndefined()
    expect(await writes(server)).toBe(1)
    expect(await server.sessions.get(id as string)).toMatchObject({ user: 'ada' })
  })

  const connections: [boolean | undefined, string | undefined, boolean, boolean][] = [
    [true, 'https', false, true],
    [true, 'https, http', false, true],
    [true, 'http, https', false, false],
    [true, undefined, false, false],
    [false, 'https', true, false],
    [undefined, 'https', true, true],
    [undefined, 'https', false, false],
  ]

  it.each(connections)(
    '3.2.8: with proxy %s and X-Forwarded-Proto %s, and "trust proxy" %s, counts the connection as secure: %s',
    async (proxy, header, trust, secure) => {
      const server = await serve({ proxy, cookie: { secure: 'auto' } }, (app) => app.set('trust proxy', trust))
      const headers: Record<string, string> = header === undefined ? {} : { 'x-forwarded-proto': header }
      const answer = await new Visitor().post(server.url, { a: 1 }, headers)
      expect(answer.headers['set-cookie']?.[0]?.includes('; Secure')).toBe(secure)
    },
  )
})

describe('the age of a session’s cookie', () => {
  it('3.2.9: begins anew with touch', async () => {
    const server = await serve({ cookie: { maxAge: '1h' } }, (app) => {
      app.post('/touch', (req, res) => {
        const { cookie } = sessionOf(req)
        cookie.expires = new Date(Date.now() + 5000)
        cookie.originalMaxAge = hour
        sessionOf(req).touch()
        res.json(cookie.maxAge)
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const left = (await visitor.post(`${server.url}/touch`, {})).json<number>()
    expect(left).toBeGreaterThan(hour - 10_000)
    expect(left).toBeLessThanOrEqual(hour)
  })

  it('3.2.9: is sent when it was changed, and is how long the session lives without use', async () => {
    const server = await serve({}, (app) => {
      app.post('/remember', (req, res) => {
        sessionOf(req).cookie.maxAge = hour
        res.json(sessionOf(req).cookie.originalMaxAge)
      })
      app.post('/end', (req, res) => {
        sessionOf(req).cookie.maxAge = 1
        res.send('ok')
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    const answer = await visitor.post(`${server.url}/remember`, {})
    expect(answer.json()).toBe(hour)
    expect(answer.cookie).toBe(visitor.id)
    expect(ageIn(answer.headers['set-cookie']?.[0])).toBeGreaterThan(hour - 10_000)
    await visitor.post(`${server.url}/end`, {})
    await expect.poll(async () => server.sessions.stats().activeSessions).toBe(0)
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: {} })
  })

  it.each([hour, new Date(Date.now() + hour), undefined, null])('3.2.18: may be %s', async (age) => {
    const server = await serve({ cookie: { maxAge: '2h' } }, (app) => {
      app.post('/age', (req, res) => {
        sessionOf(req).a = 1
        sessionOf(req).cookie.maxAge = age
        res.send('ok')
      })
    })
    const answer = await new Visitor().post(`${server.url}/age`, {})
    const sent = ageIn(answer.headers['set-cookie']?.[0])
    if (age == null) expect(sent).toBeUndefined()
    else expect(sent).toBeGreaterThan(hour - 10_000)
  })

  it.each(['soon', {}, true])('3.2.18: may not be %j, which throws where it is set', async (age) => {
    const server = await serve({}, (app) => {
      app.post('/age', (req, res) => {
        let thrown: unknown
        try {
          sessionOf(req).cookie.maxAge = age as never
        } catch (error) {
          thrown = error
        }
        res.json(thrown instanceof TypeError)
      })
    })
    expect((await new Visitor().post(`${server.url}/age`, {})).json()).toBe(true)
  })

  it('3.2.18: has no attribute that is called data', async () => {
    const server = await serve({}, (app) => {
      app.get('/data', (req, res) => {
        const refused = !Reflect.set(sessionOf(req).cookie, 'data', { path: '/forged' })
        res.json([refused, sessionOf(req).cookie.data.path])
      })
    })
    expect((await new Visitor().get(`${server.url}/data`)).json()).toEqual([true, '/'])
  })
})

describe('the Set-Cookie header', () => {
  it('3.2.10: keeps the cookies that the application has set', async () => {
    const server = await serve({}, (app) => {
      app.post('/own', (req, res) => {
        sessionOf(req).a = 1
        res.cookie('mine', '1')
        res.send('ok')
      })
    })
    const cookies = (await new Visitor().post(`${server.url}/own`, {})).headers['set-cookie'] ?? []
    expect(cookies.map((cookie) => cookie.split('=')[0])).toEqual(['mine', 'sid'])
  })

  const heads: [string, unknown][] = [
    ['an object', { 'Set-Cookie': ['a=1', 'b=2'] }],
    ['one text', { 'set-cookie': 'a=1' }],
    ['a list of names and values', ['Set-Cookie', ['a=1', 'b=2']]],
  ]
  it.each(heads)('3.2.10: keeps those that are given to writeHead as %s', async (_what, head) => {
    const server = await serve({}, (app) => {
      app.post('/head', (req, res) => {
        sessionOf(req).a = 1
        res.writeHead(200, head as Record<string, string>)
        res.end('ok')
      })
    })
    const cookies = (await new Visitor().post(`${server.url}/head`, {})).headers['set-cookie'] ?? []
    const names = cookies.map((cookie) => cookie.split('=')[0])
    expect(names.at(-1)).toBe('sid')
    expect(names[0]).toBe('a')
  })
})
