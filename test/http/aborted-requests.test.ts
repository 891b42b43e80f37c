import http from 'node:http'
import http2 from 'node:http2'
import net from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/wait-for.js'
import { Visitor } from '../support/visitor.js'
import {
  type Handler,
  HttpFixture,
  type SessionRequest,
  type StoringMode,
  storing,
  storingModes,
} from './http-server.js'

let fixture: HttpFixture
afterEach(() => fixture.close())

/** What a request does before and after its visitor has gone, in requests to `/leave`. */
interface Steps {
  before?(req: SessionRequest, res: http.ServerResponse): unknown
  after?(req: SessionRequest, res: http.ServerResponse): unknown
}

/** Sends a request of a visitor with a session, goes away in the middle of it, and gives what the session has then. */
async function leave(mode: StoringMode, steps: Steps): Promise<unknown> {
  fixture = new HttpFixture(storing(mode))
  let begun = false
  let gone = (): void => {}
  let ended = false
  const handler: Handler = async (req, res) => {
    if (req.url === '/begin') Object.assign(req.session, { list: [0], name: 'ann' })
    if (req.url !== '/leave') return res.end(JSON.stringify(req.session))
    await steps.before?.(req, res)
    const closed = new Promise<void>((resolve) => {
      gone = resolve
    })
    req.socket.once('close', () => setImmediate(gone))
    begun = true
    await closed
    await steps.after?.(req, res)
    ended = true
  }
  const url = await fixture.serve(handler)
  const visitor = new Visitor()
  await visitor.get(`${url}/begin`)
  const client = http.get(`${url}/leave`, { agent: false, headers: { cookie: `sid=${visitor.id}` } })
  client.on('error', () => {})
  await waitFor(() => begun)
  client.destroy()
  await waitFor(() => ended)
  await waitFor(() => fixture.activeRequests === 0)
  const { cookie: _cookie, ...attributes } = (await visitor.get(`${url}/look`)).json<Record<string, unknown>>()
  await waitFor(() => fixture.activeRequests === 0)
  await fixture.sessions.flush()
  expect(fixture.states.every((state) => state.isSaved)).toBe(true)
  return attributes
}

const push = (req: SessionRequest, what: unknown) => (req.session.list as unknown[]).push(what)

describe.each(storingModes)('a request whose visitor goes away, backup %s', (mode) => {
  it('keeps what it changed before, although it never ends its response', async () => {
    const attributes = await leave(mode, {
      before: (req) => {
        req.session.name = 'bob'
        push(req, 1)
      },
    })
    expect(attributes).toEqual({ list: [0, 1], name: 'bob' })
  })

  it('keeps what it changed before, in the middle of a stream', async () => {
    const attributes = await leave(mode, {
      before: (req, res) => {
        push(req, 1)
        res.write('a part')
      },
    })
    expect(attributes).toEqual({ list: [0, 1], name: 'ann' })
  })

  it.each<[string, Steps['before']]>([
    ['after it had used it', (req) => req.session.name],
    ['after it had changed it', (req) => push(req, 1)],
    ['for the first time', () => {}],
  ])('keeps what it changes afterwards, once it ends its response: %s', async (_when, before) => {
    const attributes = await leave(mode, {
      ...(before && { before }),
      after: (req, res) => {
        push(req, 2)
        req.session.late = true
        res.end('nobody reads this')
      },
    })
    expect(attributes).toMatchObject({ late: true, list: expect.arrayContaining([0, 2]) })
    expect(fixture.errors).toEqual([])
  })

  it('keeps what it changes afterwards inside of what it was given before', async () => {
    let list: unknown[] = []
    const attributes = await leave(mode, {
      before: (req) => {
        list = req.session.list as unknown[]
      },
      after: (_req, res) => {
        list.push(3)
        res.end()
      },
    })
    expect(attributes).toEqual({ list: [0, 3], name: 'ann' })
  })

  it('can end its session afterwards, or begin another one', async () => {
    expect(
      await leave(mode, {
        before: (req) => push(req, 1),
        after: async (req, res) => {
          await req.session.destroy()
          res.end()
        },
      }),
    ).toEqual({})
    await fixture.close()
    expect(
      await leave(mode, {
        before: (req) => push(req, 1),
        after: async (req, res) => {
          await req.session.regenerate()
          req.session.name = 'eve'
          res.end()
        },
      }),
    ).toEqual({})
  })

  it('may save afterwards without ending its response', async () => {
    const attributes = await leave(mode, {
      after: async (req) => {
        req.session.name = 'eve'
        await req.session.save()
      },
    })
    expect(attributes).toEqual({ list: [0], name: 'eve' })
  })

  it('is over also when it waited behind another one of the same connection', async () => {
    fixture = new HttpFixture(storing(mode))
    const seen: (string | undefined)[] = []
    const url = await fixture.serve((req, res) => {
      seen.push(req.url)
      if (req.url === '/begin') req.session.list = [0]
      else if (req.url !== '/look') push(req, req.url)
      if (req.url !== '/first') res.end(JSON.stringify(req.session.list))
    })
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`)
    const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
    const head = `Host: x\r\nCookie: sid=${visitor.id}\r\n\r\n`
    socket.write(['/first', '/second', '/third'].map((path) => `GET ${path} HTTP/1.1\r\n${head}`).join(''))
    await waitFor(() => seen.includes('/third'))
    expect(fixture.activeRequests).toBeGreaterThan(0)
    socket.destroy()
    await waitFor(() => fixture.activeRequests === 0)
    expect((await visitor.get(`${url}/look`)).json()).toEqual([0, '/first', '/second', '/third'])
  })

  it('keeps its changes over HTTP/2 as well', async () => {
    fixture = new HttpFixture(storing(mode))
    const middleware = fixture.sessions.middleware()
    let gone = false
    let late = false
    const server = http2.createServer((request, response) => {
      const [req, res] = [request as unknown as SessionRequest, response as unknown as http.ServerResponse]
      middleware(req, res, () => {
        if (req.url === '/begin') req.session.list = [0]
        if (req.url !== '/leave') return res.end(JSON.stringify(req.session.list))
        push(req, 1)
        res.once('close', () => {
          gone = true
          setImmediate(() => {
            push(req, 2)
            res.setHeader === undefined || res.end('late')
            late = true
          })
        })
        return res.write('a part')
      })
    })
    const url = await fixture.listen(server)
    const client = http2.connect(url)
    const begun = await fetch2(client, '/begin')
    const cookie = begun.cookie as string
    const stream = client.request({ ':path': '/leave', cookie })
    await new Promise((resolve) => stream.once('response', resolve))
    stream.destroy()
    await waitFor(() => gone && late)
    await waitFor(() => fixture.activeRequests === 0)
    expect((await fetch2(client, '/look', cookie)).body).toBe('[0,1,2]')
    client.destroy()
  })
})

/** One request over HTTP/2. */
async function fetch2(
  client: http2.ClientHttp2Session,
  path: string,
  cookie = '',
): Promise<{ body: string; cookie?: string }> {
  const stream = client.request({ ':path': path, ...(cookie === '' ? {} : { cookie }) })
  const headers = await new Promise<http2.IncomingHttpHeaders>((resolve) => stream.once('response', resolve))
  let body = ''
  for await (const text of stream.setEncoding('utf8')) body += text
  const own = headers['set-cookie']?.[0]?.split(';')[0]
  return { body, ...(own ? { cookie: own } : {}) }
}
