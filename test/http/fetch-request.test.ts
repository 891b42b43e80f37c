import { H3 } from 'h3'
import { Hono } from 'hono'
import { afterEach, describe, expect, it } from 'vitest'
import type { RequestSession } from '../../src/http/fetch-request.js'
import { HttpFixture, storing, storingModes } from './http-server.js'

type Attributes = RequestSession & {
  session: { user?: string; n?: number; regenerate(): Promise<void>; destroy(): Promise<void> }
}
type Application = (request: Request) => Response | Promise<Response>

let fixture: HttpFixture

afterEach(() => fixture.close())

/** The same application for each framework: what it answers, with the session that it was given. */
async function answer(path: string, scope: Attributes): Promise<Response> {
  if (path === '/in') scope.session.user = 'ann'
  if (path === '/count') scope.session.n = (scope.session.n ?? 0) + 1
  if (path === '/login') {
    await scope.session.regenerate()
    scope.session.user = 'bob'
  }
  if (path === '/out') await scope.session.destroy()
  if (path === '/shared') return new Response('shared', { headers: { 'cache-control': 'public' } })
  return Response.json({ user: scope.session?.user, n: scope.session?.n })
}

const forRequest = (request: Request) => fixture.sessions.forRequest(request) as Promise<Attributes>

async function plain(request: Request): Promise<Response> {
  const scope = await forRequest(request)
  const response = await answer(new URL(request.url).pathname, scope)
  await scope.commit(response.headers)
  return response
}

function hono(): Application {
  const app = new Hono<{ Variables: { scope: Attributes } }>()
  app.use(async (c, next) => {
    c.set('scope', await forRequest(c.req.raw))
    await next()
    await c.get('scope').commit(c.res.headers)
  })
  app.all('*', (c) => answer(c.req.path, c.get('scope')))
  return (request) => app.fetch(request)
}

function h3(): Application {
  const app = new H3()
  app.use(async (event, next) => {
    const scope = await forRequest(event.req)
    event.context.scope = scope
    const response = (await next()) as Response
    await scope.commit(response.headers)
    return response
  })
  app.all('/**', (event) => answer(event.url.pathname, event.context.scope as Attributes))
  return (request) => app.fetch(request)
}

const frameworks: [string, () => Application][] = [
  ['Request and Response', () => plain],
  ['Hono', hono],
  ['h3', h3],
]

/** A browser that keeps one cookie. */
class Browser {
  cookie: string | undefined
  private readonly app: Application

  constructor(app: Application, cookie?: string) {
    this.app = app
    this.cookie = cookie
  }

  copy(): Browser {
    return new Browser(this.app, this.cookie)
  }

  async get(path: string, origin = 'http://app.example'): Promise<Response> {
    const headers: Record<string, string> = this.cookie === undefined ? {} : { cookie: `other=1; ${this.cookie}` }
    const response = await this.app(new Request(origin + path, { headers }))
    const [sent] = response.headers.getSetCookie()
    if (sent !== undefined) this.cookie = sent.split(';')[0]
    return response
  }

  async content(path: string): Promise<unknown> {
    return (await this.get(path)).json()
  }
}

describe.each(frameworks)('a session with %s', (_name, make) => {
  describe.each(storingModes)('stored %s', (mode) => {
    it('is begun, used, replaced and ended', async () => {
      fixture = new HttpFixture(storing(mode))
      const browser = new Browser(make())
      expect((await browser.get('/')).headers.getSetCookie()).toEqual([])
      expect(await browser.content('/in')).toEqual({ user: 'ann' })
      expect(await browser.content('/count')).toEqual({ user: 'ann', n: 1 })
      expect((await browser.get('/')).headers.getSetCookie()).toEqual([])
      const old = browser.copy()
      expect(await browser.content('/login')).toEqual({ user: 'bob' })
      expect(browser.cookie).not.toBe(old.cookie)
      expect(await old.content('/')).toEqual({})
      expect(await browser.content('/')).toEqual({ user: 'bob' })
      await browser.get('/out')
      expect(await browser.content('/')).toEqual({})
      expect(fixture.activeRequests).toBe(0)
    })
  })

  it('has its cookie as the connection asks for, and out of caches', async () => {
    fixture = new HttpFixture()
    const browser = new Browser(make())
    const response = await browser.get('/in', 'https://app.example')
    expect(response.headers.getSetCookie()).toEqual([expect.stringMatching(/^sid=.*; Secure/)])
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect((await browser.get('/shared')).headers.get('cache-control')).toBe('public')
  })
})

describe('a Request', () => {
  it('without a session has none, and can be committed', async () => {
    fixture = new HttpFixture({ ignore: '/assets' })
    const scope = await forRequest(new Request('http://app.example/assets/logo.png'))
    expect(scope.session).toBeUndefined()
    const headers = new Headers()
    await scope.commit(headers)
    expect([...headers]).toEqual([])
  })

  it('whose change can not be stored at all rejects with the reason', async () => {
    fixture = new HttpFixture(storing('sync'))
    const scope = await forRequest(new Request('http://app.example/'))
    Object.assign(scope.session, { user: 'ann', broken: 1n })
    await expect(scope.commit(new Headers())).rejects.toMatchObject({ code: 'HOLDFAST_UNSTORABLE', status: 500 })
    expect(fixture.activeRequests).toBe(0)
  })

  it('whose session can not be had rejects with what there is to answer', async () => {
    fixture = new HttpFixture()
    await fixture.sessions.close()
    await expect(forRequest(new Request('http://app.example/'))).rejects.toMatchObject({ name: 'ShutDownError' })
  })
})
