import { type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { createServer, type Server as NetServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { Balancer, type BalancerOptions } from '../../../src/cli/demo/balancer.js'
import { freePorts } from '../../../src/cli/demo/free-ports.js'
import { until } from '../../../src/cli/demo/within.js'
import { leastWait } from '../../support/patience.js'
import { listen, portOf, serve, stop } from './listening.js'

interface Answer {
  status: number
  body: string
  headers: IncomingMessage['headers']
}

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Answers with its name, unless `handler` says otherwise. */
async function backend(name: string, handler?: (req: IncomingMessage, res: ServerResponse) => void): Promise<Server> {
  const server = await serve((req, res) => {
    if (handler === undefined || req.url === '/healthz') res.end(name)
    else handler(req, res)
  })
  cleanups.push(() => stop(server))
  return server
}

async function balancerFor(ports: Record<string, number>, options: Partial<BalancerOptions> = {}) {
  const backends = Object.entries(ports).map(([route, port]) => ({ route, host: '127.0.0.1', port }))
  const balancer = new Balancer({ backends, healthInterval: 60_000, ...options })
  const front = await serve(balancer.handle)
  cleanups.push(() => stop(front))
  cleanups.push(() => balancer.close())
  return { balancer, port: portOf(front) }
}

function ask(port: number, { method = 'GET', path = '/', cookie = '', body = '' } = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { ...(cookie && { cookie }), ...(body && { 'content-length': Buffer.byteLength(body) }) }
    const req = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      res.once('error', reject)
      res.once('end', () => resolve({ status: res.statusCode ?? 0, body: text, headers: res.headers }))
    })
    req.once('error', reject)
    req.end(body)
  })
}

/** Accepts connections and hands them over; never says a word by itself. */
async function rawBackend(onConnection: (socket: Socket) => void): Promise<NetServer> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket.on('error', () => {}))
    onConnection(socket)
  })
  await listen(server)
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return server
}

