import type { IncomingHttpHeaders } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions, type Handler, HttpFixture } from './http-server.js'

const https = { 'x-forwarded-proto': 'https' }

let fixture: HttpFixture
afterEach(() => fixture.close())

function start(options: Partial<HoldfastOptions>, handler: Handler): Promise<string> {
  fixture = new HttpFixture({ proxy: true, ...options })
  return fixture.serve(handler)
}

/** Puts something into the session, at each request something else. */
const change: Handler = (req, res) => {
  req.session.count = Number(req.session.count ?? 0) + 1
  res.end(String(req.session.count))
}

function cookiesOf(headers: IncomingHttpHeaders): string[] {
  return headers['set-cookie'] ?? []
}

/** The attributes of the only cookie. */
function attributesOf({ headers }: { headers: IncomingHttpHeaders }): string[] {
  const cookies = cookiesOf(headers)
  expect(cookies).toHaveLength(1)
  return (cookies[0] as string).split('; ').slice(1)
}

describe('the attribute sameSite of the cookie', () => {
  it.each([
    ['auto', 'https', ['Secure', 'SameSite=None']],
    ['auto', 'http', ['SameSite=Lax']],
    [true, 'https', ['Secure', 'SameSite=None']],
    [false, 'https', ['SameSite=Lax']],
    [false, 'http', ['SameSite=Lax']],
  ] as const)('is as the connection wants it when it is "auto": secure %s, %s', async (secure, protocol, expected) => {
    const url = await start({ cookie: { secure, sameSite: 'auto' } }, change)
    const answer = await new Visitor().get(url, { 'x-forwarded-proto': protocol })
    expect(attributesOf(answer)).toEqual(['Path=/', 'HttpOnly', ...expected])
    expect(fixture.warnings).toEqual([])
  })

  it('may be "auto" for one session alone', async () => {
    const url = await start({}, (req, res) => {
      req.session.cookie.sameSite = 'auto'
      change(req, res)
    })
    const visitor = new Visitor()
    expect(attributesOf(await visitor.get(url, https))).toContain('SameSite=None')
    expect(fixture.states[0]?.cookie).toBe('{"sameSite":"auto"}')
  })
})

describe('cookie settings of one session', () => {
  it('stay its own when a request comes for which the configuration says the same', async () => {
    const url = await start({ cookie: { sameSite: 'auto' } }, (req, res) => {
      if (req.url === '/lax') Object.assign(req.session.cookie, { sameSite: 'lax' })
      req.session.cookie.sameSite
      change(req, res)
    })
    const visitor = new Visitor()
    expect(attributesOf(await visitor.get(`${url}/lax`, https))).toContain('SameSite=Lax')
    expect((await visitor.get(url)).cookie).toBeUndefined()
    expect(fixture.states[0]?.cookie).toBe('{"sameSite":"lax"}')
  })

  it('are sent when they change, also alone and with a life of their own (maxAge)', async () => {
    const url = await start({}, (req, res) => {
      if (req.url === '/long') req.session.cookie.maxAge = 86_400_000
      if (req.url === '/date') req.session.cookie.expires = new Date(Date.now() + 3_600_000)
      if (req.url === '/short') req.session.cookie.maxAge = null
      if (req.url === '/begin') req.session.a = 1
      res.end(String(req.session.cookie.originalMaxAge))
    })
    const visitor = new Visitor()
    const lives: unknown[] = []
    for (const path of ['/begin', '/long', '/look', '/date', '/short']) {
      const answer = await visitor.get(url + path)
      const expires = cookiesOf(answer.headers).map((cookie) => /Expires=([^;]+)/.exec(cookie)?.[1])
      if (expires.length === 0) lives.push(-1)
      else lives.push(expires[0] && Math.round((Date.parse(expires[0]) - Date.now()) / 60_000))
    }
    expect(lives).toEqual([undefined, 1440, -1, 60, undefined])
  })
})

