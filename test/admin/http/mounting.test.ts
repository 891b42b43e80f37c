import { createHash } from 'node:crypto'
import http, { type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import { type AdminMount, createAdminRouter } from '../../../src/admin/admin-router.js'
import { adminSettings } from '../../../src/admin/admin-settings.js'
import type { AdminHandler, AdminHandlerOptions } from '../../../src/admin/http/admin-handler.js'
import type { Readiness } from '../../../src/admin/http/health.js'
import { expressVersions } from '../../http/http-server.js'
import { post, request, type SampleServer, sampleOptions, startSample } from '../sample.js'

const mbean = 'holdfast:type=Sample,name=main'
const write = { type: 'write', mbean, attribute: 'Mode', value: 'sync' }
const token = 'a-token-of-the-tests'
const auth = {
  users: [],
  tokens: [{ name: 'ci', role: 'viewer' as const, sha256: createHash('sha256').update(token).digest('hex') }],
}
const asViewer = { Authorization: `Bearer ${token}` }
const assets = new Map([
  ['/', { contentType: 'text/html; charset=utf-8', body: '<!doctype html>page' }],
  ['/app.js', { contentType: 'text/javascript', body: Buffer.from('1') }],
])

const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()))
})

async function listen(listener: RequestListener): Promise<string> {
  const server = http.createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  closing.push(() => new Promise((resolve) => server.close(resolve)))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function start(...args: Parameters<typeof startSample>): Promise<SampleServer> {
  const server = await startSample(...args)
  closing.push(() => server.close())
  return server
}

function router(mount: AdminMount = {}, settings: Parameters<typeof adminSettings>[0] = {}) {
  const options = { ...sampleOptions(), assets }
  const handler = createAdminRouter(adminSettings({ readOnly: false, ...settings }), options, mount)
  return { handler, ...options }
}

describe.each(expressVersions)('mounted in %s', (_, createApp) => {
  const mounted = (handler: AdminHandler, ...before: express.RequestHandler[]) => {
    const app = createApp()
    for (const middleware of before) app.use(middleware)
    app.use('/admin', handler)
    return listen(app)
  }

  it('serves the protocol below the mount point, with escapes intact', async () => {
    const { handler, sample } = router({ unprotected: true })
    const url = await mounted(handler)
    expect((await request(`${url}/admin/jolokia`)).json.value.protocol).toBe('8.2')
    expect((await request(`${url}/admin/jolokia/read/a%3Ab%3Dc!%2Fd!!/x`)).json.request.mbean).toBe('a:b=c/d!')
    expect((await request(`${url}/admin/jolokia/read/%zz`)).status).toBe(400)
    expect((await post(`${url}/admin/jolokia`, write)).json).toMatchObject({ value: 'async', status: 200 })
    expect(sample.mode).toBe('sync')
    expect((await request(`${url}/admin/unknown`)).body).toBe('there is nothing here\n')
  })

  it('works behind parsers of bodies, whether they took the body or not', async () => {
    const { handler } = router({ unprotected: true })
    const url = await mounted(handler, express.json())
    expect((await post(`${url}/admin/jolokia`, { type: 'version' })).json.status).toBe(200)
    expect((await post(`${url}/admin/jolokia`, [{ type: 'version' }])).json).toHaveLength(1)
    const untyped = await request(`${url}/admin/jolokia`, { method: 'POST', body: '{"type":"version"}' })
    expect(untyped.json.status).toBe(200)
    const nested = JSON.parse(`${'{"a":'.repeat(30)}1${'}'.repeat(30)}`)
    expect((await post(`${url}/admin/jolokia`, nested)).status).toBe(400)
  })

  it('leads to the page with a slash, so that its links work', async () => {
    const { handler } = router({ unprotected: true })
    const url = await mounted(handler)
    const bare = await request(`${url}/admin?x=1`)
    expect(bare).toMatchObject({ status: 302, headers: { location: './admin/' } })
    const page = await request(`${url}/admin/`)
    expect(page).toMatchObject({ status: 200, body: '<!doctype html>page' })
    expect(page.headers['content-security-policy']).toMatch(/script-src 'self'.*connect-src 'self'/)
    expect(page.headers).not.toHaveProperty('x-powered-by')
    expect((await request(`${url}/admin/app.js`)).headers['content-type']).toBe('text/javascript')
  })
})

describe('in an application', () => {
  it('needs credentials, or to be called unprotected', async () => {
    expect(() => router()).toThrow(/admin\.auth: expected credentials, or adminRouter\(\{ unprotected: true \}\)/)
    const url = await listen(router({}, { auth }).handler)
    expect((await request(`${url}/jolokia`)).status).toBe(401)
    expect((await request(`${url}/jolokia`, { headers: asViewer })).status).toBe(200)
  })

  it('asks the application who it is', async () => {
    const { handler, audit } = router({
      unprotected: true,
      identify: ({ headers }) =>
        headers['x-user'] === undefined ? undefined : { name: String(headers['x-user']), role: 'viewer', values: true },
    })
    const url = await listen(handler)
    expect((await request(`${url}/jolokia`)).json).toMatchObject({ status: 403 })
    const headers = { 'X-User': 'anna' }
    expect((await request(`${url}/jolokia/read/${mbean}/Values`, { headers })).json.value).toEqual({ cart: 'tea' })
    expect((await post(`${url}/jolokia`, write, headers)).json.status).toBe(403)
    expect(audit.entries().at(-1)).toMatchObject({ principal: 'anna', action: 'refused' })
  })

  it.each<[string, unknown]>([
    ['nothing', () => undefined],
    ['null', () => null],
    ['false', () => false],
    ['true', () => true],
    ['a text', () => 'operator'],
    ['an object without a role', () => ({ name: 'x' })],
    ['an unknown role', () => ({ name: 'x', role: 'admin' })],
    ['a list of roles', () => ({ name: 'x', role: ['operator'] })],
    ['a promise of nothing', async () => undefined],
    ['a promise of null', async () => null],
    ['a promise of false', async () => false],
    ['a promise of an unknown role', async () => ({ role: 'root' })],
    ['a promise in an object', () => ({ principal: Promise.resolve({ role: 'operator' }) })],
    [
      'an error',
      () => {
        throw new Error('no user')
      },
    ],
    [
      'a promise that fails',
      async () => {
        throw new Error('no user')
      },
    ],
    [
      'something thrown that is no error',
      () => {
        throw undefined
      },
    ],
    [
      'a role that can not be read',
      () => ({
        get role() {
          throw new Error('no role')
        },
      }),
    ],
    ['a promise that never settles', () => new Promise(() => {})],
  ])('lets nobody in when the application answers with %s', async (_, identify) => {
    const limits = { identifyTimeout: 50 }
    const { handler, sample, audit } = router({ unprotected: true, identify: identify as never }, { limits })
    const url = await listen(handler)
    for (const path of ['/jolokia', '/metrics', '/', `/jolokia/read/${mbean}/Mode`, '/unknown']) {
      expect((await request(url + path)).status).toBe(403)
    }
    expect((await post(`${url}/jolokia`, write)).status).toBe(403)
    expect(sample.mode).toBe('async')
    expect(audit.entries().every(({ action }) => action === 'refused')).toBe(true)
  })

  it('waits for an application that looks the user up, and takes no right that is not exactly true', async () => {
    const identify = async () => ({ name: 7, role: 'viewer', values: 'false' })
    const { handler, audit } = router({ unprotected: true, identify: identify as never })
    const url = await listen(handler)
    expect((await request(`${url}/jolokia/read/${mbean}/Mode`)).json.value).toBe('async')
    expect((await request(`${url}/jolokia/read/${mbean}/Values`)).json.status).toBe(403)
    expect((await post(`${url}/jolokia`, write)).json.status).toBe(403)
    expect(audit.entries().at(-1)).toMatchObject({ principal: 'application', action: 'refused' })
  })

  it('keeps the rules on methods, origins, hosts and read-only mode', async () => {
    const settings = { readOnly: true, allowedHosts: ['app.example.com'] }
    const url = await listen(router({ unprotected: true }, settings).handler)
    const Host = 'app.example.com'
    expect((await request(`${url}/jolokia`, { headers: { Host: 'other.example.com' } })).status).toBe(403)
    expect((await post(`${url}/jolokia`, write, { Host, Origin: 'https://evil.example' })).status).toBe(403)
    expect((await post(`${url}/jolokia`, write, { Host, Origin: 'https://app.example.com' })).json).toMatchObject({
      status: 403,
      error: expect.stringMatching(/read-only/),
    })
    expect((await request(`${url}/jolokia/exec/${mbean}/reset`, { headers: { Host } })).json.status).toBe(403)
  })

  it('knows loopback names and addresses without a list of hosts, and no name of another site', async () => {
    const { handler, sample } = router({ unprotected: true })
    const url = await listen(handler)
    const port = new URL(url).port
    for (const Host of ['localhost', `localhost:${port}`, '10.0.0.1:3000', '[::1]:1']) {
      expect((await request(`${url}/jolokia`, { headers: { Host } })).status).toBe(200)
    }
    for (const host of ['rebind.evil.com', `rebind.evil.com:${port}`, 'localhost.evil.com', '127.0.0.1.evil.com']) {
      const headers = { Host: host, Origin: `http://${host}`, 'Sec-Fetch-Site': 'same-origin' }
      expect((await post(`${url}/jolokia`, write, headers)).status).toBe(403)
      expect((await request(`${url}/jolokia`, { headers: { Host: host, Authorization: 'Bearer x' } })).status).toBe(403)
    }
    expect(sample.mode).toBe('async')
  })

  it('tells the bare health to those whom the application does not know, without asking it', async () => {
    let asked = 0
    const identify = async () => {
      asked++
      return undefined
    }
    const url = await listen(router({ unprotected: true, identify }).handler)
    expect(await request(`${url}/readyz`)).toMatchObject({ status: 200, body: 'ready\n' })
    expect(asked).toBe(0)
    expect((await request(`${url}/readyz`, { headers: { Cookie: 'sid=x' } })).status).toBe(403)
  })

  it('works below a path on plain node:http', async () => {
    const { handler } = router({ unprotected: true, basePath: '/ops/admin/' })
    const url = await listen(handler)
    expect((await request(`${url}/ops/admin/jolokia/version`)).json.status).toBe(200)
    expect((await request(`${url}/ops/admin`)).headers.location).toBe('./admin/')
    expect((await request(`${url}/ops/administrator`)).status).toBe(404)
    expect((await request(url, { path: 'http://127.0.0.1/ops/admin/jolokia' })).status).toBe(404)
  })
})

describe('health', () => {
  let state: Readiness = { state: 'ready' }
  const options: Partial<AdminHandlerOptions> = { readiness: () => state }

  it('tells everybody the bare state, and those who log in the detail', async () => {
    const server = await start({ auth }, options)
    for (const [next, status] of [
      ['starting', 503],
      ['ready', 200],
      ['draining', 503],
    ] as const) {
      state = { state: next, detail: { pending: 3 } }
      expect(await request(`${server.url}/readyz`)).toMatchObject({ status, body: `${next}\n` })
      expect(await request(`${server.url}/readyz`, { headers: asViewer })).toMatchObject({
        status,
        json: { status: next, detail: { pending: 3 } },
      })
    }
    expect(await request(`${server.url}/healthz`)).toMatchObject({ status: 200, body: 'alive\n' })
    expect((await request(`${server.url}/healthz`, { headers: asViewer })).json.uptimeSeconds).toBeGreaterThanOrEqual(0)
    expect((await request(`${server.url}/healthz`, { headers: { Authorization: 'Bearer nope' } })).status).toBe(401)
    expect((await request(`${server.url}/readyz`, { method: 'HEAD', headers: { Host: '10.0.0.1' } })).status).toBe(503)
  })

  it('is for those who log in when it is not public', async () => {
    const server = await start({ auth, health: { public: false, storage: true } }, options)
    expect((await request(`${server.url}/readyz`)).status).toBe(401)
    expect((await request(`${server.url}/healthz`, { headers: asViewer })).status).toBe(200)
  })
})

describe('metrics', () => {
  it('are what the hook renders, for viewers', async () => {
    const contentType = 'text/plain; version=0.0.4; charset=utf-8'
    const server = await start({ auth }, { metrics: { contentType, render: async () => 'sessions 1\n' } })
    expect((await request(`${server.url}/metrics`)).status).toBe(401)
    expect(await request(`${server.url}/metrics`, { headers: asViewer })).toMatchObject({
      status: 200,
      body: 'sessions 1\n',
      headers: { 'content-type': contentType },
    })
    expect((await post(`${server.url}/metrics`, {}, asViewer)).status).toBe(405)
  })

  it('that fail are a 500 without detail, and a line in the log', async () => {
    const render = async (): Promise<string> => {
      throw new Error('what went wrong inside')
    }
    const server = await start({}, { metrics: { contentType: 'text/plain', render } })
    const { status, body } = await request(`${server.url}/metrics`)
    expect(status).toBe(500)
    expect(body).not.toMatch(/inside|at /)
    expect(server.log).toContain('admin: what went wrong inside')
  })
})
