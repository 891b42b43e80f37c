import cookieParser from 'cookie-parser'
import { afterEach, describe, expect, it } from 'vitest'
import { sessionIdOf, sessionOf } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, type Setup, startTwoServers, sync, type TwoServers } from './two-servers.js'

const parsers = [
  { place: 'in front, without a secret', front: true, secret: undefined },
  { place: 'in front, with a secret', front: true, secret: 'of the cookie parser' },
  { place: 'behind, without a secret', front: false, secret: undefined },
  { place: 'behind, with a secret', front: false, secret: 'of the cookie parser' },
]

function addCounter(front: boolean, secret: string | undefined): Setup {
  return ({ app, sessions }) => {
    const handlers = [cookieParser(secret), sessions.middleware()]
    app.use(...((front ? handlers : handlers.reverse()) as [ReturnType<typeof cookieParser>]))
    app.post('/count', (req, res) => {
      const count = Number(sessionOf(req).count ?? 0) + 1
      sessionOf(req).count = count
      res.cookie('theme', 'dark', { signed: secret !== undefined })
      res.json({ count, id: sessionIdOf(req), cookies: { ...req.cookies }, signed: { ...req.signedCookies } })
    })
    return undefined
  }
}

interface Counted {
  count: number
  id: string
  cookies: Record<string, string>
  signed: Record<string, string>
}

describe.each(expressVersions)('cookie-parser under $version', ({ express }) => {
  let servers: TwoServers

  afterEach(() => servers.close())

  async function count(server: AppParts, visitor: Visitor, theme?: string) {
    const headers: Record<string, string> = theme === undefined ? {} : { cookie: `${theme}; sid=${visitor.id}` }
    const answer = await visitor.post(`${server.url}/count`, {}, headers)
    const cookies = answer.headers['set-cookie'] ?? []
    return { ...answer.json<Counted>(), theme: cookies.find((text) => text.startsWith('theme='))?.split(';')[0] }
  }

  it.each(parsers)('$place: the session goes its way and other cookies go theirs', async ({ front, secret }) => {
    servers = await startTwoServers(express, sync, addCounter(front, secret))
    const { a, b } = servers
    const visitor = new Visitor()
    const first = await count(a, visitor)
    expect(first).toMatchObject({ count: 1, id: visitor.id })
    const sent = visitor.id
    const second = await count(b, visitor, first.theme)
    expect(second).toMatchObject({ count: 2, id: visitor.id, cookies: { sid: sent } })
    expect(secret === undefined ? second.cookies : second.signed).toMatchObject({ theme: 'dark' })
    expect(visitor.route).toBe('b')
    expect(await count(a, visitor, second.theme)).toMatchObject({ count: 3 })
  })
})