describe('the life of the cookie in the browser', () => {
  it('begins anew with each change of the session, and with nothing else', async () => {
    const url = await start({ cookie: { maxAge: '1h' } }, (req, res) => {
      if (req.url === '/change') return change(req, res)
      return res.end(String(req.session.count))
    })
    const visitor = new Visitor()
    const sent: boolean[] = []
    for (const path of ['/change', '/read', '/change', '/read']) {
      sent.push((await visitor.get(url + path)).cookie !== undefined)
    }
    expect(sent).toEqual([true, false, true, false])
  })

  it('begins anew with each response when it is rolling', async () => {
    const url = await start({ rolling: true, cookie: { maxAge: '1h' } }, (req, res) => {
      if (req.url === '/change') return change(req, res)
      return res.end()
    })
    const visitor = new Visitor()
    expect((await visitor.get(url)).cookie).toBeUndefined()
    for (const path of ['/change', '/', '/']) {
      expect(attributesOf(await visitor.get(url + path))[1]).toMatch(/^Max-Age=[1-9]/)
    }
  })

  it('does not matter without an age: the cookie is sent once', async () => {
    const url = await start({}, change)
    const visitor = new Visitor()
    expect((await visitor.get(url)).cookie).toBeDefined()
    expect((await visitor.get(url)).cookie).toBeUndefined()
  })
})

describe('cookie options as a function of the request', () => {
  it('decide for each request', async () => {
    const url = await start(
      {
        cookie: (req) => ({
          path: req.url?.startsWith('/admin') ? '/admin' : '/',
          domain: 'example.org',
          maxAge: '1h',
          partitioned: true,
          priority: 'high',
          sameSite: 'none',
        }),
      },
      change,
    )
    const attributes = attributesOf(await new Visitor().get(`${url}/admin/x`, https))
    expect(attributes.filter((attribute) => !/^(?:Expires|Max-Age)=/.test(attribute))).toEqual(
      'Path=/admin; Domain=example.org; HttpOnly; Secure; Partitioned; Priority=High; SameSite=None'.split('; '),
    )
    expect(attributesOf(await new Visitor().get(`${url}/elsewhere`, https))).toContain('Path=/')
  })

  it('decide which requests have sessions by the path, and are not asked for ignored ones', async () => {
    const asked: (string | undefined)[] = []
    const url = await start(
      {
        ignore: /\.png$/,
        cookie: (req) => {
          asked.push(req.url)
          return { path: '/app' }
        },
      },
      (req, res) => res.end(typeof req.session),
    )
    const visitor = new Visitor()
    const bodies: string[] = []
    for (const path of ['/app', '/application', '/app/x.png', '/']) bodies.push((await visitor.get(url + path)).body)
    expect(bodies).toEqual(['object', 'undefined', 'undefined', 'undefined'])
    expect(asked).toEqual(['/app', '/application', '/'])
  })

  it.each([
    ['throws', () => thrown('no tenant'), /no tenant/],
    ['gives nothing', () => undefined, /object of cookie options/],
    ['gives a promise', () => Promise.resolve({}), /not a promise/],
    ['gives a rejected promise', () => Promise.reject(new Error('late')), /not a promise/],
    ['gives a wrong value', () => ({ sameSite: 'Lax' }), /cookie\.sameSite/],
    ['gives a key that does not exist', () => ({ maxage: 1 }), /cookie\.maxage/],
  ])('are the defaults when it %s, which is reported once', async (_what, cookie, message) => {
    const url = await start({ cookie: cookie as never }, change)
    for (let i = 0; i < 3; i++)
      expect(attributesOf(await new Visitor().get(url))).toEqual(['Path=/', 'HttpOnly', 'SameSite=Lax'])
    expect(fixture.errors).toEqual([expect.stringMatching(message)])
  })

  it('can be given and taken back while running', async () => {
    const url = await start({ cookie: { path: '/app' } }, change)
    fixture.sessions.reconfigure({ cookie: () => ({ sameSite: 'strict' }) })
    expect(attributesOf(await new Visitor().get(url))).toEqual(['Path=/', 'HttpOnly', 'SameSite=Strict'])
    expect(fixture.sessions.settings().cookie).toMatch(/^a function/)
    fixture.sessions.reconfigure({ cookie: { httpOnly: false } })
    expect(attributesOf(await new Visitor().get(url))).toEqual(['Path=/', 'SameSite=Lax'])
    expect(fixture.sessions.settings()).not.toHaveProperty('cookie')
  })
})

function thrown(message: string): never {
  throw new Error(message)
}

