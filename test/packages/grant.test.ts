import http from 'node:http'
import type { AddressInfo } from 'node:net'
import grantModule from 'grant'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, type TwoServers } from './two-servers.js'

/* Its types speak of a default export, which a CommonJS module like this doesn't have. */
const grant = grantModule as unknown as typeof grantModule.default

/** The part of an OAuth provider that the application's server talks to: every code is good for a token. */
async function startProvider() {
  const server = http.createServer((req, res) => {
    req.resume()
    res.setHeader('content-type', 'application/json')
    res.end(JSON.stringify({ access_token: 'a token', token_type: 'bearer' }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function addConnections({ app, sessions }: AppParts, provider: string): undefined {
  app.use(sessions.middleware())
  app.get('/arity', (req, res) => void res.json(Object.getPrototypeOf(sessionOf(req)).save.length))
  app.use(
    grant.express({
      defaults: { origin: 'http://localhost', transport: 'session', state: true },
      loopback: {
        oauth: 2,
        authorize_url: `${provider}/authorize`,
        access_url: `${provider}/token`,
        key: 'key',
        secret: 'secret',
        callback: '/connected',
      },
    }),
  )
  app.get('/connected', (req, res) => void res.json(sessionOf(req).grant))
}

describe.each(expressVersions)('grant under $version', ({ express }) => {
  let provider: Awaited<ReturnType<typeof startProvider>>
  let servers: TwoServers
  let a: string
  let b: string
  let visitor: Visitor

  beforeEach(async () => {
    provider = await startProvider()
    servers = await startTwoServers(express, {}, (parts) => addConnections(parts, provider.url))
    a = servers.a.url
    b = servers.b.url
    visitor = new Visitor()
  })

  afterEach(async () => {
    await servers.close()
    provider.close()
  })

  async function connect(): Promise<string> {
    const answer = await visitor.get(`${a}/connect/loopback`)
    expect(answer.status).toBe(302)
    return new URL(answer.headers.location as string).searchParams.get('state') as string
  }

  it('sees that save takes a callback, so it saves before it redirects', async () => {
    expect((await visitor.get(`${a}/arity`)).json()).toBe(1)
    await connect()
    expect(servers.a.sessions.stats()).toMatchObject({ pendingBackups: 0, counters: { backupsStored: 1 } })
  })

  it('a visitor who is sent to the provider by one server is let in by the other', async () => {
    const state = await connect()
    const answer = await visitor.get(`${b}/connect/loopback/callback?code=1&state=${state}`)
    expect(answer.headers.location).toBe('/connected')
    expect(visitor.route).toBe('b')
    expect((await visitor.get(`${a}/connected`)).json()).toMatchObject({
      provider: 'loopback',
      state,
      response: { access_token: 'a token' },
    })
  })

  it('a state that the session does not know is refused on both servers', async () => {
    await connect()
    for (const server of [b, a]) {
      await visitor.get(`${server}/connect/loopback/callback?code=1&state=planted`)
      const { response } = (await visitor.get(`${server}/connected`)).json<{ response: object }>()
      expect(response).toEqual({ error: expect.anything() })
      await connect()
    }
  })
})
