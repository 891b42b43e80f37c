import { createHash } from 'node:crypto'
import net from 'node:net'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { hashPassword, printPasswordHash } from '../../../src/admin/access/password-hash.js'
import { startAdminServer } from '../../../src/admin/admin-server.js'
import {
  type AdminAuth,
  type AdminLimits,
  adminSettings,
  defaultAdminLimits,
} from '../../../src/admin/admin-settings.js'
import { createManualClock } from '../../../src/testing/manual-clock.js'
import { waitFor } from '../../../src/testing/wait-for.js'
import { post, request, type SampleServer, sampleOptions, startSample } from '../sample.js'

const mbean = 'holdfast:type=Sample,name=main'
const password = 'a-password-of-the-tests'
const token = 'a-token-of-the-tests'
const write = { type: 'write', mbean, attribute: 'Mode', value: 'sync' }
const basic = (name: string, secret: string) => `Basic ${Buffer.from(`${name}:${secret}`).toString('base64')}`
const asOperator = { Authorization: basic('ops', password) }
const asViewer = { Authorization: `Bearer ${token}` }

let auth: AdminAuth
let open: SampleServer
const started: SampleServer[] = []

beforeAll(async () => {
  auth = {
    users: [
      { name: 'ops', role: 'operator', password: printPasswordHash(await hashPassword(password)) },
      { name: 'plain', role: 'viewer', values: true, password },
    ],
    tokens: [{ name: 'ci', role: 'viewer', sha256: createHash('sha256').update(token).digest('hex') }],
  }
  open = await startSample()
})

afterEach(async () => {
  await Promise.all(started.splice(0).map((server) => server.close()))
})

afterAll(() => open.close())

async function start(...args: Parameters<typeof startSample>): Promise<SampleServer> {
  const server = await startSample(...args)
  started.push(server)
  return server
}

describe('the listener', () => {
  it('is off without an address, and refuses others than loopback without credentials', async () => {
    const options = sampleOptions()
    await expect(startAdminServer(adminSettings(), options)).rejects.toThrow(/admin\.listen: got nothing/)
    const listen = { host: '0.0.0.0', port: 0 }
    await expect(startAdminServer(adminSettings({ listen }), options)).rejects.toMatchObject({
      code: 'HOLDFAST_CONFIG',
    })
    const server = await startAdminServer(adminSettings({ listen, auth }), options)
    expect(options.log.join()).toMatch(/plain text unless something in front speaks TLS/)
    await server.close()
  })

  it('says that a port is taken', async () => {
    const listen = { host: '127.0.0.1', port: open.address.port }
    const starting = startAdminServer(adminSettings({ listen }), sampleOptions())
    await expect(starting).rejects.toThrow(`can't listen on 127.0.0.1:${listen.port}: the port is taken`)
  })

  it('closes within its time while a client keeps a connection open', async () => {
    const server = await startSample()
    const socket = net.connect(server.address.port, '127.0.0.1')
    await new Promise((resolve) => socket.once('connect', resolve))
    socket.on('error', () => {})
    await server.close()
    socket.destroy()
  })

  it('drops clients that send their head or body too slowly', async () => {
    const server = await start({ limits: { headersTimeout: 200, requestTimeout: 400, timeoutCheck: 50 } })
    for (const beginning of [
      'GET /jolokia HTTP/1.1\r\nHost: x\r\nX-',
      'POST /jolokia HTTP/1.1\r\nHost: localhost:PORT\r\nContent-Length: 9\r\n\r\n{',
    ]) {
      const socket = net.connect(server.address.port, '127.0.0.1')
      let received = ''
      let closed = false
      socket.on('data', (chunk) => {
        received += chunk
      })
      socket.on('error', () => {})
      socket.on('close', () => {
        closed = true
      })
      socket.write(beginning.replace('PORT', String(server.address.port)))
      await waitFor(() => closed, { timeout: 10_000 })
      expect(received).toMatch(/^HTTP\/1\.1 408/)
    }
  })

  it('keeps connections of those who behave', async () => {
    const socket = net.connect(open.address.port, '127.0.0.1')
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
    })
    const head = `GET /jolokia/version HTTP/1.1\r\nHost: localhost:${open.address.port}\r\n\r\n`
    socket.write(head)
    await waitFor(() => received.includes('"protocol"'))
    socket.write(head)
    await waitFor(() => received.split('HTTP/1.1 200').length === 3)
    expect(received).not.toMatch(/connection: close/i)
    socket.destroy()
  })
})