describe('a cookie that browsers would drop', () => {
  it.each<[string, Partial<HoldfastOptions>, Record<string, unknown>, Record<string, string>, RegExp]>([
    ['__Host- on a plain connection', { name: '__Host-sid' }, {}, {}, /__Host-.*not secure.*trust proxy/],
    ['__Secure- on a plain connection', { name: '__Secure-sid' }, {}, {}, /__Secure-.*not secure/],
    ['__Http- on a plain connection', { name: '__Http-sid' }, {}, {}, /__Http-.*not secure/],
    ['__Http- open to scripts', { name: '__Http-sid' }, { httpOnly: false }, https, /__Http-.*not httpOnly/],
    ['__Host-Http- open to scripts', { name: '__host-http-sid' }, { httpOnly: false }, https, /not httpOnly/],
    ['__Host-Http- with a path of the session', { name: '__Host-Http-sid' }, { path: '/app' }, https, /another path/],
    ['an end that is no date', {}, { expires: new Date(Number.NaN) }, {}, /end is no date/],
    ['__Host- with a path of the session', { name: '__Host-sid' }, { path: '/app' }, https, /another path/],
    ['__Host- with a domain of the session', { name: '__host-sid' }, { domain: 'example.org' }, https, /domain/],
    ['__Host- with secure off in the session', { name: '__Host-sid' }, { secure: false }, https, /not secure/],
    ['__Host- with a path of a function', { name: '__Host-sid', cookie: () => ({ path: '/app' }) }, {}, https, /path/],
    [
      '__Secure-, insecure by a function',
      { name: '__Secure-sid', cookie: () => ({ secure: false }) },
      {},
      https,
      /secure/,
    ],
    ['sameSite none on a plain connection', { cookie: { sameSite: 'none' } }, {}, {}, /sameSite "none"/],
    ['partitioned on a plain connection', { cookie: { partitioned: true } }, {}, {}, /partitioned/],
    ['secure on a plain connection', { cookie: { secure: true } }, {}, {}, /is secure and the connection is not/],
    ['a path that would add attributes', {}, { path: '/; Domain=evil.example' }, {}, /path/],
    ['a path that would add headers', {}, { path: '/\r\nX: y' }, {}, /path/],
    ['a path that is none', {}, { path: 7 }, {}, /path/],
    ['a domain that is none', {}, { domain: 'a; b' }, {}, /domain/],
    ['an unknown sameSite', {}, { sameSite: 'lax; x' }, {}, /sameSite/],
    ['an unknown priority', {}, { priority: 'high; x' }, {}, /priority/],
    ['more than 4096 bytes', {}, { path: `/${'a'.repeat(4096)}` }, {}, /4096/],
  ])('is not sent, and one warning says why: %s', async (_what, options, settings, headers, message) => {
    const url = await start(options, (req, res) => {
      Object.assign(req.session.cookie, settings)
      change(req, res)
    })
    const path = _what.includes('function') && message.source === 'path' ? '/app' : '/'
    for (let i = 0; i < 3; i++) {
      const answer = await new Visitor().get(url + path, headers)
      expect([answer.body, answer.headers['set-cookie'], answer.headers['cache-control']]).toEqual([
        '1',
        undefined,
        undefined,
      ])
    }
    expect(fixture.warnings).toEqual([expect.stringMatching(message)])
  })

  it.each<[Partial<HoldfastOptions>, string]>([
    [{ name: '__Host-sid' }, 'Path=/; HttpOnly; Secure; SameSite=Lax'],
    [
      { name: '__Secure-sid', cookie: { path: '/', domain: 'example.org' } },
      'Path=/; Domain=example.org; HttpOnly; Secure; SameSite=Lax',
    ],
    [{ cookie: { partitioned: true } }, 'Path=/; HttpOnly; Secure; Partitioned; SameSite=Lax'],
  ])('has a brother that fits and is sent: %j', async (options, expected) => {
    const url = await start(options, change)
    const visitor = new Visitor(options.name)
    expect(attributesOf(await visitor.get(url, https)).join('; ')).toBe(expected)
    expect((await visitor.get(url, https)).body).toBe('2')
    expect(fixture.warnings).toEqual([])
  })

  it('may have its words in any case, and null for what it does not have', async () => {
    const url = await start({}, (req, res) => {
      Object.assign(req.session.cookie, { sameSite: 'Strict', priority: 'Low', domain: null })
      change(req, res)
    })
    expect(attributesOf(await new Visitor().get(url))).toEqual([
      'Path=/',
      'HttpOnly',
      'Priority=Low',
      'SameSite=Strict',
    ])
  })
})

