import http, { type IncomingMessage } from 'node:http'
import net, { type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { emptySection, findInSection } from '../../src/record/attribute-section.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { Visitor } from '../support/visitor.js'
import { HttpFixture, type SessionRequest } from './http-server.js'

let fixture: HttpFixture
afterEach(() => fixture.close())

/** A stand-in for a response, as engine.io passes it to middleware for a WebSocket: no events, and `end` drops the connection. */
class UpgradeResponse {
  readonly headers: Record<string, unknown> = {}
  private readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
  }

  setHeader(name: string, value: unknown): void {
    this.headers[name] = value
  }
  getHeader(name: string): unknown {
    return this.headers[name]
  }
  removeHeader(name: string): void {
    delete this.headers[name]
  }
  write(): void {}
  writeHead(): void {}
  end(): void {
    this.socket.destroy()
  }
}

type Upgraded = (req: SessionRequest, res: UpgradeResponse, socket: Socket) => void

/** Starts a server that passes upgrade requests through the middleware with a stand-in for the response. */
async function start(response: (socket: Socket) => object, upgraded: Upgraded): Promise<string> {
  fixture = new HttpFixture()
  const middleware = fixture.sessions.middleware()
  const server = http.createServer((req, res) =>
    middleware(req, res, () => {
      const { session } = req as SessionRequest
      if (req.url === '/begin') Object.assign(session, { user: 'ann', list: [0] })
      res.end(JSON.stringify({ user: session.user, list: session.list }))
    }),
  )
  server.on('upgrade', (req: IncomingMessage, socket: Socket) => {
    const res = response(socket)
    socket.on('error', () => {}).on('end', () => socket.end())
    socket.resume()
    middleware(req, res as never, () => upgraded(req as SessionRequest, res as UpgradeResponse, socket))
  })
  return fixture.listen(server)
}

function connect(url: string, visitor: Visitor): net.Socket {
  const socket = net.connect(Number(new URL(url).port), '127.0.0.1')
  socket.on('error', () => {})
  const cookie = visitor.id === undefined ? '' : `Cookie: sid=${visitor.id}\r\n`
  socket.write(`GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${cookie}\r\n`)
  return socket
}

describe('an upgrade request', () => {
  it.each<[string, (socket: Socket) => object]>([
    ['an empty object', () => ({})],
    ['an object with an end', () => ({ end() {} })],
    ['what engine.io passes', (socket) => new UpgradeResponse(socket)],
  ])('has its session, saves it, and is over with its connection; its response is %s', async (_what, response) => {
    let user: unknown
    const url = await start(response, async (req, _res, socket) => {
      user = req.session.user
      ;(req.session.list as unknown[]).push(1)
      req.session.seen = true
      await req.session.save()
      socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
    })
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`)
    const socket = connect(url, visitor)
    await new Promise((resolve) => socket.once('data', resolve))
    expect(user).toBe('ann')
    expect((await visitor.get(`${url}/look`)).json()).toEqual({ user: 'ann', list: [0, 1] })
    socket.destroy()
    await waitFor(() => fixture.activeRequests === 0)
    expect(fixture.warnings.concat(fixture.errors)).toEqual([])
  })

  it('keeps what was changed without a save when its connection ends', async () => {
    const url = await start(
      (socket) => new UpgradeResponse(socket),
      (req, _res, socket) => {
        ;(req.session.list as unknown[]).push(1)
        socket.destroy()
      },
    )
    const visitor = new Visitor()
    await visitor.get(`${url}/begin`)
    connect(url, visitor)
    const list = () => findInSection(fixture.states[0]?.section ?? emptySection, 'list')?.bytes
    await waitFor(() => list() === '[0,1]' && fixture.activeRequests === 0)
    expect((await visitor.get(`${url}/look`)).json()).toEqual({ user: 'ann', list: [0, 1] })
  })

  it('gets a cookie with the head of what engine.io passes, and keeps the connection', async () => {
    let res: UpgradeResponse | undefined
    const url = await start(
      (socket) => new UpgradeResponse(socket),
      (req, response, socket) => {
        req.session.user = 'eve'
        response.writeHead()
        res = response
        socket.write('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      },
    )
    const visitor = new Visitor()
    const socket = connect(url, visitor)
    await new Promise((resolve) => socket.once('data', resolve))
    visitor.id = /^sid=([^;]+)/.exec(String(res?.headers['Set-Cookie']))?.[1]
    expect((await visitor.get(`${url}/look`)).json()).toEqual({ user: 'eve' })
    socket.destroy()
    await waitFor(() => fixture.activeRequests === 0)
  })
})

describe('a handshake object in the place of a request', () => {
  it.each([{}, { end() {} }])('has its session, and nothing remains of it (%j)', async (res) => {
    fixture = new HttpFixture()
    const url = await fixture.serve((req, res) => {
      req.session.user ??= 'ann'
      res.end(String(req.session.note))
    })
    const visitor = new Visitor()
    await visitor.get(url)
    const handshake = { headers: { cookie: `sid=${visitor.id}` }, url: '/' } as SessionRequest
    await new Promise<void>((resolve) => fixture.sessions.middleware()(handshake, res as never, () => resolve()))
    expect([handshake.session.user, handshake.session.id]).toEqual(['ann', visitor.id])
    handshake.session.note = 'from a socket'
    await handshake.session.save()
    expect((await visitor.get(url)).body).toBe('from a socket')
    ;(res as { end?: () => void }).end?.()
    await waitFor(() => fixture.activeRequests === 0)
  })
})