describe('the Host', () => {
  it.each([
    'evil.example.com',
    'localhost',
    'localhost:1',
    '127.0.0.1.evil.example:80',
    'localhost:PORT.evil',
    '0.0.0.0:PORT',
  ])('%j is refused with 403, on every path but health', async (host) => {
    const headers = { Host: host.replace('PORT', String(open.address.port)) }
    for (const path of ['/jolokia/version', '/metrics', '/', '/unknown']) {
      expect((await request(open.url + path, { headers })).status).toBe(403)
    }
    expect((await request(`${open.url}/healthz`, { headers })).body).toBe('alive\n')
  })

  it('may be a loopback name with our port, or a configured name', async () => {
    const server = await start({ allowedHosts: ['admin.example.com', 'h:99'] })
    for (const host of [
      'localhost:PORT',
      'LOCALHOST:PORT',
      '127.0.0.1:PORT',
      '[::1]:PORT',
      'Admin.Example.com',
      'h:99',
      '10.1.2.3:PORT',
      '[fe80::1]:PORT',
      '192.0.2.1',
    ]) {
      const headers = { Host: host.replace('PORT', String(server.address.port)) }
      expect((await request(`${server.base}/version`, { headers })).status).toBe(200)
    }
    const headers = { Host: 'evil', 'X-Forwarded-Host': 'h:99' }
    const refused = await request(server.base, { headers })
    expect(refused).toMatchObject({ status: 403, json: { error: expect.stringMatching(/admin\.allowedHosts/) } })
  })

  it('may be one of a pattern', async () => {
    const server = await start({ allowedHosts: ['*.ops.example.com:9400', 'pod-?'] })
    const statusOf = async (host: string) => (await request(server.base, { headers: { Host: host } })).status
    for (const host of ['a.ops.example.com:9400', 'A.B.OPS.example.com:9400', 'pod-7']) {
      expect({ host, status: await statusOf(host) }).toEqual({ host, status: 200 })
    }
    for (const host of [
      'ops.example.com:9400',
      'a.ops.example.com',
      'evil/a.ops.example.com:9400',
      'pod-77',
      'x pod-7',
    ]) {
      expect({ host, status: await statusOf(host) }).toEqual({ host, status: 403 })
    }
  })

  it('is no matter to who has a right token, and only to them', async () => {
    const server = await start({ auth })
    const Host = 'metrics.monitoring.svc:9400'
    expect((await request(server.base, { headers: { Host, ...asViewer } })).status).toBe(200)
    for (const Authorization of ['Bearer nope', 'Bearer ', basic('ops', password)]) {
      expect((await request(server.base, { headers: { Host, Authorization } })).status).toBe(403)
    }
    const open = await start()
    expect((await request(open.base, { headers: { Host, ...asViewer } })).status).toBe(403)
  })
})