describe('a response that sets the session cookie', () => {
  it('is kept out of caches, and others are not', async () => {
    const url = await start({}, change)
    const visitor = new Visitor()
    expect((await visitor.get(url)).headers['cache-control']).toBe('no-store')
    expect((await visitor.get(url)).headers).not.toHaveProperty('cache-control')
  })

  it.each<[string, Handler]>([
    ['set', (_req, res) => res.setHeader('cache-control', 'private').end()],
    ['given with the head', (_req, res) => res.writeHead(200, { 'CACHE-CONTROL': 'private' }).end()],
    ['given with the head as a list', (_req, res) => res.writeHead(200, ['Cache-Control', 'private']).end()],
    ['given with the head as pairs', (_req, res) => res.writeHead(200, [['Cache-Control', 'private']] as never).end()],
  ])('keeps the header that the application has %s', async (_how, respond) => {
    const url = await start({}, (req, res) => {
      req.session.a = 1
      respond(req, res)
    })
    const answer = await new Visitor().get(url)
    expect([answer.headers['cache-control'], cookiesOf(answer.headers).length]).toEqual(['private', 1])
  })

  it('has no such header when that is switched off', async () => {
    const url = await start({ cacheControl: false }, change)
    const { headers } = await new Visitor().get(url)
    expect([cookiesOf(headers).length, headers['cache-control']]).toEqual([1, undefined])
  })
})

