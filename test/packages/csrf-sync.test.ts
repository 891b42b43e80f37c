import { csrfSync } from 'csrf-sync'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, sync, type TwoServers } from './two-servers.js'

function addForms({ app, sessions }: AppParts): undefined {
  const { csrfSynchronisedProtection, generateToken } = csrfSync()
  app.use(sessions.middleware(), csrfSynchronisedProtection)
  app.get('/form', (req, res) => void res.send(generateToken(req)))
  app.post('/form', (_req, res) => void res.send('accepted'))
  app.post('/login', (req, res, next) => {
    sessionOf(req).regenerate((error) => (error ? next(error) : res.send(generateToken(req))))
  })
}

describe.each(expressVersions)('csrf-sync under $version', ({ express }) => {
  let servers: TwoServers
  let a: string
  let b: string
  let visitor: Visitor

  beforeEach(async () => {
    servers = await startTwoServers(express, sync, addForms)
    a = servers.a.url
    b = servers.b.url
    visitor = new Visitor()
  })

  afterEach(() => servers.close())

  async function tokenFrom(server: string): Promise<string> {
    return (await visitor.get(`${server}/form`)).body
  }

  async function send(server: string, token?: string): Promise<number> {
    const headers: Record<string, string> = token === undefined ? {} : { 'x-csrf-token': token }
    return (await visitor.post(`${server}/form`, {}, headers)).status
  }

  it('a token that one server gave is good on the other', async () => {
    const token = await tokenFrom(a)
    expect(token).toMatch(/^[0-9a-f]{256}$/)
    expect(await send(b, token)).toBe(200)
    expect(visitor.route).toBe('b')
    expect(await tokenFrom(a)).toBe(token)
  })

  it('a request without the token, or with one of somebody else, is refused on both servers', async () => {
    await tokenFrom(a)
    const other = (await new Visitor().get(`${a}/form`)).body
    for (const server of [a, b]) {
      expect(await send(server)).toBe(403)
      expect(await send(server, other)).toBe(403)
    }
  })

  it('there is a new token after regenerate, and the old one is good nowhere', async () => {
    const old = await tokenFrom(a)
    const answer = await visitor.post(`${b}/login`, {}, { 'x-csrf-token': old })
    const token = answer.body
    expect(token).toMatch(/^[0-9a-f]{256}$/)
    expect(token).not.toBe(old)
    for (const server of [a, b]) {
      expect(await send(server, old)).toBe(403)
      expect(await send(server, token)).toBe(200)
    }
  })
})
