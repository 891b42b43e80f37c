import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AppServer } from '../support/app-server.js'
import { Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { AdminClient, asChooser, nodesAdmin } from './admin-client.js'

let cluster: Cluster
let server: AppServer
let client: AdminClient

beforeEach(async () => {
  cluster = await Cluster.of('n1', 'n2')
  server = await cluster.server('a', { admin: nodesAdmin }, (app) => {
    app.get('/slow', (req, res) => {
      const { session } = req as unknown as { session: Record<string, number> }
      session.started = (session.started ?? 0) + 1
      setTimeout(() => {
        session.ended = (session.ended ?? 0) + 1
        res.json(session.started)
      }, 100)
    })
  })
  client = new AdminClient(server, asChooser)
})

afterEach(() => cluster.close())

/** Writes over HTTP, and checks that the answer is the old value and that the new one is read from now on. */
async function change(type: string, attribute: string, value: unknown): Promise<void> {
  const old = await client.read(type, attribute)
  const answer = await client.write(type, attribute, value)
  expect(answer).toMatchObject({ status: 200, value: old })
  expect(await client.read(type, attribute)).toEqual(value)
}

const counted = (name: string) => client.read('Statistics', name)

describe('an attribute that is written over HTTP has its effect on the next request', () => {
  it('Mode', async () => {
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    expect(visitor.route).toBe('a')
    await change('SessionManager', 'Mode', 'non-sticky')
    expect((await visitor.get(server.url)).json<{ attributes: unknown }>().attributes).toEqual({ n: 1 })
    await visitor.post(server.url, { n: 2 })
    const other = new Visitor()
    await other.post(server.url, { n: 3 })
    expect(other.route).toBeUndefined()
    expect(await client.read('LocalSessions', 'KnownSessions')).toBe(2)
  })

  it('Nodes and FailoverNodes', async () => {
    await change('SessionManager', 'FailoverNodes', 'n1')
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    expect(visitor.node).toBe('n2')
    await client.write('SessionManager', 'FailoverNodes', '')
    const { port } = cluster.memcached('n1')
    await change('SessionManager', 'Nodes', `other:memcached://127.0.0.1:${port}`)
    await visitor.get(server.url)
    expect(visitor.node).toBe('other')
  })

  it('Enabled', async () => {
    await change('SessionManager', 'Enabled', false)
    const visitor = new Visitor()
    const before = await cluster.memcached('n1').storageOperations()
    await visitor.post(server.url, { n: 1 })
    expect((await visitor.get(server.url)).body).toContain('"n":1')
    expect([visitor.node, await cluster.memcached('n1').storageOperations()]).toEqual([undefined, before])
    await change('SessionManager', 'Enabled', true)
    await visitor.get(server.url)
    expect(visitor.node).toMatch(/n[12]/)
  })

  it('StatisticsEnabled', async () => {
    await change('SessionManager', 'StatisticsEnabled', false)
    await new Visitor().post(server.url, { n: 1 })
    expect(await counted('SessionsCreated')).toBe(0)
    await change('SessionManager', 'StatisticsEnabled', true)
    await new Visitor().post(server.url, { n: 1 })
    expect(await counted('SessionsCreated')).toBe(1)
  })

  it('IgnorePattern', async () => {
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    await change('SessionManager', 'IgnorePattern', '/untouched/')
    await visitor.get(`${server.url}/untouched`)
    expect(await counted('RequestsIgnored')).toBe(1)
    await change('SessionManager', 'IgnorePattern', '')
    await visitor.get(`${server.url}/untouched`)
    expect(await counted('RequestsIgnored')).toBe(1)
  })

  it('AttributeFilter', async () => {
    await change('SessionManager', 'AttributeFilter', '/^kept$/')
    await new Visitor().post(server.url, { kept: 1, other: 2 })
    const [{ handle }] = (await client.exec('SessionManager', 'listSessions', 0, 1)).sessions
    const { attributes } = await client.exec('SessionManager', 'findSession', handle)
    expect(attributes).toEqual([{ name: 'kept', codec: 'json', bytes: 1 }])
  })

  it('BackupMode', async () => {
    await change('SessionManager', 'BackupDelay', 1000)
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    expect(await counted('EffectiveBackup')).toMatchObject({ count: 0 })
    await change('SessionManager', 'BackupTimeout', 5000)
    await change('SessionManager', 'BackupMode', 'sync')
    await visitor.post(server.url, { n: 3 })
    expect(await counted('EffectiveBackup')).toMatchObject({ count: 1 })
    expect(await client.read('WriteBehind')).toMatchObject({ PendingSessions: 0, PendingBytes: 0, OldestPendingAge: 0 })
  })

  it('the mode of Locking', async () => {
    await change('SessionManager', 'Mode', 'non-sticky')
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    const both = () => Promise.all([visitor.copy(), visitor.copy()].map((v) => v.get(`${server.url}/slow`)))
    await both()
    expect(await counted('LocksAcquired')).toBe(0)
    await change('Locking', 'Timeout', 10_000)
    await change('Locking', 'Mode', 'all')
    await both()
    expect(await counted('LocksAcquired')).toBe(2)
    await change('Locking', 'Pattern', '/nothing-like-this/')
    await change('Locking', 'Mode', 'uri')
    await both()
    expect(await counted('LocksAcquired')).toBe(2)
    const { attributes } = (await visitor.get(server.url)).json<{ attributes: Record<string, number> }>()
    expect(attributes.started).toBeGreaterThanOrEqual(3)
  })

  it('what Locking does when requests wait too long', async () => {
    await change('SessionManager', 'Mode', 'non-sticky')
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    await change('Locking', 'Timeout', 0)
    await change('Locking', 'Mode', 'all')
    const statuses = async () =>
      (await Promise.all([visitor.copy(), visitor.copy()].map((v) => v.get(`${server.url}/slow`)))).map((a) => a.status)
    expect((await statuses()).sort()).toEqual([200, 503])
    await change('Locking', 'OnTimeout', 'proceed')
    expect(await statuses()).toEqual([200, 200])
  })

  it('MaxActiveSessions', async () => {
    await new Visitor().post(server.url, { n: 1 })
    await change('SessionManager', 'MaxActiveSessions', 1)
    expect((await new Visitor().post(server.url, { n: 1 })).status).toBe(503)
    await change('SessionManager', 'MaxActiveSessions', 0)
    expect((await new Visitor().post(server.url, { n: 1 })).status).toBe(200)
  })

  it('IdleTimeout and AbsoluteTimeout', async () => {
    await change('SessionManager', 'IdleTimeout', 60_000)
    await change('SessionManager', 'AbsoluteTimeout', 90_000)
    await new Visitor().post(server.url, { n: 1 })
    const [{ handle }] = (await client.exec('SessionManager', 'listSessions', 0, 1)).sessions
    const found = await client.exec('SessionManager', 'findSession', handle)
    expect(found.idleTimeout).toBe(60_000)
    expect(Date.parse(found.absoluteDeadline) - Date.parse(found.createdAt)).toBe(90_000)
  })

  it('TrustFor', async () => {
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    await client.exec('SessionManager', 'flush', 5000)
    await visitor.get(server.url)
    expect(await counted('Verifications')).toBe(0)
    await change('SessionManager', 'TrustFor', 0)
    await visitor.get(server.url)
    expect(await counted('Verifications')).toBe(1)
  })

  it('Rolling', async () => {
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    expect((await visitor.get(server.url)).cookie).toBeUndefined()
    await change('SessionManager', 'Rolling', true)
    expect((await visitor.get(server.url)).cookie).toBe(visitor.id)
  })

  it('BackupReplicas', async () => {
    await client.write('SessionManager', 'Mode', 'non-sticky')
    await change('SessionManager', 'BackupReplicas', 1)
    await new Visitor().post(server.url, { n: 1 })
    const [{ handle }] = (await client.exec('SessionManager', 'listSessions', 0, 1)).sessions
    expect((await client.exec('SessionManager', 'findSession', handle)).copies).toHaveLength(1)
    await change('SessionManager', 'BackupReplicas', 2)
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    const { sessions } = await client.exec('SessionManager', 'listSessions', 1, 1)
    expect((await client.exec('SessionManager', 'findSession', sessions[0].handle)).copies).toHaveLength(2)
  })

  it.each([
    ['SessionManager', 'TouchAfter', 0.4, 'backup.touchAfter', '0.4'],
    ['SessionManager', 'ProtectRate', 100, 'backup.protectRate', '100'],
    ['SessionManager', 'OperationTimeout', 700, 'operationTimeout', '700ms'],
    ['SessionManager', 'ProbeInterval', 70, 'probeInterval', '70ms'],
    ['WriteBehind', 'Concurrency', 4, 'backup.concurrency', '4'],
    ['WriteBehind', 'MaxPendingBytes', 1_000_000, 'backup.maxPendingBytes', '1MB'],
    ['WriteBehind', 'Attempts', 5, 'backup.attempts', '5'],
    ['Locking', 'Expiry', 4000, 'locking.expiry', '4s'],
    ['Locking', 'MaxWaiters', 7, 'locking.maxWaiters', '7'],
  ])('%s %s', async (type, attribute, value, key, text) => {
    await change(type, attribute, value)
    expect(server.sessions.settings()[key]).toBe(text)
    expect(await client.read('SessionManager', 'Settings')).toMatchObject({ [key]: text })
    expect((await new Visitor().post(server.url, { n: 1 })).status).toBe(200)
  })
})

describe('a bad value', () => {
  it.each([
    ['SessionManager', 'Mode', 'clingy', 'sticky, non-sticky'],
    ['SessionManager', 'Enabled', 'perhaps', 'true or false'],
    ['SessionManager', 'IdleTimeout', 50, 'idleTimeout'],
    ['SessionManager', 'IdleTimeout', -1, '0 to'],
    ['SessionManager', 'IdleTimeout', 'soon', 'a whole number'],
    ['SessionManager', 'BackupReplicas', 6, '1 to 5'],
    ['SessionManager', 'TouchAfter', 0, 'backup.touchAfter'],
    ['SessionManager', 'IgnorePattern', '(', 'a regular expression'],
    ['SessionManager', 'AttributeFilter', '[', 'a regular expression'],
    ['SessionManager', 'Nodes', '', 'at least one storage node'],
    ['SessionManager', 'Nodes', 'n1:127.0.0.1:1 n1:127.0.0.1:2', 'nodes'],
    ['SessionManager', 'Nodes', 'n1:memcached://[redacted]@127.0.0.1:1', 'not shown'],
    ['SessionManager', 'FailoverNodes', 'n9', 'failoverNodes'],
    ['WriteBehind', 'Concurrency', 0, '1 to 1024'],
    ['WriteBehind', 'MaxPendingBytes', 1, '65536'],
    ['Locking', 'Mode', 'some', 'none, all, auto, uri, app'],
    ['Locking', 'Mode', 'uri', 'locking.pattern'],
    ['Locking', 'Expiry', 1, '2000'],
  ])('is refused with a reason and changes nothing: %s %s %j', async (type, attribute, value, reason) => {
    const before = [await client.read('SessionManager'), await client.read('WriteBehind'), await client.read('Locking')]
    const answer = await client.write(type, attribute, value)
    expect(answer.status).not.toBe(200)
    expect(answer.error).toContain(reason)
    const after = [await client.read('SessionManager'), await client.read('WriteBehind'), await client.read('Locking')]
    expect(after).toEqual(before)
  })

  it('is refused for what can only be read', async () => {
    for (const [type, attribute] of [
      ['SessionManager', 'Route'],
      ['SessionManager', 'Settings'],
      ['Statistics', 'Takeovers'],
      ['StorageNode,id=n1', 'State'],
    ] as const) {
      expect((await client.write(type, attribute, 'x')).status).toBe(404)
    }
  })
})
