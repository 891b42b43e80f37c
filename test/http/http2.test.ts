import http2 from 'node:http2'
import { afterEach, describe, expect, it } from 'vitest'
import { findInSection } from '../../src/record/attribute-section.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { type Handler, HttpFixture, type SessionRequest } from './http-server.js'

let fixture: HttpFixture
let client: http2.ClientHttp2Session
afterEach(async () => {
  client.destroy()
  await fixture.close()
})

async function start(mode: 'async' | 'sync', handler: Handler): Promise<void> {
  fixture = new HttpFixture({ backup: { mode } })
  const middleware = fixture.sessions.middleware()
  const server = http2.createServer((req, res) =>
    middleware(req as never, res as never, () => void handler(req as never, res as never)),
  )
  client = http2.connect(await fixture.listen(server))
}

interface Answer {
  status: number | undefined
  body: string
  cookies: string[]
  headers: http2.IncomingHttpHeaders
}

async function get(path: string, cookie?: string): Promise<Answer> {
  const stream = client.request({ ':path': path, ...(cookie === undefined ? {} : { cookie }) })
  const headers = await new Promise<http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader>((resolve, reject) => {
    stream.once('response', resolve)
    stream.once('error', reject)
  })
  let body = ''
  for await (const text of stream.setEncoding('utf8')) body += text
  const cookies = (headers['set-cookie'] ?? []).map((text) => text.split(';')[0] as string)
  return { status: headers[':status'], body, cookies, headers }
}

const names = (cookies: string[]): (string | undefined)[] => cookies.map((cookie) => cookie.split('=')[0])
const count = (req: SessionRequest): string => {
  req.session.count = Number(req.session.count ?? 0) + 1
  return String(req.session.count)
}

describe.each(['async', 'sync'] as const)('sessions over HTTP/2, backup %s', (mode) => {
  it('go on from request to request, whole and with one cookie', async () => {
    await start(mode, (req, res) => {
      if (req.url === '/stream') res.write('part ')
      res.end(count(req))
      if (req.url === '/twice') res.end('again')
    })
    const first = await get('/')
    expect([first.body, names(first.cookies), first.headers['cache-control']]).toEqual(['1', ['sid'], 'no-store'])
    const bodies: string[] = []
    for (const path of ['/', '/stream', '/twice']) bodies.push((await get(path, first.cookies[0])).body)
    expect(bodies).toEqual(['2', 'part 3', '4'])
    await waitFor(() => fixture.activeRequests === 0)
    await fixture.sessions.flush()
    expect(fixture.states.map(({ isSaved, section }) => [isSaved, findInSection(section, 'count')?.bytes])).toEqual([
      [true, '4'],
    ])
  })

  it('serve streams of one connection at the same time', async () => {
    const release: (() => void)[] = []
    await start(mode, async (req, res) => {
      req.session[(req.url as string).slice(1)] = true
      if (req.url !== '/begin') await new Promise<void>((resolve) => release.push(resolve))
      res.end(Object.keys(req.session).length.toString())
    })
    const cookie = (await get('/begin')).cookies[0]
    const answers = Promise.all(['/a', '/b', '/c'].map((path) => get(path, cookie)))
    await waitFor(() => release.length === 3)
    expect(fixture.activeRequests).toBe(3)
    for (const go of release) go()
    expect((await answers).map(({ body }) => body)).toEqual(['5', '5', '5'])
    await waitFor(() => fixture.activeRequests === 0)
  })

  it('keep the cookies that are given with the head', async () => {
    await start(mode, (req, res) => {
      count(req)
      if (req.url === '/list') res.writeHead(200, ['set-cookie', 'a=1', 'x-other', 'y'])
      else res.writeHead(200, { 'Set-Cookie': ['a=1', 'b=2'], 'x-other': 'y' })
      res.end('x')
    })
    const [object, list] = [await get('/object'), await get('/list')]
    expect([names(object.cookies), object.headers['x-other']]).toEqual([['a', 'b', 'sid'], 'y'])
    expect([names(list.cookies), list.headers['x-other']]).toEqual([['a', 'sid'], 'y'])
  })

  it('send a response as it was ended when somebody tries to answer otherwise meanwhile', async () => {
    await start(mode, (req, res) => {
      count(req)
      res.end('first')
      if (res.headersSent) return
      res.statusCode = 500
      res.setHeader('x-second', 'b')
      res.end('second')
    })
    const { status, body, headers, cookies } = await get('/')
    expect([status, body, headers['x-second'], names(cookies)]).toEqual([200, 'first', undefined, ['sid']])
  })
})