/** Reads no socket and fires no timer for so many milliseconds. */
function standStill(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

async function closedPort(): Promise<number> {
  return (await freePorts(1, '127.0.0.1'))[0] as number
}

describe('the balancer routes', () => {
  it('a visitor to the server that the id names', async () => {
    const [a, b] = [await backend('a'), await backend('b')]
    const { port } = await balancerFor({ a: portOf(a), b: portOf(b) })
    for (const route of ['a', 'b', 'b', 'a']) {
      expect((await ask(port, { cookie: `x=1.b; sid=token-n1.${route}` })).body).toBe(route)
    }
  })

  it('visitors without an id, or with one that names no server, to all in turn', async () => {
    const [a, b] = [await backend('a'), await backend('b')]
    const { port } = await balancerFor({ a: portOf(a), b: portOf(b) })
    for (const cookie of ['', 'sid=token-n1.zz', 'sid=token-n1.__proto__', 'sid=..;;==%%', `sid=${'.'.repeat(5000)}`]) {
      const answers = [await ask(port, { cookie }), await ask(port, { cookie })]
      expect(answers.map(({ body }) => body).sort()).toEqual(['a', 'b'])
    }
  })

  it('any visitor to all in turn, when it is told not to be sticky', async () => {
    const [a, b] = [await backend('a'), await backend('b')]
    const { port } = await balancerFor({ a: portOf(a), b: portOf(b) }, { sticky: false })
    const answers = [await ask(port, { cookie: 'sid=x.a' }), await ask(port, { cookie: 'sid=x.a' })]
    expect(answers.map(({ body }) => body).sort()).toEqual(['a', 'b'])
  })

  it('and passes method, path, body, status and repeated headers on, and no hop-by-hop headers', async () => {
    const a = await backend('a', (req, res) => {
      let text = ''
      req.on('data', (chunk) => {
        text += chunk
      })
      req.on('end', () => {
        res.writeHead(418, { 'set-cookie': ['one=1', 'two=2'], 'x-hop': String(req.headers['keep-alive']) })
        res.end(`${req.method} ${req.url} ${text} ${req.headers['x-forwarded-for']}`)
      })
    })
    const { port } = await balancerFor({ a: portOf(a) })
    const answer = await ask(port, { method: 'PUT', path: '/p?q=1', body: 'hello' })
    expect(answer.status).toBe(418)
    expect(answer.body).toMatch(/^PUT \/p\?q=1 hello .*127\.0\.0\.1$/)
    expect(answer.headers['set-cookie']).toEqual(['one=1', 'two=2'])
    expect(answer.headers['x-hop']).toBe('undefined')
  })
})

describe('when a server fails, the balancer', () => {
  it('sends anything elsewhere when no connection could be made, the body included', async () => {
    const b = await backend('b', (req, res) => req.pipe(res))
    const { balancer, port } = await balancerFor({ a: await closedPort(), b: portOf(b) })
    const answer = await ask(port, { method: 'POST', cookie: 'sid=t-n1.a', body: 'my order' })
    expect(answer).toMatchObject({ status: 200, body: 'my order' })
    expect(balancer.isUp('a')).toBe(false)
    expect(balancer.counters).toEqual({ requests: 1, retries: 1, failures: 0 })
  })

  it('sends a GET elsewhere that a server had and did not answer', async () => {
    const a = await rawBackend((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const b = await backend('b')
    const { balancer, port } = await balancerFor({ a: portOf(a), b: portOf(b) })
    expect(await ask(port, { cookie: 'sid=t-n1.a' })).toMatchObject({ status: 200, body: 'b' })
    expect(balancer.counters.retries).toBe(1)
  })

  it('does not repeat a POST that a server may have carried out', async () => {
    let orders = 0
    const a = await rawBackend((socket) => socket.once('data', () => socket.resetAndDestroy()))
    const b = await backend('b', (_req, res) => {
      orders += 1
      res.end()
    })
    const { balancer, port } = await balancerFor({ a: portOf(a), b: portOf(b) })
    const answer = await ask(port, { method: 'POST', cookie: 'sid=t-n1.a', body: 'my order' })
    expect(answer.status).toBe(503)
    expect(orders).toBe(0)
    expect(balancer.counters).toEqual({ requests: 1, retries: 0, failures: 1 })
  })

  it('breaks off what was half answered, and does not repeat it', async () => {
    const a = await rawBackend((socket) => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', () => socket.destroy())
      })
    })
    const b = await backend('b')
    const { balancer, port } = await balancerFor({ a: portOf(a), b: portOf(b) })
    await expect(ask(port, { cookie: 'sid=t-n1.a' })).rejects.toThrow()
    expect(balancer.counters.retries).toBe(0)
  })

  it('gives up on a server that hangs, after the time it was given', async () => {
    const a = await rawBackend(() => {})
    const b = await backend('b')
    const { port } = await balancerFor({ a: portOf(a), b: portOf(b) }, { responseTimeout: 200 })
    expect((await ask(port, { cookie: 'sid=t-n1.a' })).body).toBe('b')
  })

  it('takes no server for dead because its own process was busy for longer than a connection may take', async () => {
    const a = await backend('a', (req, res) => req.resume().on('end', () => res.end('a')))
    const backends = [{ route: 'a', host: '127.0.0.1', port: portOf(a) }]
    const balancer = new Balancer({ backends, healthInterval: 60_000, connectTimeout: 100 })
    cleanups.push(() => balancer.close())
    const front = await serve((req, res) => {
      balancer.handle(req, res)
      setImmediate(() => standStill(300))
    })
    cleanups.push(() => stop(front))
    expect(await ask(portOf(front), { method: 'POST', body: 'x' })).toMatchObject({ status: 200, body: 'a' })
    expect(balancer.counters).toEqual({ requests: 1, retries: 0, failures: 0 })
  })

  it('takes a kept connection that was closed meanwhile for no fault of the server', async () => {
    let connections = 0
    const a = await rawBackend((socket) => {
      connections += 1
      const first = connections === 1
      socket.on('data', () => {
        if (first && socket.bytesRead > 0 && socket.bytesWritten > 0) socket.resetAndDestroy()
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na')
      })
    })
    const { balancer, port } = await balancerFor({ a: portOf(a) })
    expect((await ask(port)).body).toBe('a')
    expect((await ask(port)).body).toBe('a')
    expect(connections).toBe(2)
    expect(balancer.isUp('a')).toBe(true)
  })

  it('answers 503 itself when no server does, and goes on when one is back', async () => {
    const dead = await closedPort()
    const { balancer, port } = await balancerFor({ a: dead, b: await closedPort() })
    const answer = await ask(port)
    expect(answer.status).toBe(503)
    expect(answer.headers['retry-after']).toBe('1')
    const revived = await serve((_req, res) => res.end('a'), dead)
    cleanups.push(() => stop(revived))
    expect((await ask(port, { cookie: 'sid=t-n1.b' })).body).toBe('a')
    expect(balancer.counters.failures).toBe(1)
  })

  it('finds out by itself that a server died and that it is back', async () => {
    const dead = await closedPort()
    const changes: string[] = []
    await balancerFor({ a: dead }, { healthInterval: 10, onChange: (route, up) => changes.push(`${route} ${up}`) })
    await until('it is down', leastWait, () => changes.includes('a false'))
    const revived = await serve((_req, res) => res.end('a'), dead)
    cleanups.push(() => stop(revived))
    await until('it is up', leastWait, () => changes.includes('a true'))
  })
})

describe('for an orderly restart, the balancer', () => {
  it('lets requests wait for a held server, and sends them elsewhere once it is drained', async () => {
    const [a, b] = [await backend('a'), await backend('b')]
    const { balancer, port } = await balancerFor({ a: portOf(a), b: portOf(b) })
    balancer.hold('a')
    let answered = false
    const waiting = ask(port, { cookie: 'sid=t-n1.a' }).finally(() => {
      answered = true
    })
    expect((await ask(port)).body).toBe('b')
    expect((await ask(port)).body).toBe('b')
    expect(answered).toBe(false)
    balancer.drain('a')
    expect((await waiting).body).toBe('b')
    expect((await ask(port, { cookie: 'sid=t-n1.a' })).body).toBe('b')
    balancer.join('a')
    expect((await ask(port, { cookie: 'sid=t-n1.a' })).body).toBe('a')
  })

  it('lets no request wait longer than it was told', async () => {
    const a = await backend('a')
    const { balancer, port } = await balancerFor({ a: portOf(a) }, { holdTimeout: 50 })
    balancer.hold('a')
    expect((await ask(port, { cookie: 'sid=t-n1.a' })).body).toBe('a')
  })

  it('counts the requests that are with a server', async () => {
    const begun: ServerResponse[] = []
    const a = await backend('a', (_req, res) => begun.push(res))
    const { balancer, port } = await balancerFor({ a: portOf(a) })
    const pending = ask(port)
    await until('the server has it', leastWait, () => begun.length === 1)
    expect(balancer.inFlight('a')).toBe(1)
    begun[0]?.end()
    await pending
    await until('none is left', leastWait, () => balancer.inFlight('a') === 0)
  })
})
