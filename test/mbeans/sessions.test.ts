import { createHash } from 'node:crypto'
import { afterEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, secret } from '../support/app-server.js'
import { Cluster, visitorsOf } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { AdminClient, asChooser, nodesAdmin, openAdmin } from './admin-client.js'

const modes = ['sticky', 'non-sticky'] as const
const token = 'a-token-of-the-tests-with-enough-bits'
const sha256 = createHash('sha256').update(token).digest('hex')

let cluster: Cluster
let server: AppServer
let client: AdminClient

async function start(options: Partial<HoldfastOptions>, headers: Record<string, string> = {}): Promise<void> {
  cluster = await Cluster.of('n1', 'n2')
  server = await cluster.server('a', { admin: openAdmin, ...options })
  client = new AdminClient(server, headers)
}

async function visit(attributes: object): Promise<Visitor> {
  const visitor = new Visitor()
  await visitor.post(server.url, attributes)
  await client.exec('SessionManager', 'flush', 5000)
  return visitor
}

function handleOf(visitor: Visitor): string {
  return createHash('sha256')
    .update(visitor.token as string)
    .digest('base64url')
    .slice(0, 12)
}

async function attributesOf(visitor: Visitor): Promise<unknown> {
  return (await visitor.get(server.url)).json<{ attributes: unknown }>().attributes
}

afterEach(() => cluster.close())