describe('other sites', () => {
  it.each([
    ['another Origin', { Origin: 'https://evil.example' }],
    ['the Origin null', { Origin: 'null' }],
    ['our name on another port', { Origin: 'http://127.0.0.1:1' }],
    ['a cross-site fetch', { 'Sec-Fetch-Site': 'cross-site' }],
    ['a same-site fetch', { 'Sec-Fetch-Site': 'same-site' }],
    ['an image', { 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Dest': 'image' }],
    [
      'a link from elsewhere',
      { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' },
    ],
  ])('%s is refused', async (_, headers) => {
    for (const answer of [await request(`${open.base}/version`, { headers }), await post(open.base, write, headers)]) {
      expect(answer).toMatchObject({
        status: 403,
        json: { status: 403, '.error': true, error_type: 'java.lang.Exception' },
      })
      expect(answer.headers).not.toHaveProperty('access-control-allow-origin')
    }
    expect(open.sample.mode).toBe('async')
  })

  it('the own page, a typed address and clients outside of browsers are let through', async () => {
    const own = { Origin: open.url, 'Sec-Fetch-Site': 'same-origin', 'Sec-Fetch-Dest': 'empty' }
    expect((await post(open.base, { type: 'version' }, own)).status).toBe(200)
    const typed = { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
    expect((await request(`${open.base}/version`, { headers: typed })).status).toBe(200)
    expect((await request(`${open.base}/version`, { headers: { 'Sec-Fetch-Mode': 'cors' } })).status).toBe(200)
  })

  it('a browser has to send application/json', async () => {
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp']) {
      const headers = { Origin: open.url, 'Content-Type': type }
      expect((await post(open.base, write, headers)).status).toBe(415)
    }
    expect((await post(open.base, { type: 'version' }, { 'Content-Type': 'text/plain' })).status).toBe(200)
    expect(open.sample.mode).toBe('async')
  })

  it('that are listed may read answers, and ask before without a login', async () => {
    const origin = 'https://hawtio.example.com'
    const server = await start({ auth, allowedOrigins: [origin] })
    const asked = {
      Origin: origin,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'content-type',
    }
    const preflight = await request(server.base, { method: 'OPTIONS', headers: asked })
    expect(preflight).toMatchObject({
      status: 204,
      headers: {
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET, POST',
        'access-control-allow-headers': 'content-type',
        'access-control-allow-credentials': 'true',
        'access-control-max-age': '7200',
        vary: 'Origin',
      },
    })
    const headers = { Origin: origin, 'Sec-Fetch-Site': 'cross-site', ...asViewer }
    const answer = await post(server.base, { type: 'version' }, headers)
    expect(answer).toMatchObject({ status: 200, headers: { 'access-control-allow-origin': origin } })
    const evil = { ...asked, Origin: 'https://evil.example' }
    expect((await request(server.base, { method: 'OPTIONS', headers: evil })).status).toBe(403)
  })
})

describe('the login', () => {
  it('is asked for on every path', async () => {
    const server = await start({ auth, health: { public: false, storage: true } })
    for (const path of ['/jolokia', '/jolokia/config', '/metrics', '/', '/healthz', '/readyz', '/unknown']) {
      const { status, headers, body } = await request(server.url + path)
      expect({ path, status, challenge: headers['www-authenticate'] }).toEqual({
        path,
        status: 401,
        challenge: 'Basic realm="holdfast", charset="UTF-8", Bearer realm="holdfast"',
      })
      expect(body).toBe('a login is needed\n')
    }
  })

  it('takes passwords, hashed or not in the configuration, and tokens', async () => {
    const server = await start({ auth })
    for (const headers of [asOperator, asViewer, { Authorization: basic('plain', password) }]) {
      expect((await request(server.base, { headers })).status).toBe(200)
    }
  })

  it.each([
    ['a wrong password', basic('ops', 'wrong')],
    ['the password of another', basic('nobody', password)],
    ['an empty password', basic('ops', '')],
    ['a hash as password', 'HASH'],
    ['no colon', `Basic ${Buffer.from('ops').toString('base64')}`],
    ['a wrong token', 'Bearer nope'],
    ['another scheme', 'Digest x'],
    ['nothing', ''],
  ])('refuses %s', async (_, given) => {
    const server = await start({ auth })
    const value = given === 'HASH' ? basic('ops', auth.users[0]?.password ?? '') : given
    expect((await request(server.base, { headers: { Authorization: value } })).status).toBe(401)
    expect((await post(server.base, write, { Authorization: value })).status).toBe(401)
    expect(server.sample.mode).toBe('async')
  })

  it('slows down guessing, and lets those in who were right before', async () => {
    const server = await start({ auth, limits: { failedLogins: 3, failedLoginPause: 60_000 } })
    expect((await request(server.base, { headers: asOperator })).status).toBe(200)
    const statuses: number[] = []
    for (let guess = 0; guess < 5; guess++) {
      const { status, headers } = await request(server.base, {
        headers: { Authorization: basic('ops', `guess-${guess}`) },
      })
      statuses.push(status)
      if (status === 429) expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    }
    expect(statuses).toEqual([401, 401, 401, 429, 429])
    const tokens: number[] = []
    for (let guess = 0; guess < 5; guess++) {
      tokens.push((await request(server.base, { headers: { Authorization: `Bearer guess-${guess}` } })).status)
    }
    expect(tokens).toEqual([401, 401, 401, 429, 429])
    expect((await request(server.base, { headers: asOperator })).status).toBe(200)
    expect((await request(server.base, { headers: asViewer })).status).toBe(200)
  })
})

describe('strangers', () => {
  const flood = async (server: SampleServer, headers: Record<string, string>, path = '/jolokia') => {
    const answers = []
    for (let at = 0; at < 60; at++) answers.push(await request(server.url + path, { headers }))
    return answers.map(({ status }) => status)
  }
  const strict = { rate: 5, failedLogins: 3, failedLoginPause: 3_600_000 }

  it('do not make a readiness check fail, whatever they flood', async () => {
    const server = await start({ auth, limits: strict })
    for (const headers of [{}, { Authorization: 'Basic x' }, { Authorization: 'Bearer nope' }] as Record<
      string,
      string
    >[]) {
      expect(await flood(server, headers)).toContain(429)
      expect(await flood(server, {}, '/readyz')).toEqual(Array.from({ length: 60 }, () => 200))
      expect((await request(`${server.url}/healthz`)).status).toBe(200)
    }
    await flood(server, asViewer)
    expect((await request(`${server.url}/readyz`, { headers: asViewer })).body).toBe('ready\n')
    expect(await flood(server, { Authorization: basic('ops', 'wrong') })).toContain(429)
    expect((await request(`${server.url}/readyz`, { headers: asOperator })).status).toBe(200)
  })

  it('do not lock out those who log in from the same address', async () => {
    const server = await start({ auth, limits: strict })
    const floods: Record<string, string>[] = [
      {},
      { Authorization: 'Basic x' },
      { Authorization: `Basic ${'x'.repeat(3000)}` },
      { Authorization: 'Digest username="ops"' },
      { Authorization: 'Bearer nope' },
      { Authorization: basic('nobody', 'x') },
      { Authorization: basic('plain', 'x') },
    ]
    for (const headers of floods) expect(await flood(server, headers)).toContain(429)
    expect((await request(server.base, { headers: asOperator })).status).toBe(200)
    expect((await request(server.base, { headers: asViewer })).status).toBe(200)
  })

  it('are told apart behind a proxy that is trusted, and only there', async () => {
    const from = (address: string) => ({ Authorization: 'Bearer nope', 'X-Forwarded-For': address })
    const guess = async (server: SampleServer, address: string) => {
      return (await request(server.base, { headers: from(address) })).status
    }
    const behind = await start({ auth, trustedProxies: ['127.0.0.0/8'], limits: strict })
    for (let at = 0; at < 3; at++) expect(await guess(behind, `6.6.6.6, 2001:db8:1:2::${at}`)).toBe(401)
    expect(await guess(behind, '2001:DB8:1:2:3:4:5:6')).toBe(429)
    expect(await guess(behind, '2001:db8:1:3::1')).toBe(401)
    expect(await guess(behind, '::ffff:10.0.0.1')).toBe(401)
    expect(behind.audit.entries().at(-1)?.address).toBe('10.0.0.1')
    const alone = await start({ auth, limits: strict })
    for (let at = 0; at < 3; at++) expect(await guess(alone, `10.0.0.${at}`)).toBe(401)
    expect(await guess(alone, '10.0.0.9')).toBe(429)
  })

  it('who hold connections open keep nobody out', async () => {
    const server = await start({
      auth,
      limits: { connections: 20, connectionsPerAddress: 10, headersTimeout: 60_000, requestTimeout: 60_000 },
    })
    const open = (host?: string): net.Socket => {
      const socket = net.connect({ port: server.address.port, host: '127.0.0.1', ...(host && { localAddress: host }) })
      sockets.push(socket.on('error', () => {}).resume())
      return socket
    }
    const sockets: net.Socket[] = []
    const kept = open('127.0.0.2')
    for (let at = 0; at < 40; at++) {
      open()
      open(`127.0.1.${at + 1}`)
    }
    for (let at = 0; at < 5; at++) {
      expect((await request(`${server.url}/healthz`)).status).toBe(200)
      expect((await request(server.base, { headers: asViewer })).status).toBe(200)
    }
    const living = () => sockets.filter((socket) => !socket.destroyed && socket.readyState === 'open').length
    await waitFor(() => living() <= 20)
    expect(kept.destroyed).toBe(true)
    for (const socket of sockets) socket.destroy()
  })
})

describe('rights', () => {
  it('let a viewer read and call what changes nothing, and not write', async () => {
    const server = await start({ auth })
    expect((await post(server.base, { type: 'read', mbean, attribute: 'Mode' }, asViewer)).json.value).toBe('async')
    const add = { type: 'exec', mbean, operation: 'add', arguments: [1, 1] }
    expect((await post(server.base, add, asViewer)).json.value).toBe(2)
    for (const body of [write, { type: 'exec', mbean, operation: 'reset' }]) {
      expect(await post(server.base, body, asViewer)).toMatchObject({
        status: 200,
        json: {
          status: 403,
          error_type: 'java.lang.Exception',
          error: expect.stringMatching(/needs the role operator/),
        },
      })
    }
    expect(server.sample).toMatchObject({ mode: 'async', calls: [] })
    expect((await post(server.base, write, asOperator)).json).toMatchObject({ status: 200, value: 'async' })
    const info = (await request(`${server.base}/list/holdfast/type=Sample,name=main`, { headers: asViewer })).json.value
    expect(info.attr.Mode).toMatchObject({ rw: false, w: false })
    expect([info.op.add.canInvoke, info.op.reset.canInvoke]).toEqual([true, false])
  })

  it('show values only to those who may see them', async () => {
    const server = await start({ auth })
    const read = { type: 'read', mbean, attribute: 'Values' }
    expect((await post(server.base, read, asOperator)).json.status).toBe(403)
    expect((await post(server.base, { type: 'read', mbean }, asOperator)).json.value).not.toHaveProperty('Values')
    const plain = { Authorization: basic('plain', password) }
    expect((await post(server.base, read, plain)).json.value).toEqual({ cart: 'tea' })
  })

  it('end where the endpoint is read-only, for operators, too', async () => {
    const server = await start({ auth, readOnly: true })
    expect((await post(server.base, write, asOperator)).json).toMatchObject({
      status: 403,
      error: expect.stringMatching(/read-only/),
    })
    expect((await post(server.base, { type: 'exec', mbean, operation: 'reset' }, asOperator)).json.status).toBe(403)
    expect(server.sample).toMatchObject({ mode: 'async', calls: [] })
  })

  it('end at the list of what may be changed', async () => {
    const server = await start({ allow: ['holdfast:type=Sample,*/M*', 'holdfast:type=StorageNode,*/*'] })
    expect((await post(server.base, write)).json.status).toBe(200)
    expect((await post(server.base, { ...write, attribute: 'Limit', value: 1 })).json).toMatchObject({
      status: 403,
      error: expect.stringMatching(/not in the list/),
    })
    expect((await post(server.base, { type: 'exec', mbean, operation: 'reset' })).json.status).toBe(403)
  })
})

describe('limits', () => {
  const limited = (limits: Partial<AdminLimits>) => start({ limits })

  it('hold for the body, announced or not', async () => {
    const body = JSON.stringify({ type: 'version', filler: 'x'.repeat(70_000) })
    expect((await post(open.base, body, { 'Content-Length': String(body.length) })).status).toBe(413)
    const chunked = await post(open.base, body, { 'Transfer-Encoding': 'chunked' }).catch((error) => error.code)
    expect([413, 'EPIPE', 'ECONNRESET']).toContain(chunked.status ?? chunked)
  })

  it('hold for its depth', async () => {
    for (const deep of [`${'['.repeat(5000)}${']'.repeat(5000)}`, `${'{"a":'.repeat(20)}1${'}'.repeat(20)}`]) {
      const { status, body } = await post(open.base, deep)
      expect({ status, body }).toEqual({ status: 400, body: 'the body is nested too deeply\n' })
    }
  })

  it('hold for the length of URLs and names', async () => {
    expect((await request(`${open.base}/read/${'x'.repeat(5000)}`)).status).toBe(414)
    expect((await request(`${open.base}/read/a:b=${'x'.repeat(600)}`)).status).toBe(400)
    expect((await request(`${open.base}/exec/a:b=c/d${'/x'.repeat(100)}`)).status).toBe(400)
  })

  it('hold for the rate of a client', async () => {
    const server = await limited({ rate: 1 })
    const answers = []
    for (let at = 0; at < 30; at++) answers.push(await request(server.base))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(0)
    expect(Number(refused[0]?.headers['retry-after'])).toBeGreaterThan(0)
  })

  it('hold for the bytes of the answers to a bulk', async () => {
    const server = await limited({ answerBytes: 2000 })
    const exec = { type: 'exec', mbean, operation: 'reset' }
    const answers = (await post(server.base, Array(50).fill(exec))).json as { status: number; error?: string }[]
    expect(answers).toHaveLength(50)
    const done = answers.filter(({ status }) => status === 200).length
    expect(done).toBeGreaterThan(5)
    expect(server.sample.calls).toHaveLength(done)
    expect(answers[49]).toMatchObject({ status: 500, error: expect.stringMatching(/more than 2000 bytes/) })
  })

  it('hold for requests at once', async () => {
    const server = await limited({ concurrency: 2, memberTimeout: 5000 })
    const hanging = [1, 2].map(() => post(server.base, { type: 'exec', mbean, operation: 'hang' }).catch(() => {}))
    await waitFor(async () => (await request(server.base)).status === 503, { timeout: 4000 })
    await Promise.all(hanging)
    expect((await request(server.base)).status).toBe(200)
  })
})

describe('the rate', () => {
  it('lets a tool read every attribute one by one, by default', async () => {
    const server = await start({ limits: { rate: defaultAdminLimits.rate } })
    const statuses = new Set<number>()
    for (let at = 0; at < 4; at++) {
      const asked = Array.from({ length: 50 }, () => request(`${server.base}/read/${mbean}/Mode`))
      for (const { status } of await Promise.all(asked)) statuses.add(status)
    }
    expect([...statuses]).toEqual([200])
  })

  it('counts each request of a bulk', async () => {
    const server = await start({ limits: { rate: 1 } })
    const bulk = Array(100).fill({ type: 'version' })
    expect((await post(server.base, bulk)).json).toHaveLength(100)
    const next = await post(server.base, bulk)
    expect(next.status).toBe(429)
    expect(Number(next.headers['retry-after'])).toBeGreaterThan(60)
  })

  it('does not let a bulk hold up others: the event loop is given back between its requests', async () => {
    const server = await start()
    const bulk = Array(100).fill({ type: 'version' })
    let turns = 0
    let isOver = false
    const turn = (): void => {
      turns++
      if (!isOver) setImmediate(turn)
    }
    turn()
    await post(server.base, bulk)
    isOver = true
    expect(turns).toBeGreaterThanOrEqual(100)
  })
})

describe('answers', () => {
  it.each(['/jolokia', '/jolokia/dance', '/unknown', '/healthz', '/metrics'])(
    'of %s carry strict headers',
    async (path) => {
      const { headers } = await request(open.url + path)
      expect(headers).toMatchObject({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'referrer-policy': 'no-referrer',
        'content-security-policy': expect.stringMatching(/default-src 'none'.*frame-ancestors 'none'/),
      })
      expect(headers).not.toHaveProperty('access-control-allow-origin')
    },
  )

  it('to 10,000 malformed paths are no 5xx', async () => {
    const piece = fc.constantFrom(
      'read',
      'exec',
      'write',
      'list',
      'search',
      'a:b=c',
      mbean,
      'Memory',
      '*',
      '!',
      '!/',
      '%2F',
      '%',
      '%zz',
      '%00',
      '..',
      '__proto__',
      'constructor',
      'toString',
      '?',
      'p=',
      '&',
      ',',
      '"',
      '""',
      '[null]',
      ':',
      '=',
      '/',
      '//',
      '?maxDepth=1',
      '#',
      ';',
      "'",
      '\\',
    )
    const text = fc.string({ unit: 'binary', maxLength: 12 }).map((t) => encodeURI(t))
    const ascii = fc.string({ maxLength: 12 }).map((t) => t.replaceAll(/[^\x21-\x7e]/g, ''))
    const path = fc.array(fc.oneof(piece, text, ascii), { maxLength: 8 }).map((parts) => `/jolokia/${parts.join('/')}`)
    let asked = 0
    await fc.assert(
      fc.asyncProperty(fc.array(path, { minLength: 50, maxLength: 50 }), async (paths) => {
        const answers = await Promise.all(paths.map((path) => request(open.url, { path })))
        asked += answers.length
        for (const [at, { status, body }] of answers.entries()) {
          if (![200, 400].includes(status)) throw new Error(`${paths[at]}: ${status}`)
          if (/\[native code\]|function/.test(body)) throw new Error(`${paths[at]}: ${body}`)
        }
      }),
      { numRuns: 200 },
    )
    expect(asked).toBeGreaterThanOrEqual(10_000)
    expect(open.log.filter((line) => line.startsWith('admin: '))).toEqual([])
    expect(open.sample).toMatchObject({ mode: 'async', calls: [] })
  })

  it('to bodies of any shape are no 5xx', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.json(), fc.string()), async (body) => {
        expect([200, 400]).toContain((await post(open.base, body)).status)
      }),
      { numRuns: 500 },
    )
  })
})