describe('destroying a session', () => {
  const actions: Handler = async (req, res) => {
    if (req.url === '/destroy') await req.session.destroy()
    if (req.url === '/unset') Object.assign(req, { session: null })
    if (req.url === '/regenerate') await req.session.regenerate()
    if (req.url === '/login') await req.session.regenerate()
    if (req.url === '/login' || req.url === '/begin') req.session.user = 'ann'
    if (req.url === '/streamed') {
      res.write('so far ')
      await req.session.destroy()
    }
    if (req.url === '/own') {
      await req.session.destroy()
      res.setHeader('Set-Cookie', 'sid=; Max-Age=0')
    }
    res.end('done')
  }
  const cleared =
    'sid=; Path=/app; Domain=example.org; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; SameSite=None'

  async function cookiesAfter(path: string, options: Partial<HoldfastOptions> = {}): Promise<string[]> {
    const cookie = { path: '/', domain: 'example.org', sameSite: 'auto' } as const
    const url = await start({ clearCookie: true, unset: 'destroy', cookie, ...options }, (req, res) => {
      if (req.url === '/begin') req.session.cookie.path = '/app'
      return actions(req, res)
    })
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`, https)
    return cookiesOf((await visitor.get(url + path, https)).headers)
  }

  it.each(['/destroy', '/unset'])('clears the cookie when that is configured: %s', async (path) => {
    expect(await cookiesAfter(path)).toEqual([cleared])
  })

  it.each(['/login', '/regenerate'])('clears it not when another session takes its place: %s', async (path) => {
    const cookies = await cookiesAfter(path)
    expect(cookies).toEqual([expect.stringMatching(/^sid=[^;]{20}/)])
  })

  it('clears it not when the application does', async () => {
    expect(await cookiesAfter('/own')).toEqual(['sid=; Max-Age=0'])
  })

  it('can clear nothing when the head has gone', async () => {
    expect(await cookiesAfter('/streamed')).toEqual([])
  })

  it('leaves the cookie alone by default, and when only this request forgets its session', async () => {
    expect(await cookiesAfter('/destroy', { clearCookie: false })).toEqual([])
    await fixture.close()
    expect(await cookiesAfter('/unset', { unset: 'keep' })).toEqual([])
  })

  it('clears nothing of a visitor who has no cookie', async () => {
    const url = await start({ clearCookie: true }, actions)
    expect(cookiesOf((await new Visitor().get(`${url}/destroy`)).headers)).toEqual([])
    expect(cookiesOf((await new Visitor().get(`${url}/nothing`)).headers)).toEqual([])
  })
})

describe('several cookies of our name', () => {
  it.each([
    ['planted ones before it', (id: string) => `sid=planted; sid=also.planted; sid=${id}`],
    ['one of another path after it', (id: string) => `sid=${id}; sid=planted`],
    ['one without value, in quotes, with spaces', (id: string) => `sid=;  sid="${id}"`],
    ['itself twice', (id: string) => `sid=${id}; sid=${id}`],
    ['names that contain ours', (id: string) => `xsid=a; sid2=b; sid.x=c; sid=planted; sid=${id}`],
  ])('lead to the session of the valid one: %s', async (_what, header) => {
    const url = await start({}, change)
    const visitor = new Visitor()
    await visitor.get(url)
    const answer = await new Visitor().get(url, { cookie: header(visitor.id as string) })
    expect([answer.body, answer.cookie]).toEqual(['2', undefined])
  })

  it('lead to a new session when none is valid, and never to the id that was sent', async () => {
    const url = await start({}, change)
    const { body, cookie } = await new Visitor().get(url, { cookie: 'sid=planted; sid=also.planted' })
    expect([body, cookie?.includes('planted')]).toEqual(['1', false])
  })
})

describe.each(['sticky', 'non-sticky'] as const)('several cookies that lead to sessions, %s', (mode) => {
  const actions: Handler = async (req, res) => {
    if (req.url === '/begin') req.session.user = 'ann'
    const user = String(req.session.user)
    if (req.url === '/destroy') await req.session.destroy()
    if (req.url === '/regenerate') await req.session.regenerate()
    if (req.url === '/unset') Object.assign(req, { session: null })
    res.end(user)
  }

  it.each(['/destroy', '/regenerate', '/unset'])('are all logged out by %s', async (path) => {
    const url = await start({ mode, unset: 'destroy' }, actions)
    const ids: string[] = []
    for (let i = 0; i < 3; i++) {
      const visitor = new Visitor()
      await visitor.get(`${url}/begin`)
      ids.push(`sid=${visitor.id}`)
    }
    const other = new Visitor()
    await other.get(`${url}/begin`)
    const cookie = [...ids, ids[0]].join('; ')
    expect((await new Visitor().get(url + path, { cookie })).body).toBe('ann')
    for (const id of ids) expect((await new Visitor().get(url, { cookie: id })).body).toBe('undefined')
    expect((await other.get(url)).body).toBe('ann')
  })
})

describe.each(expressVersions)('the path of the cookie in a mounted application, %s', (_name, express) => {
  it('counts from the root, not from where the application stands', async () => {
    fixture = new HttpFixture({ cookie: { path: '/shop/admin' } })
    const inner = express()
    inner.use(fixture.sessions.middleware() as never)
    inner.use((req, res) => void res.send(typeof (req as { session?: unknown }).session))
    const app = express()
    app.use('/shop', inner)
    const url = await fixture.serveApp(app)
    const bodies: string[] = []
    for (const path of ['/shop/admin', '/shop/admin/x?y', '/shop/administrator', '/shop/shop/admin', '/shop/']) {
      bodies.push((await new Visitor().get(url + path)).body)
    }
    expect(bodies).toEqual(['object', 'object', 'undefined', 'undefined', 'undefined'])
  })
})

describe('planted cookies of our name', () => {
  it('lock the visitor out in no number, when they were never issued', async () => {
    const url = await start({}, change)
    const own = cookiesOf((await new Visitor().get(url)).headers)[0]?.split(';')[0]
    const planted = Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? `sid=${i}` : `sid=${'A'.repeat(48)}-n${i}.a`))
    const answer = await fetch(url, { headers: { cookie: [...planted, own].join('; ') } })
    expect(await answer.text()).toBe('2')
  })
})

describe('a response that caches may keep for everybody', () => {
  it.each(['public, max-age=60', 'max-age=60,immutable', 'Public'])(
    'gets a new cookie with one warning: %s',
    async (value) => {
      const url = await start({}, (req, res) => {
        res.setHeader('Cache-Control', value)
        change(req, res)
      })
      for (let i = 0; i < 2; i++) expect(cookiesOf((await new Visitor().get(url)).headers)).toHaveLength(1)
      expect(fixture.warnings).toEqual([expect.stringMatching(/caches may keep/)])
    },
  )

  it.each([
    ['an object', (value: string) => ({ 'cache-control': value })],
    ['a list', (value: string) => ['Cache-Control', value] as never],
  ])('gets one also where writeHead says so, in %s', async (_how, headers) => {
    const url = await start({}, (req, res) => {
      req.session.a = 1
      res.writeHead(200, headers('public, max-age=60')).end()
    })
    const { headers: got } = await new Visitor().get(url)
    expect([cookiesOf(got).length, got['cache-control']]).toEqual([1, 'public, max-age=60'])
    expect(fixture.warnings).toEqual([expect.stringMatching(/caches may keep/)])
  })

  it('gets no renewal of a cookie', async () => {
    let value = 'no-cache'
    const url = await start({ rolling: true, cookie: { maxAge: '1h' } }, (req, res) => {
      res.setHeader('Cache-Control', value)
      change(req, res)
    })
    const visitor = new Visitor()
    await visitor.get(url)
    expect(cookiesOf((await visitor.get(url)).headers)).toHaveLength(1)
    value = 'public, immutable'
    expect(cookiesOf((await visitor.get(url)).headers)).toEqual([])
    expect(fixture.warnings).toEqual([])
  })
})
