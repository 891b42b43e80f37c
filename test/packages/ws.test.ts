import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { json, type Request, type RequestHandler } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { sessionOf } from '../support/app-server.js'
import { attributesAt } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, type TwoServers } from './two-servers.js'

const refusal = 'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n'

/* As in the example of ws: the session parser is called with nothing that could be a response. */
function addSockets({ app, sessions, http }: AppParts): () => void {
  const parseSession = sessions.middleware() as unknown as RequestHandler
  const sockets = new Map<string, WebSocket>()
  const server = new WebSocketServer({ noServer: true, clientTracking: false })

  http.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    parseSession(request as Request, {} as never, () => {
      if (sessionOf(request as Request).user === undefined) return void socket.end(refusal)
      server.handleUpgrade(request, socket, head, (ws) => serveSocket(ws, request as Request, sockets))
    })
  })
  sessions.on('destroyed', ({ id }) => sockets.get(id)?.close(4001))
  app.use(parseSession, json())
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...attributes } = sessionOf(req)
    res.json({ attributes })
  })
  app.post('/login', (req, res) => {
    sessionOf(req).user = req.body.user
    res.end()
  })
  app.post('/logout', (req, res) => {
    const ws = sockets.get(sessionOf(req).id)
    sessionOf(req).destroy(() => {
      ws?.close(4000)
      res.end()
    })
  })
  return () => {
    for (const ws of sockets.values()) ws.terminate()
  }
}

function serveSocket(ws: WebSocket, req: Request, sockets: Map<string, WebSocket>): void {
  const { id } = sessionOf(req)
  sockets.set(id, ws)
  ws.on('message', (data) => {
    sessionOf(req).said = data.toString()
    sessionOf(req).save((error) => ws.send(error ? String(error) : `${sessionOf(req).user} said ${data}`))
  })
  ws.on('close', () => sockets.delete(id))
}

describe.each(expressVersions)('ws beside $version', ({ express }) => {
  let servers: TwoServers
  let a: AppParts
  let b: AppParts
  let visitor: Visitor

  beforeEach(async () => {
    servers = await startTwoServers(express, { trustFor: 0 }, addSockets)
    a = servers.a
    b = servers.b
    visitor = new Visitor()
    await visitor.post(`${a.url}/login`, { user: 'ada' })
    await a.sessions.flush()
  })

  afterEach(() => servers.close())

  async function open(server: AppParts, id = visitor.id): Promise<WebSocket> {
    const ws = new WebSocket(server.url.replace('http', 'ws'), { headers: { cookie: `sid=${id}` } })
    await once(ws, 'open')
    return ws
  }

  async function say(ws: WebSocket, text: string): Promise<string> {
    const answer = once(ws, 'message')
    ws.send(text)
    return String((await answer)[0])
  }

  it('the upgrade handler finds the session, on the server that had it and on the other', async () => {
    expect(await say(await open(a), 'hello')).toBe('ada said hello')
    expect(await say(await open(b), 'hello')).toBe('ada said hello')
    expect(b.sessions.stats().counters.takeovers).toBe(1)
  })

  it('who has no session is refused', async () => {
    await expect(open(a, 'not-an-id')).rejects.toThrow('401')
    await expect(open(b, 'not-an-id')).rejects.toThrow('401')
  })

  it('a change by the socket is there for the next request, and for the other server', async () => {
    const ws = await open(a)
    await say(ws, 'one')
    expect(await attributesAt(a, visitor)).toEqual({ user: 'ada', said: 'one' })
    await visitor.post(`${a.url}/login`, { user: 'bob' })
    expect(await say(ws, 'two')).toBe('bob said two')
    expect(await attributesAt(b, visitor)).toEqual({ user: 'bob', said: 'two' })
    expect(visitor.route).toBe('b')
  })

  it('a change by the socket reaches the visitor who has gone to the other server, each time', async () => {
    const ws = await open(a)
    await visitor.post(`${b.url}/login`, { user: 'bob' })
    await b.sessions.flush()
    for (const said of ['one', 'two']) {
      await say(ws, said)
      expect(await attributesAt(b, visitor)).toEqual({ user: 'bob', said })
    }
    expect(b.sessions.stats().counters.takeovers).toBe(1)
  })

  it('a logout closes the socket', async () => {
    const ws = await open(a)
    const closed = once(ws, 'close')
    await visitor.post(`${a.url}/logout`, {})
    expect([4000, 4001]).toContain((await closed)[0])
    await expect(open(a)).rejects.toThrow('401')
    await expect(open(b)).rejects.toThrow('401')
  })

  it('a session that is ended from outside of any request takes its socket with it', async () => {
    const ws = await open(a)
    const closed = once(ws, 'close')
    expect(await a.sessions.destroy(visitor.id as string)).toBe(true)
    expect((await closed)[0]).toBe(4001)
  })
})
