import { request } from 'node:http'
import { describe, expect, it } from 'vitest'
import { sessionOf } from '../support/app-server.js'
import { inTime } from '../support/in-time.js'
import { Visitor } from '../support/visitor.js'
import { serve, writes } from './serve.js'

interface Tree {
  [name: string]: unknown
}

describe('a session counts as modified', () => {
  const changes: [string, (session: Tree) => void, boolean][] = [
    ['another value', (s) => Object.assign(s, { a: 2 }), true],
    ['a new attribute', (s) => Object.assign(s, { b: 1 }), true],
    ['a removed attribute', (s) => Reflect.deleteProperty(s, 'a'), true],
    ['a change deep inside', (s) => (s.user as { tags: string[] }).tags.push('x'), true],
    ['a cookie that is nested', (s) => Object.assign(s.user as Tree, { cookie: 1 }), true],
    ['another order inside an attribute', (s) => Object.assign(s, { user: { tags: [], name: 'ada' } }), true],
    ['the same values again', (s) => Object.assign(s, { a: 1, user: { name: 'ada', tags: [] } }), false],
    ['an attribute that is undefined', (s) => Object.assign(s, { nothing: undefined }), false],
    ['an attribute that was set and removed', (s) => Reflect.deleteProperty(Object.assign(s, { b: 1 }), 'b'), false],
    ['reading', (s) => void JSON.stringify(s), false],
  ]

  it.each(changes)('3.2.4: after %s, or not', async (_what, change, modified) => {
    const server = await serve({}, (app) => {
      app.post('/change', (req, res) => {
        change(sessionOf(req))
        res.send('ok')
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1, user: { name: 'ada', tags: [] } })
    const before = await writes(server)
    await visitor.post(`${server.url}/change`, {})
    expect((await writes(server)) - before).toBe(modified ? 1 : 0)
  })

  it('3.2.4: also by the order of its attributes', async () => {
    const server = await serve({}, (app) => {
      app.post('/turn', (req, res) => {
        const session = sessionOf(req)
        const { a, b } = session
        Reflect.deleteProperty(session, 'a')
        Reflect.deleteProperty(session, 'b')
        Object.assign(session, { b, a })
        res.send('ok')
      })
    })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1, b: 2 })
    const before = await writes(server)
    await visitor.post(`${server.url}/turn`, {})
    expect((await writes(server)) - before).toBe(1)
  })
})

