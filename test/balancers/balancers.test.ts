import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { Opened } from '../../src/testing/opened.js'
import { startMemcached } from '../../src/testing/start-memcached.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { Visitor } from '../support/visitor.js'
import { type BalancerKind, balancerKinds, startBalancer } from './balancer-process.js'
import { startCounting } from './counting.js'
import { installShop, type Shop, startShop } from './shop.js'

/** One is the end of another, two differ by case only, and all that a route may have is there. */
const routes = ['app1', 'my-app1', 'APP1']
const slow = { timeout: 60_000 }

describe.each(balancerKinds)('what is printed for %s, in front of three servers', { timeout: 240_000 }, (kind) => {
  let opened: Opened
  let shops: Shop[]

  beforeEach(() => {
    opened = new Opened()
  })

  afterEach(() => opened.close(), 60_000)

  async function startShops(environment: Record<string, string> = {}, names = routes): Promise<void> {
    const [n1, n2] = await opened.addAll([startMemcached(), startMemcached()])
    const SESSION_NODES = `n1:memcached://127.0.0.1:${n1?.port} n_2:memcached://127.0.0.1:${n2?.port}`
    const folder = await installShop(opened)
    const one = (route: string) => startShop(opened, folder, route, { SESSION_NODES, ...environment })
    shops = await Promise.all(names.map(one))
  }

  /** The balancer's URL. */
  async function start(args: string[] = [], tls = false): Promise<string> {
    /* Apache can't ask on another port than the application's. */
    const healthPort = ({ port, adminPort }: Shop): number => (kind === 'apache' ? port : adminPort)
    const servers = shops.map((one) => `${one.route}=127.0.0.1:${one.port},${healthPort(one)}`)
    const balancer = await opened.add(startBalancer(kind, [...servers, '--health', '/readyz', ...args], tls))
    return `${tls ? 'https' : 'http'}://127.0.0.1:${balancer.port}/`
  }

  function shop(route: string | undefined): Shop {
    const found = shops.find((candidate) => candidate.route === route)
    if (found === undefined) throw new Error(`no server ${route}`)
    return found
  }

  const others = (one: Shop): Shop[] => shops.filter((other) => other !== one)
  const takeovers = async (): Promise<number> =>
    (await Promise.all(shops.map((one) => one.metric('holdfast_takeovers_total')))).reduce((a, b) => a + b, 0)

  /** A visitor of each server. */
  async function visitors(url: string, name?: string): Promise<Visitor[]> {
    const found = new Map<string | undefined, Visitor>()
    await waitFor(async () => {
      const visitor = new Visitor(name)
      await visitor.post(url, {})
      found.set(visitor.route, visitor)
      return shops.every(({ route }) => found.has(route))
    }, slow)
    return shops.map(({ route }) => found.get(route) as Visitor)
  }

  async function servedBy(visitor: Visitor, url: string, headers = {}): Promise<string> {
    const answer = await visitor.get(url, headers)
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
    return answer.json<{ server: string }>().server
  }

  it('keeps each visitor at the server that the session id names', async () => {
    await startShops()
    const url = await start()
    const all = await visitors(url)
    for (let round = 0; round < 5; round++) {
      expect(await Promise.all(all.map((visitor) => servedBy(visitor, url)))).toEqual(routes)
    }
    expect(await takeovers()).toBe(0)
  })

  it('is not led astray by other cookies, nor by parameters of the URL', async () => {
    await startShops()
    const url = await start()
    const [visitor] = (await visitors(url)) as [Visitor]
    const elsewhere = (visitor.id as string).replace('.app1', '.APP1')
    const cookie = `xsid=${elsewhere}; sid2=${elsewhere}; a=b.APP1; sid=${visitor.id}; z=sid=${elsewhere}`
    expect(await servedBy(visitor, url, { cookie })).toBe('app1')
    expect(await servedBy(visitor, `${url}?sid=${elsewhere}`)).toBe('app1')
    await visitor.get(`${url};sid=${elsewhere}`)
    expect(await takeovers()).toBe(0)
  })

  it('serves visitors whose cookie names no server', async () => {
    await startShops()
    const url = await start()
    for (const id of ['', 'x', 'x.nobody', 'x-n1.', `${'a'.repeat(3000)}.app1`]) {
      const visitor = new Visitor()
      visitor.id = id
      expect(routes).toContain(await servedBy(visitor, url))
    }
  })

  it('sends the visitors of a dead server to the others, and its own back to it when it lives', async () => {
    await startShops()
    const url = await start()
    const all = await visitors(url)
    const [visitor, ...rest] = all as [Visitor, Visitor, Visitor]
    const early = visitor.copy()
    const dead = shop('app1')
    /* What has not been stored yet would die with it. */
    await waitFor(async () => (await dead.metric('holdfast_write_behind_pending_sessions')) === 0)
    await dead.process.kill()
    for (let round = 0; round < 10; round++) {
      const answer = await visitor.post(url, {})
      expect([answer.status, answer.json<{ count: number }>().count]).toEqual([200, round + 2])
      expect(await Promise.all(rest.map((other) => servedBy(other, url)))).toEqual(['my-app1', 'APP1'])
    }
    expect(others(dead).map(({ route }) => route)).toContain(visitor.route)
    const now = visitor.route
    await dead.restart()
    await waitFor(async () => (await servedBy(new Visitor(), url)) === 'app1', { ...slow, message: 'new visitors' })
    expect(await servedBy(visitor, url)).toBe(now)
    await waitFor(async () => (await servedBy(early.copy(), url)) === 'app1', { ...slow, message: 'old visitors' })
  })

  it('loses no request and no change when all servers are restarted one after the other', async () => {
    /* A visitor changes servers while they drain: what was answered has to be stored by then. */
    await startShops({ SESSION_BACKUP: 'sync' })
    const url = await start()
    const load = startCounting(url, [...(await visitors(url)), ...(await visitors(url))])
    for (const one of shops) {
      await one.process.kill('SIGTERM')
      const before = load.requests
      await one.restart()
      await waitFor(async () => (await servedBy(new Visitor(), url)) === one.route, { ...slow, message: one.route })
      await waitFor(() => load.requests > before + 50, slow)
    }
    const { requests, failures } = await load.stop()
    expect(failures).toEqual([])
    expect(requests).toBeGreaterThan(300)
  })

  it('sends nobody to a server that drains and still serves', async () => {
    await startShops({ DRAIN_MS: '600000' })
    const url = await start()
    const [visitor, ...rest] = (await visitors(url)) as [Visitor, Visitor, Visitor]
    const draining = shop('app1')
    process.kill(draining.process.pid as number, 'SIGTERM')
    await waitFor(async () => (await servedBy(visitor.copy(), url)) !== 'app1', { ...slow, message: 'the balancer' })
    expect(await visitor.post(url, {})).toMatchObject({ status: 200 })
    expect(others(draining).map(({ route }) => route)).toContain(visitor.route)
    expect(await Promise.all(rest.map((other) => servedBy(other, url)))).toEqual(['my-app1', 'APP1'])
    expect(await servedBy(new Visitor(), `http://127.0.0.1:${draining.port}/`)).toBe('app1')
  })

  it('passes WebSockets, and keeps /readyz of the application to itself', async () => {
    const server = createServer((_req, res) => res.end('page'))
    const sockets = new WebSocketServer({ server })
    sockets.on('connection', (socket) => socket.on('message', (text) => socket.send(`heard ${text}`)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await opened.add(Promise.resolve({ close: async () => void server.close().closeAllConnections() }))
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`
    const { host, port } = await opened.add(startBalancer(kind, [`a=${address}`, '--health', '/readyz']))
    const socket = new WebSocket(`ws://${host}:${port}/`)
    await once(socket, 'open')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('heard hello')
    socket.terminate()
    expect((await new Visitor().get(`http://${host}:${port}/readyz`)).status).toBe(404)
    expect(await new Visitor().get(`http://${host}:${port}/readyzz`)).toMatchObject({ status: 200, body: 'page' })
  })

  it('keeps visitors in place by a __Host- cookie over TLS', async () => {
    await startShops({ SESSION_COOKIE: '__Host-sid' })
    const url = await start(['--name', '__Host-sid', ...certificate(await opened.folder(), kind)], true)
    const all = await visitors(url, '__Host-sid')
    const answer = await new Visitor('__Host-sid').post(url, {})
    expect(String(answer.headers['set-cookie'])).toMatch(/^__Host-sid=[^;]+; Path=\/; (?=.*Secure)(?!.*Domain)/)
    for (let round = 0; round < 3; round++) {
      expect(await Promise.all(all.map((visitor) => servedBy(visitor, url)))).toEqual(routes)
    }
    expect(await takeovers()).toBe(0)
  })

  it('lets the servers take turns in non-sticky mode', async () => {
    await startShops({ SESSION_MODE: 'non-sticky' })
    const url = await start(['--mode', 'non-sticky'])
    const visitor = new Visitor()
    const served = new Set<string>()
    for (let count = 1; served.size < 3 || count < 6; count++) {
      const answer = (await visitor.post(url, {})).json<{ server: string; count: number }>()
      expect(answer.count).toBe(count)
      served.add(answer.server)
    }
  })
})

function certificate(folder: string, kind: BalancerKind): string[] {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=shop.example']
  execFileSync('openssl', [...request, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  if (kind !== 'haproxy') return ['--certificate', cert, '--key', key]
  const both = join(folder, 'both.pem')
  writeFileSync(both, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'))
  return ['--certificate', both]
}