describe.each(modes)('in %s mode', (mode) => {
  it('a session is found by its handle, with the names, sizes and codecs of its attributes', async () => {
    await start({ mode })
    const visitor = await visit({ cart: { tea: 2 }, user: 'ann' })
    const found = await client.exec('SessionManager', 'findSession', handleOf(visitor))
    expect(found).toMatchObject({
      handle: handleOf(visitor),
      idleTimeout: 1_800_000,
      absoluteDeadline: null,
      saved: true,
      activeRequests: 0,
      attributes: [
        { name: 'cart', codec: 'json', bytes: 9 },
        { name: 'user', codec: 'json', bytes: 5 },
      ],
    })
    expect(found.copies[0]).toEqual({ node: visitor.node, changedAt: found.changedAt })
    expect(Date.parse(found.changedAt)).toBeGreaterThanOrEqual(Date.parse(found.createdAt))
    expect(found.copies).toHaveLength(mode === 'sticky' ? 1 : 2)
    expect(Date.parse(found.expiresAt) - Date.parse(found.accessedAt)).toBe(1_800_000)
    expect(await client.exec('SessionManager', 'findSession', 'nobodyhasit_')).toBeNull()
  })

  it('sessions are listed in pages and in orders', async () => {
    await start({ mode })
    const visitors = [await visit({ a: 'x'.repeat(10) }), await visit({ a: 'x'.repeat(500) }), await visit({ a: 'x' })]
    const list = (...args: unknown[]) => client.exec('SessionManager', 'listSessions', ...args)
    const handles = async (...args: unknown[]) =>
      (await list(...args)).sessions.map((s: { handle: string }) => s.handle)
    const all = visitors.map(handleOf)
    expect(await list(1, 1)).toMatchObject({ total: 3, offset: 1, sessions: [{ handle: all[1], saved: true }] })
    expect(await handles(0, 10)).toEqual(all)
    expect(await handles(3, 10)).toEqual([])
    expect((await handles(0, 10, 'accessed')).sort()).toEqual([...all].sort())
    expect((await handles(0, 10, 'expires')).sort()).toEqual([...all].sort())
    if (mode === 'sticky') expect(await handles(0, 1, 'size')).toEqual([all[1]])
    expect((await client.call('SessionManager', 'listSessions', 0, 10_000)).error).toContain('1 to 1000')
    expect((await client.call('SessionManager', 'listSessions', 0)).error).toBe('got 1 arguments, expected 2 to 3')
  })

  it.each([
    ['destroySession', 'destroyed', 'SessionsDestroyed'],
    ['expireSession', 'expired', 'SessionsExpired'],
  ] as const)('%s ends a session for good, on other servers, too', async (operation, event, counter) => {
    await start({ mode })
    const other = await cluster.server('b', { mode })
    const events: string[] = []
    server.sessions.on(event, ({ handle }) => void events.push(handle))
    const visitor = await visit({ user: 'ann' })
    const handle = handleOf(visitor)
    expect(await client.exec('SessionManager', operation, handle)).toBe(true)
    expect(events).toEqual([handle])
    expect(await client.read('Statistics', counter)).toBe(1)
    expect(await attributesOf(visitor)).toEqual({})
    expect((await visitor.get(other.url)).json<{ attributes: unknown }>().attributes).toEqual({})
    expect(await client.exec('SessionManager', operation, handle)).toBe(false)
    expect(await client.exec('SessionManager', 'findSession', handle)).toBeNull()
  })

  it('all sessions are ended at once', async () => {
    await start({ mode })
    const visitors = await visitorsOf(server, 150)
    await client.exec('SessionManager', 'flush', 5000)
    expect(await client.exec('SessionManager', 'destroyAllSessions')).toBe(150)
    expect(await client.exec('SessionManager', 'listSessions', 0, 10)).toEqual({ total: 0, offset: 0, sessions: [] })
    for (const visitor of visitors.slice(0, 5)) expect(await attributesOf(visitor)).toEqual({})
    expect(await client.exec('SessionManager', 'destroyAllSessions')).toBe(0)
  })

  it('reprotect stores again what is not where it should be', async () => {
    await start({ mode })
    const visitor = await visit({ n: 1 })
    await Promise.all([cluster.memcached('n1').kill(), cluster.memcached('n2').kill()])
    const states = async () =>
      Object.values<{ State: string }>(
        (await client.ask({ type: 'read', mbean: 'holdfast:type=StorageNode,*', attribute: 'State' })).value,
      ).map(({ State }) => State)
    await waitFor(async () => (await states()).join() === 'down,down', { timeout: 10_000, message: 'both to be down' })
    if (mode === 'sticky') {
      await visitor.post(server.url, { n: 2 })
      await waitFor(async () => (await client.read('SessionManager', 'UnprotectedSessions')) === 1, {
        timeout: 10_000,
        message: 'the session to be unprotected',
      })
    }
    await Promise.all([cluster.memcached('n1').restart(), cluster.memcached('n2').restart()])
    await waitFor(async () => (await states()).join() === 'up,up', { timeout: 10_000, message: 'both to be up' })
    await client.exec('SessionManager', 'reprotect')
    await waitFor(async () => !(await client.read('SessionManager', 'Protecting')), {
      timeout: 10_000,
      message: 'the protection to be done',
    })
    await waitFor(async () => (await client.exec('SessionManager', 'flush', 2000)) === 0, {
      timeout: 10_000,
      message: 'everything to be stored',
    })
    if (mode === 'sticky') expect(await attributesOf(visitor)).toEqual({ n: 2 })
    expect(await client.read('SessionManager', 'UnprotectedSessions')).toBe(0)
  })

  it('no answer has an id, a token of a session or a secret', async () => {
    await start({ mode })
    const visitors = [await visit({ user: 'ann' }), await visit({ user: 'bob' })]
    const names: string[] = (await client.ask({ type: 'search', mbean: '*:*' })).value
    await client.ask(names.map((mbean) => ({ type: 'read', mbean })))
    await client.ask({ type: 'list' })
    await client.exec('SessionManager', 'listSessions', 0, 100)
    for (const visitor of visitors) await client.exec('SessionManager', 'findSession', handleOf(visitor))
    await client.metrics()
    const seen = client.seen.join('\n')
    expect(seen).toContain(handleOf(visitors[0] as Visitor))
    for (const { token } of visitors) expect(seen).not.toContain(token as string)
    for (const hidden of [secret, 'ann', 'bob']) expect(seen).not.toContain(hidden)
  })
})

describe('values of attributes', () => {
  const auth = {
    tokens: [
      { name: 'ops', role: 'operator', sha256 },
      { name: 'support', role: 'viewer', values: true, sha256: createHash('sha256').update('support').digest('hex') },
    ],
  } as const
  const admin = { ...openAdmin, auth }

  it('are shown as JSON to those who have the right to see them, and to nobody else', async () => {
    await start({ admin }, { authorization: `Bearer ${token}` })
    const visitor = await visit({ cart: { tea: 2 } })
    const value = [handleOf(visitor), 'cart'] as const
    const refused = await client.call('SessionManager', 'sessionValue', ...value)
    expect(refused).toMatchObject({ status: 403 })
    const support = new AdminClient(server, { authorization: 'Bearer support' })
    expect(await support.exec('SessionManager', 'sessionValue', ...value)).toBe('{"tea":2}')
    expect(await support.exec('SessionManager', 'sessionValue', handleOf(visitor), 'none')).toBeNull()
    expect(await support.call('SessionManager', 'destroySession', handleOf(visitor))).toMatchObject({ status: 403 })
    expect(await attributesOf(visitor)).toEqual({ cart: { tea: 2 } })
  })
})