describe('the audit log', () => {
  it('has every write, call and refusal, with old and new value', async () => {
    const server = await start({ auth })
    await post(server.base, write, asOperator)
    await post(server.base, { type: 'exec', mbean, operation: 'fail' }, asOperator)
    await post(server.base, write, asViewer)
    await request(`${server.base}/write/${mbean}/Mode/async`, { headers: asOperator })
    await request(server.base, { headers: { Authorization: 'Bearer nope' } })
    await request(server.base, { headers: { Host: 'evil' } })
    const common = { address: '127.0.0.1', time: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) }
    expect(server.audit.entries()).toMatchObject([
      { ...common, action: 'login', principal: 'ops', outcome: 'done, by password' },
      {
        ...common,
        action: 'write',
        principal: 'ops',
        mbean,
        member: 'Mode',
        old: 'async',
        new: 'sync',
        outcome: 'done',
      },
      { ...common, action: 'exec', principal: 'ops', mbean, member: 'fail', arguments: [], outcome: 'failed: broken' },
      { ...common, action: 'login', principal: 'ci', outcome: 'done, by token' },
      { ...common, action: 'refused', principal: 'ci', mbean, member: 'Mode', outcome: 'that needs the role operator' },
      { ...common, action: 'refused', principal: 'ops', outcome: 'write by GET' },
      { ...common, action: 'refused', outcome: expect.stringMatching(/^401 the login is wrong: GET \/jolokia/) },
      { ...common, action: 'refused', outcome: expect.stringMatching(/^403 the Host is not one of ours/) },
    ])
    expect(server.log).toHaveLength(8)
  })

  it('hides secrets, and nothing in it makes a line of its own', async () => {
    const server = await start()
    await post(server.base, { type: 'write', mbean, attribute: 'Key', value: 'top secret' })
    await post(server.base, { type: 'exec', mbean, operation: 'login', arguments: ['top secret'] })
    await post(server.base, { type: 'write', mbean, attribute: 'Key', value: ['top secret'] })
    await post(server.base, { type: 'exec', mbean, operation: 'login', arguments: [['top secret']] })
    await post(server.base, { ...write, value: 'x\r\n\u2028admin audit: forged \u001b[2J\u202e' })
    server.audit.add({
      action: 'exec',
      address: 'x',
      arguments: ['\r\n\u2028forged \u001b[2J\u202e\u009b'],
      outcome: 'no\nline',
    })
    expect(server.log.join('|')).not.toMatch(/top secret/)
    expect(server.audit.entries()[0]).toMatchObject({ new: '[hidden]', outcome: 'done' })
    expect(server.log).toHaveLength(6)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what must not be there
    for (const line of server.log) expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202e]/)
    expect(JSON.parse(server.log[4]?.replace('admin audit: ', '') ?? '').new).toMatch(/^\[a text of \d+ characters\]$/)
    expect(JSON.parse(server.log[5]?.replace('admin audit: ', '') ?? '').arguments[0]).toContain('forged')
  })

  it('names the user whose login was tried, if there is one, and never what was given', async () => {
    const server = await start({ auth })
    for (const [name, given] of [
      ['ops', 'wrong-word'],
      ['wrong-word', 'x'],
    ]) {
      await request(server.base, { headers: { Authorization: basic(name as string, given as string) } })
    }
    expect(server.audit.entries().map(({ action, claimed }) => [action, claimed])).toEqual([
      ['refused', 'ops'],
      ['refused', undefined],
    ])
    expect(server.log.join()).not.toContain('wrong-word')
  })

  it('has a login once, not with every request, and again after some time', async () => {
    const clock = createManualClock(0)
    const server = await start({ auth }, { clock })
    const logins = () => server.audit.entries().filter(({ action }) => action === 'login').length
    for (let at = 0; at < 3; at++) await request(server.base, { headers: asViewer })
    expect(logins()).toBe(1)
    clock.advance(9 * 60_000)
    await request(server.base, { headers: asViewer })
    expect(logins()).toBe(1)
    clock.advance(11 * 60_000)
    await request(server.base, { headers: asViewer })
    expect(logins()).toBe(2)
  })

  it('has a wrong login although others flood it with refusals', async () => {
    const server = await start({ auth, trustedProxies: ['127.0.0.1'] })
    for (let at = 0; at < 120; at++) {
      await request(server.base, { headers: { 'X-Forwarded-For': `10.0.${at % 3}.1` } })
    }
    const late = { 'X-Forwarded-For': '10.9.9.9' }
    await request(server.base, { headers: { ...late, Authorization: 'Bearer nope' } })
    expect(server.audit.entries().at(-1)).toMatchObject({ address: '10.9.9.9', action: 'refused' })
    expect(server.log.length).toBeLessThan(4 * 60)
  })
})
