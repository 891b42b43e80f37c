import { json, type Request } from 'express'
import { Server, type Socket as ServerSocket } from 'socket.io'
import { io as connect, type Socket } from 'socket.io-client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sessionOf } from '../support/app-server.js'
import { attributesAt } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, type TwoServers } from './two-servers.js'

const transports = [
  { name: 'polling', transports: ['polling'] },
  { name: 'websocket', transports: ['websocket'] },
  { name: 'polling that is upgraded to websocket', transports: ['polling', 'websocket'] },
]

function addChat({ app, sessions, http }: AppParts): () => Promise<void> {
  const io = new Server(http)
  io.engine.use(sessions.middleware())
  sessions.on('destroyed', ({ id }) => io.in(id).disconnectSockets(true))
  io.on('connection', serveSocket)
  app.use(sessions.middleware(), json())
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...attributes } = sessionOf(req)
    res.json({ attributes })
  })
  app.post('/login', (req, res) => {
    sessionOf(req).user = req.body.user
    res.end()
  })
  app.post('/logout', (req, res) => void sessionOf(req).destroy(() => res.end()))
  app.post('/kick', (req, res) => {
    io.in(sessionOf(req).id).disconnectSockets(true)
    res.end()
  })
  return () => io.close()
}

/* As socket.io's guide has it: every event works on the session as it is then, and stores what it changes. */
function serveSocket(socket: ServerSocket): void {
  const req = socket.request as Request
  socket.join(sessionOf(req).id)
  socket.use((_event, next) => {
    sessionOf(req).reload((error) => (error ? socket.disconnect(true) : next()))
  })
  socket.on('count', (answer: (count: unknown) => void) => {
    const count = Number(sessionOf(req).count ?? 0) + 1
    sessionOf(req).count = count
    sessionOf(req).save((error) => answer(error ? String(error) : count))
  })
  socket.on('user', (answer: (user: unknown) => void) => answer(sessionOf(req).user))
  socket.emit('hello', sessionOf(req).user)
}

describe.each(expressVersions)('socket.io beside $version', ({ express }) => {
  describe.each(transports)('over $name', ({ transports }) => {
    let servers: TwoServers
    let a: AppParts
    let b: AppParts
    let visitor: Visitor
    let clients: Socket[]

    beforeEach(async () => {
      servers = await startTwoServers(express, { trustFor: 0 }, addChat)
      a = servers.a
      b = servers.b
      clients = []
      visitor = new Visitor()
      await visitor.post(`${a.url}/login`, { user: 'ada' })
      await a.sessions.flush()
    })

    afterEach(async () => {
      for (const client of clients) client.disconnect()
      await servers.close()
    })

    /** @returns the connected client and what the connection handler found in the session. */
    async function open(server: AppParts): Promise<{ client: Socket; user: unknown }> {
      const client = connect(server.url, {
        transports,
        forceNew: true,
        reconnection: false,
        extraHeaders: { cookie: `sid=${visitor.id}` },
      })
      clients.push(client)
      const user = await new Promise((resolve, reject) => {
        client.once('hello', resolve)
        client.once('connect_error', reject)
      })
      return { client, user }
    }

    function ask(client: Socket, event: string): Promise<unknown> {
      return client.timeout(60_000).emitWithAck(event)
    }

    function closing(client: Socket): Promise<string> {
      return new Promise((resolve) => client.once('disconnect', resolve))
    }

    it('the connection handler finds the session, on the server that had it and on the other', async () => {
      expect((await open(a)).user).toBe('ada')
      expect((await open(b)).user).toBe('ada')
      /* The first client goes on to ask its server: the session may go to and fro. */
      expect(b.sessions.stats().counters.takeovers).toBeGreaterThan(0)
    })

    it('a change by the socket is there for the next request, and for the other server', async () => {
      const { client } = await open(a)
      expect(await ask(client, 'count')).toBe(1)
      expect(await ask(client, 'count')).toBe(2)
      expect(await attributesAt(a, visitor)).toEqual({ user: 'ada', count: 2 })
      expect(await ask(client, 'count')).toBe(3)
      expect(await attributesAt(b, visitor)).toEqual({ user: 'ada', count: 3 })
      expect(visitor.route).toBe('b')
    })

    it('a change by a request is there for the next event, also when it was made on the other server', async () => {
      const { client } = await open(a)
      await visitor.post(`${a.url}/login`, { user: 'bob' })
      expect(await ask(client, 'user')).toBe('bob')
      await visitor.post(`${b.url}/login`, { user: 'eve' })
      await b.sessions.flush()
      expect(await ask(client, 'user')).toBe('eve')
      expect(await ask(client, 'count')).toBe(1)
      expect(await attributesAt(b, visitor)).toEqual({ user: 'eve', count: 1 })
    })

    it('overlapping events of two sockets lose no change', async () => {
      const one = (await open(a)).client
      const other = (await open(a)).client
      await Promise.all(Array.from({ length: 20 }, (_, i) => ask(i % 2 === 0 ? one : other, 'count')))
      expect(await attributesAt(b, visitor)).toEqual({ user: 'ada', count: 20 })
    })

    it('a logout closes the socket by the event "destroyed"', async () => {
      const { client } = await open(a)
      const closed = closing(client)
      await visitor.post(`${a.url}/logout`, {})
      await closed
      expect(client.connected).toBe(false)
    })

    it('a logout on the other server closes the socket at its next event', async () => {
      const { client } = await open(a)
      await visitor.post(`${b.url}/logout`, {})
      const closed = closing(client)
      client.emit('user', () => {})
      await closed
      expect(await attributesAt(a, visitor)).toEqual({})
    })

    it('the id of the session is the room of its sockets', async () => {
      const { client } = await open(a)
      const closed = closing(client)
      await visitor.post(`${a.url}/kick`, {})
      await closed
      expect(await attributesAt(a, visitor)).toEqual({ user: 'ada' })
    })
  })
})