describe('what is given by mistake', () => {
  it('a whole id in the place of a handle is refused and does not reach the audit log', async () => {
    const log: string[] = []
    const add = (message: string) => void log.push(message)
    await start({ logger: { debug: add, info: add, warn: add, error: add } })
    const visitor = await visit({ n: 1 })
    const answer = await client.call('SessionManager', 'destroySession', visitor.id)
    expect(answer.error).toContain('the handle of a session')
    const audited = log.filter((line) => line.includes('destroySession'))
    expect(audited).toHaveLength(1)
    expect(audited[0]).not.toContain(visitor.token)
    expect(await attributesOf(visitor)).toEqual({ n: 1 })
  })

  it('passwords in Nodes are neither logged nor read back, and what is read back can not be written', async () => {
    const log: string[] = []
    const add = (message: string) => void log.push(message)
    await start({ admin: nodesAdmin, logger: { debug: add, info: add, warn: add, error: add } }, asChooser)
    const nodes = `n1:memcached://ann:hidden-word@127.0.0.1:${cluster.memcached('n1').port}`
    expect((await client.write('SessionManager', 'Nodes', nodes)).status).toBe(200)
    const shown = await client.read('SessionManager', 'Nodes')
    expect(shown).toBe(`n1:memcached://[redacted]@127.0.0.1:${cluster.memcached('n1').port}`)
    expect(JSON.stringify(await client.read('SessionManager'))).not.toContain('hidden-word')
    expect((await client.write('SessionManager', 'Nodes', shown)).error).toContain('not shown')
    expect(log.join('\n')).not.toContain('hidden-word')
  })

  it.each([
    ['a text', 'n1:redis://user:hidden-word@127.0.0.1:1'],
    ['a list, as the configuration takes it', ['n1:redis://user:hidden-word@127.0.0.1:1']],
    ['objects', [{ id: 'n1', url: 'redis://user:hidden-word@127.0.0.1:1' }]],
    ['an object', { url: 'redis://127.0.0.1:1', password: 'hidden-word' }],
    ['a password with a comma', 'n1:redis://user:x,hidden-word,y@127.0.0.1:1'],
    ['a password with a space', 'n1:redis://user:x hidden-word y@127.0.0.1:1'],
    ['a password with an @', 'n1:redis://user:x@hidden-word@127.0.0.1:1'],
    ['no host', 'n1:redis://user:hidden-word'],
    ['a password in the query', 'n1:redis+sentinel://127.0.0.1:1/name?sentinelPassword=hidden-word'],
    ['a typo in the scheme', 'n1:redis//user:hidden-word@127.0.0.1:1'],
    ['a password only', 'n1:redis://hidden-word@127.0.0.1:1'],
    ['digits first', 'n1:redis://user:123,hidden-word@127.0.0.1:1'],
    ['the password alone', 'hidden-word and more'],
    ['two addresses', 'n1:redis://user:hidden-word@h:1 n1:redis://u:hidden-word'],
  ])('no password gets into the log, whatever is written where: %s', async (_, value) => {
    const log: string[] = []
    const add = (message: string) => void log.push(message)
    await start({ admin: nodesAdmin, logger: { debug: add, info: add, warn: add, error: add } }, asChooser)
    for (const attribute of ['Nodes', 'FailoverNodes', 'Mode', 'IdleTimeout', 'Enabled', 'BackupMode', 'NoSuch']) {
      const { status } = await client.write('SessionManager', attribute, value)
      if (attribute !== 'Nodes') expect(status).not.toBe(200)
    }
    await client.call('SessionManager', 'flush', value)
    await client.call('SessionManager', 'flush', 1, value)
    await client.call('SessionManager', 'destroySession', value)
    await client.call('SessionManager', 'listSessions', 0, 1, value)
    const path = typeof value === 'string' ? encodeURIComponent(value) : 'hidden-word'
    for (const type of ['exec', 'write', 'read', path]) await fetch(`${client.url}/jolokia/${type}/${path}`)
    await fetch(`${client.url}/${path}`)
    const audited = log.filter((line) => line.startsWith('admin audit'))
    expect(audited.length).toBeGreaterThan(10)
    expect(log.join('\n')).not.toContain('hidden-word')
  })

  it('who may not see values may not choose where they are stored, and is told so', async () => {
    await start({})
    const answer = await client.write('SessionManager', 'Nodes', 'memory://')
    expect(answer).toMatchObject({ status: 403, error: expect.stringContaining('choose the storage nodes') })
    const list = await client.ask({ type: 'list', path: 'holdfast/type=SessionManager/attr' })
    expect(list.value.Nodes).toMatchObject({ r: true, w: false })
    expect(list.value.FailoverNodes).toMatchObject({ w: true })
  })
})