describe('the end of a response', () => {
  it('3.2.5: saves a new session that something was put into', async () => {
    const server = await serve()
    await new Visitor().post(server.url, { a: 1 })
    expect(await writes(server)).toBe(1)
  })

  it.each([
    [true, 1],
    [false, 0],
  ])('3.2.5: saves an empty new session as saveUninitialized says: %s', async (saveUninitialized, expected) => {
    const server = await serve({ saveUninitialized })
    const answer = await new Visitor().get(`${server.url}/untouched`)
    expect(await writes(server)).toBe(expected)
    expect(answer.cookie !== undefined).toBe(saveUninitialized)
  })

  it('3.2.5: saves nothing again that was saved before and not changed since', async () => {
    const server = await serve({}, (app) => {
      app.post('/save', async (req, res) => {
        sessionOf(req).a = 1
        await sessionOf(req).save()
        if (req.query.more !== undefined) sessionOf(req).more = req.query.more
        res.send('ok')
      })
    })
    await new Visitor().post(`${server.url}/save`, {})
    expect(await writes(server)).toBe(1)
    await new Visitor().post(`${server.url}/save?more=1`, {})
    expect(await writes(server)).toBe(3)
  })

  it('3.2.5: saves no unchanged session, whatever resave says', async () => {
    const server = await serve({ resave: true })
    const visitor = new Visitor()
    await visitor.post(server.url, { a: 1 })
    await visitor.get(server.url)
    expect(await writes(server)).toBe(1)
  })

  it('3.2.6: leaves nothing of a session that nothing was put into', async () => {
    const server = await serve()
    const visitor = new Visitor()
    const answer = await visitor.get(server.url)
    expect(answer.cookie).toBeUndefined()
    expect(server.sessions.stats().activeSessions).toBe(0)
    expect(await writes(server)).toBe(0)
  })

  it('3.2.6: counts as a use of a session that is not saved', async () => {
    await inTime(300, async (life, within) => {
      const server = await serve({ idleTimeout: life })
      const visitor = new Visitor()
      const started = performance.now()
      await visitor.post(server.url, { a: 1 })
      let used = started
      while (used - started < 2 * life) {
        const since = used
        used = performance.now()
        expect((await visitor.get(`${server.url}/untouched`)).status).toBe(200)
        within(life, since)
      }
      const answer = await visitor.get(server.url)
      within(life, used)
      expect(answer.json()).toMatchObject({ attributes: { a: 1 } })
    })
  })

  it('3.2.11: may come twice: the second does nothing, and a header after it is Node’s own error', async () => {
    let error: unknown
    const server = await serve({}, (app) => {
      app.post('/twice', (req, res) => {
        sessionOf(req).a = 1
        res.end('once')
        res.end()
        try {
          res.setHeader('x-late', '1')
        } catch (thrown) {
          error = thrown
        }
      })
    })
    const visitor = new Visitor()
    expect((await visitor.post(`${server.url}/twice`, {})).body).toBe('once')
    expect(error).toMatchObject({ code: 'ERR_HTTP_HEADERS_SENT' })
    expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1 } })
  })

  const responses: [string, (res: import('express').Response) => void, string][] = [
    ['end(null)', (res) => void res.end(null), ''],
    ['an empty body', (res) => void res.end(''), ''],
    [
      'several writes',
      (res) => {
        for (const part of ['a', 'b', 'c']) res.write(part)
        res.end('d')
      },
      'abcd',
    ],
    ['a Content-Length', (res) => void res.set('Content-Length', '5').end('hello'), 'hello'],
    [
      'a Content-Length in writeHead, and writes',
      (res) => {
        res.writeHead(200, { 'Content-Length': 5 })
        res.write('he')
        res.end('llo')
      },
      'hello',
    ],
  ]

  it.each(responses)('3.2.11: keeps the body whole, with %s', async (_what, respond, body) => {
    for (const mode of ['async', 'sync'] as const) {
      const server = await serve({ backup: { mode } }, (app) => {
        app.post('/body', (req, res) => {
          sessionOf(req).a = 1
          respond(res)
        })
      })
      const visitor = new Visitor()
      expect((await visitor.post(`${server.url}/body`, {})).body).toBe(body)
      expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { a: 1 } })
    }
  })

  it('3.2.11: has the change on this server before the visitor has the last byte', async () => {
    const server = await serve()
    const visitor = new Visitor()
    for (let i = 1; i <= 50; i++) {
      await visitor.post(server.url, { i })
      expect((await visitor.get(server.url)).json()).toMatchObject({ attributes: { i } })
    }
  })

  it('3.2.11: in sync mode comes after the storage’s answer', async () => {
    const server = await serve({ backup: { mode: 'sync', timeout: '5s' } })
    await new Visitor().post(server.url, { a: 1 })
    expect(server.sessions.stats().counters.backupsStored).toBe(1)
  })

  it('3.2.11: comes in one piece, so that nothing is sent in chunks that need not be', async () => {
    const server = await serve({}, (app) => {
      app.get('/short', (req, res) => {
        sessionOf(req).a = 1
        res.end('short')
      })
    })
    const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
      request(`${server.url}/short`, { agent: false }, (res) => {
        res.resume()
        resolve(res.headers)
      })
        .on('error', reject)
        .end()
    })
    expect(headers['content-length']).toBe('5')
  })
})
