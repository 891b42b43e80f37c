import { createHash } from 'node:crypto'
import http, { type IncomingHttpHeaders } from 'node:http'
import net from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createGunzip } from 'node:zlib'
import compression from 'compression'
import type { ErrorRequestHandler, Express, Request, Response } from 'express'
import { afterEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { Visitor } from '../support/visitor.js'
import {
  expressVersions,
  type Handler,
  HttpFixture,
  type SessionRequest,
  type StoringMode,
  storing,
  storingModes,
} from './http-server.js'

let fixture: HttpFixture
afterEach(() => fixture.close())

function start(mode: StoringMode, handler: Handler, options: Partial<HoldfastOptions> = {}): Promise<string> {
  fixture = new HttpFixture({ ...storing(mode), ...options })
  return fixture.serve(handler)
}

/** What a handler gets of its session at the next request. */
function count(req: SessionRequest): number {
  const next = Number(req.session.count ?? 0) + 1
  req.session.count = next
  return next
}

function cookiesOf(headers: IncomingHttpHeaders): string[] {
  return (headers['set-cookie'] ?? []).map((cookie) => cookie.split('=')[0] as string)
}

/** A body in which each byte counts. */
const large = Buffer.from(Array.from({ length: 300_000 }, (_, i) => 33 + (i % 90))).toString()
const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

describe.each(storingModes)('a response with a changed session, backup %s', (mode) => {
  it.each<[string, Handler]>([
    ['one end', (_req, res) => res.end(large)],
    [
      'writes and an end without data',
      (_req, res) => {
        res.write(large.slice(0, 10))
        res.write(large.slice(10))
        res.end()
      },
    ],
    [
      'a write and an end with data',
      (_req, res) => {
        res.write(large.slice(0, 9))
        res.end(large.slice(9))
      },
    ],
    ['a length and an end', (_req, res) => res.setHeader('Content-Length', large.length).end(large)],
    [
      'a length and writes',
      (_req, res) => {
        res.writeHead(200, { 'Content-Length': large.length })
        res.write(large)
        res.end()
      },
    ],
    ['a stream piped into it', (_req, res) => Readable.from([large.slice(0, 70_000), large.slice(70_000)]).pipe(res)],
    ['a pipeline', (_req, res) => pipeline(Readable.from([large.slice(0, 5), large.slice(5)]), res)],
    [
      'two ends',
      (_req, res) => {
        res.end(large)
        res.end()
      },
    ],
    [
      'two ends with data',
      (_req, res) => {
        res.end(large)
        res.end('more')
      },
    ],
    ['an end that calls back', (_req, res) => res.end(large, 'utf8', () => {})],
    [
      'an end with null after a write',
      (_req, res) => {
        res.write(large)
        res.end(null)
      },
    ],
    ['a buffer', (_req, res) => res.end(Buffer.from(large))],
  ])('arrives whole, once and with its cookie: %s', async (_how, respond) => {
    const url = await start(mode, (req, res) => {
      res.on('error', (error) => fixture.errors.push(String(error)))
      count(req)
      return respond(req, res)
    })
    const visitor = new Visitor()
    const answer = await visitor.get(url)
    expect(digest(answer.body)).toBe(digest(large))
    expect(answer.cookie).toBeDefined()
    await visitor.get(url)
    await waitFor(() => fixture.activeRequests === 0)
    expect(fixture.errors.filter((error) => !error.includes('after end'))).toEqual([])
  })

  it.each<[string, string, number, Handler]>([
    ['HEAD', 'HEAD', 200, (_req, res) => res.setHeader('Content-Length', 5).end('hello')],
    ['an empty body', 'GET', 200, (_req, res) => res.end()],
    ['an empty text', 'GET', 200, (_req, res) => res.end('')],
    ['204', 'GET', 204, (_req, res) => res.writeHead(204).end()],
    ['304', 'GET', 304, (_req, res) => res.writeHead(304, { ETag: '"x"' }).end()],
    ['a redirect', 'GET', 302, (_req, res) => res.writeHead(302, { Location: '/' }).end()],
  ])('needs no body: %s', async (_what, method, status, respond) => {
    const url = await start(mode, (req, res) => {
      count(req)
      return respond(req, res)
    })
    const answer = await new Visitor().request(method, url)
    expect([answer.status, answer.body, cookiesOf(answer.headers)]).toEqual([status, '', ['sid']])
  })

  it.each<[string, unknown[], string[]]>([
    ['an object', [{ 'Set-Cookie': ['a=1', 'b=2'], 'X-Other': 'y' }], ['a', 'b', 'sid']],
    ['an object, with a reason', ['Fine', { 'set-cookie': 'a=1', 'X-Other': 'y' }], ['a', 'sid']],
    ['a flat list', [['Set-Cookie', 'a=1', 'X-Other', 'y', 'set-cookie', 'b=2']], ['a', 'b', 'sid']],
    [
      'a list of pairs',
      [
        [
          ['Set-Cookie', ['a=1', 'b=2']],
          ['X-Other', 'y'],
        ],
      ],
      ['a', 'b', 'sid'],
    ],
    ['a list without cookies', [[['X-Other', 'y']]], ['sid']],
  ])('keeps the cookies that are given with the head: %s', async (_how, args, expected) => {
    const url = await start(mode, (req, res) => {
      count(req)
      res.writeHead(200, ...(args as [never]))
      res.end('x')
    })
    const { headers } = await new Visitor().get(url)
    expect([cookiesOf(headers), headers['x-other']]).toEqual([expected, 'y'])
  })

  it('lets early hints, "continue" and "processing" go before it, without a cookie', async () => {
    const url = await start(mode, (req, res) => {
      count(req)
      res.writeContinue()
      res.writeProcessing()
      res.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' })
      expect(res.headersSent).toBe(false)
      res.end('x')
    })
    const informed: [number, string[]][] = []
    const answer = await new Promise<http.IncomingMessage>((resolve, reject) => {
      const req = http.get(url, { agent: false }, resolve)
      req.on('error', reject)
      req.on('information', ({ statusCode, headers }) => informed.push([statusCode, cookiesOf(headers)]))
    })
    answer.resume()
    expect(informed).toEqual([100, 102, 103].map((status) => [status, []]))
    expect([answer.statusCode, cookiesOf(answer.headers)]).toEqual([200, ['sid']])
  })

  it('is sent as it was ended when somebody tries to answer otherwise meanwhile', async () => {
    const url = await start(mode, (req, res) => {
      count(req)
      res.setHeader('X-First', 'a')
      res.end('first')
      if (res.headersSent) return
      res.statusCode = 500
      res.setHeader('Content-Length', 6)
      res.setHeader('X-First', 'b')
      res.setHeader('X-Second', 'b')
      res.end('second')
    })
    const { status, body, headers, cookie } = await new Visitor().get(url)
    expect([status, body, headers['x-first'], headers['x-second']]).toEqual([200, 'first', 'a', undefined])
    expect(cookie).toBeDefined()
  })

  it('answers pipelined requests in their order, each with its session', async () => {
    const release: (() => void)[] = []
    const url = await start(mode, async (req, res) => {
      count(req)
      if (req.url === '/slow') await new Promise<void>((resolve) => release.push(resolve))
      res.end(`<${req.url} ${req.session.count}>`)
    })
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`)
    const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
    let received = ''
    socket.setEncoding('utf8').on('data', (text: string) => {
      received += text
    })
    const head = `Host: x\r\nCookie: sid=${visitor.id}\r\n`
    socket.write(
      `GET /slow HTTP/1.1\r\n${head}\r\nGET /two HTTP/1.1\r\n${head}\r\nGET /three HTTP/1.1\r\n${head}Connection: close\r\n\r\n`,
    )
    await waitFor(() => fixture.activeRequests === 3)
    release[0]?.()
    await waitFor(() => received.includes('/three'))
    expect(received.match(/<[^>]*>/g)?.map((text) => text.split(' ')[0])).toEqual(['</slow', '</two', '</three'])
    await waitFor(() => fixture.activeRequests === 0)
    expect((await visitor.get(`${url}/last`)).body).toBe('</last 5>')
  })
})

describe.each(expressVersions)('%s', (_name, express) => {
  function application(
    mode: StoringMode,
    add: (app: Express) => void,
    before: (app: Express) => void = () => {},
  ): Promise<string> {
    fixture = new HttpFixture(storing(mode))
    const app = express()
    app.set('env', 'test')
    before(app)
    app.use(fixture.sessions.middleware() as never)
    add(app)
    return fixture.serveApp(app)
  }
  const session = (req: Request) => (req as unknown as SessionRequest).session

  describe.each(storingModes)('with backup %s', (mode) => {
    it('answers 304 to who has the newest version, and keeps what the request changed', async () => {
      const url = await application(mode, (app) => {
        app.get('/', (req, res) => {
          count(req as never)
          res.send('always the same')
        })
      })
      const visitor = new Visitor()
      const { headers } = await visitor.get(url)
      const again = await visitor.get(url, { 'if-none-match': headers.etag as string })
      expect([again.status, again.body]).toEqual([304, ''])
      const fresh = await new Visitor().get(url, { 'if-none-match': headers.etag as string })
      expect([fresh.status, cookiesOf(fresh.headers)]).toEqual([304, ['sid']])
      await waitFor(() => fixture.sessions.stats().counters.requestsWithChange === 3)
    })

    it.each(['before', 'behind'])('can compress with a compressor %s the sessions', async (where) => {
      const compressor = compression({ threshold: 0 })
      const url = await application(
        mode,
        (app) => {
          if (where === 'behind') app.use(compressor)
          app.get('/send', (req, res) => {
            count(req as never)
            res.type('text').send(large)
          })
          app.get('/stream', async (req, res) => {
            count(req as never)
            res.type('text')
            res.write(large.slice(0, 100_000))
            await nextTurn()
            res.write(large.slice(100_000))
            res.end()
          })
          app.get('/count', (req, res) => void res.json(session(req).count))
        },
        (app) => {
          if (where === 'before') app.use(compressor)
        },
      )
      const visitor = new Visitor()
      for (const path of ['/send', '/stream', '/send']) {
        const { encoding, body, cookie } = await compressed(url + path, visitor)
        expect([encoding, digest(body)]).toEqual(['gzip', digest(large)])
        if (path === '/stream') expect(cookie).toBeUndefined()
      }
      expect((await visitor.get(`${url}/count`)).body).toBe('3')
    })

    it('keeps what a handler changed before it threw, and ends the response', async () => {
      const handle: ErrorRequestHandler = (error: Error, _req, res, next) => {
        if (res.headersSent) return next(error)
        res.status(500).send(error.message)
      }
      const url = await application(mode, (app) => {
        app.get('/sync', (req) => {
          count(req as never)
          throw new Error('thrown')
        })
        app.get('/next', (req, _res, next) => {
          count(req as never)
          next(new Error('passed'))
        })
        app.get('/async', async (req, _res, next) => {
          await nextTurn()
          count(req as never)
          const error = new Error('rejected')
          if (_name === 'Express 4') return next(error)
          throw error
        })
        app.get('/late', (req, res) => {
          count(req as never)
          res.send('already answered')
          throw new Error('late')
        })
        app.get('/count', (req, res) => void res.json(session(req).count))
        app.use(handle)
      })
      const visitor = new Visitor()
      const answers: unknown[] = []
      for (const path of ['/sync', '/next', '/async']) {
        const { status, body } = await visitor.get(url + path)
        answers.push([status, body])
      }
      expect(answers).toEqual([
        [500, 'thrown'],
        [500, 'passed'],
        [500, 'rejected'],
      ])
      const late = await visitor.get(`${url}/late`).catch(() => undefined)
      if (late !== undefined) expect([late.status, late.body]).toEqual([200, 'already answered'])
      expect((await visitor.get(`${url}/count`)).body).toBe('4')
      await waitFor(() => fixture.activeRequests === 0)
    })

    it('is answered by the framework when nobody handles the error', async () => {
      const url = await application(mode, (app) => {
        app.get('/', (req) => {
          count(req as never)
          throw new Error('thrown')
        })
        app.get('/count', (req, res) => void res.json(session(req).count))
      })
      const visitor = new Visitor()
      const { status, cookie } = await visitor.get(url)
      expect([status, cookie !== undefined]).toEqual([500, true])
      expect((await visitor.get(`${url}/count`)).body).toBe('1')
    })

    it('serves its own ways to answer', async () => {
      const url = await application(mode, (app) => {
        app.use((req, _res, next) => {
          count(req as never)
          next()
        })
        app.get('/json', (_req, res: Response) => void res.cookie('other', '1').json({ a: 1 }))
        app.get('/redirect', (_req, res) => void res.redirect('/json'))
        app.get('/status', (_req, res) => void res.sendStatus(204))
        app.get('/file', (_req, res) => void res.sendFile(new URL('../../package.json', import.meta.url).pathname))
      })
      const answers: unknown[] = []
      for (const path of ['/json', '/redirect', '/status', '/file']) {
        const { status, headers } = await new Visitor().get(url + path)
        answers.push([status, cookiesOf(headers), headers['cache-control']])
      }
      expect(answers).toEqual([
        [200, ['other', 'sid'], 'no-store'],
        [302, ['sid'], 'no-store'],
        [204, ['sid'], 'no-store'],
        [200, ['sid'], 'public, max-age=0'],
      ])
    })
  })
})

async function compressed(
  url: string,
  visitor: Visitor,
): Promise<{ encoding?: string; body: string; cookie?: string }> {
  const headers = { 'accept-encoding': 'gzip', ...(visitor.id ? { cookie: `sid=${visitor.id}` } : {}) }
  const res = await new Promise<http.IncomingMessage>((resolve, reject) => {
    http.get(url, { agent: false, headers }, resolve).on('error', reject)
  })
  const chunks: Buffer[] = []
  for await (const chunk of res.pipe(createGunzip())) chunks.push(chunk as Buffer)
  const cookie = res.headers['set-cookie']?.[0]?.split(/[=;]/)[1]
  if (cookie !== undefined) visitor.id = cookie
  return {
    encoding: res.headers['content-encoding'] as string,
    body: Buffer.concat(chunks).toString(),
    ...(cookie ? { cookie } : {}),
  }
}
