import http, { type IncomingMessage } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sessionOf } from '../support/app-server.js'
import { attributesAt } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, type TwoServers } from './two-servers.js'

const times = 200

function addSteps({ app, sessions }: AppParts): undefined {
  const unfinished = new Map<string, () => void>()
  app.use(sessions.middleware())
  app.post('/steps/:number', (req, res) => {
    const { number } = req.params
    sessionOf(req)[`step${number}`] = Number(number)
    res.redirect(303, `/steps/${number}`)
  })
  /* The head goes at once, the end only when the next page was there. */
  app.post('/slow/:number', (req, res) => {
    const { number } = req.params
    sessionOf(req)[`step${number}`] = Number(number)
    unfinished.set(number, () => res.end())
    res.writeHead(303, { location: `/steps/${number}` })
    res.flushHeaders()
  })
  app.get('/steps/:number', (req, res) => {
    const { number } = req.params
    res.json({ found: sessionOf(req)[`step${number}`] ?? null })
    unfinished.get(number)?.()
  })
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...attributes } = sessionOf(req)
    res.json({ attributes })
  })
  return undefined
}

/** The head of the answer, as soon as it is there: a browser that is sent elsewhere does not read on. */
function postForHead(url: string, visitor: Visitor): Promise<IncomingMessage> {
  const headers: http.OutgoingHttpHeaders = visitor.id === undefined ? {} : { cookie: `sid=${visitor.id}` }
  return new Promise((resolve, reject) => {
    const req = http.request(url, { method: 'POST', headers, agent: false, timeout: 30_000 }, resolve)
    req.on('error', reject)
    req.end()
  })
}

async function follow(server: AppParts, path: string, visitor: Visitor): Promise<unknown> {
  const head = await postForHead(server.url + path, visitor)
  expect(head.statusCode).toBe(303)
  const cookie = head.headers['set-cookie']?.[0]?.match(/^sid=([^;]*)/)?.[1]
  if (cookie !== undefined) visitor.id = cookie
  const next = await visitor.get(server.url + head.headers.location)
  head.resume()
  return next.json<{ found: unknown }>().found
}

describe.each(expressVersions)('a redirect right after a change, under $version', ({ express }) => {
  let servers: TwoServers
  let a: AppParts
  const numbers = Array.from({ length: times }, (_, number) => number)

  beforeEach(async () => {
    servers = await startTwoServers(express, {}, addSteps)
    a = servers.a
  })

  afterEach(() => servers.close())

  it.each(['/steps', '/slow'])('never arrives before the data of a new session (%s)', async (path) => {
    const found = await Promise.all(numbers.map((number) => follow(a, `${path}/${number}`, new Visitor())))
    expect(found).toEqual(numbers)
  })

  it.each(['/steps', '/slow'])('never arrives before the data of the one session of all (%s)', async (path) => {
    const visitor = new Visitor()
    await follow(a, '/steps/0', visitor)
    const found = await Promise.all(numbers.map((number) => follow(a, `${path}/${number}`, visitor.copy())))
    expect(found).toEqual(numbers)
    await a.sessions.flush()
    const attributes = Object.fromEntries(numbers.map((number) => [`step${number}`, number]))
    expect(await attributesAt(servers.b, visitor)).toEqual(attributes)
  })
})
