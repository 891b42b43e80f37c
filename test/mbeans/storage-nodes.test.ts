import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { AdminClient, asChooser, nodesAdmin } from './admin-client.js'

let cluster: Cluster
let server: AppServer
let client: AdminClient

async function start(options: object = {}, ...ids: string[]): Promise<void> {
  cluster = await Cluster.of(...(ids.length > 0 ? ids : ['n1', 'n2']))
  server = await cluster.server('a', { admin: nodesAdmin, ...options })
  client = new AdminClient(server, asChooser)
}

async function visitors(count: number): Promise<Visitor[]> {
  const all = Array.from({ length: count }, () => new Visitor())
  for (const [index, visitor] of all.entries()) await visitor.post(server.url, { index })
  await client.exec('SessionManager', 'flush', 5000)
  return all
}

async function until(condition: () => Promise<boolean>, message: string): Promise<void> {
  await waitFor(condition, { timeout: 15_000, message })
}

const sessionsOn = (id: string) => client.read(`StorageNode,id=${id}`, 'Sessions')

const listOf = (...ids: string[]) => ids.map((id) => `${id}:127.0.0.1:${cluster.memcached(id).port}`).join(' ')

async function nodeNames(): Promise<string[]> {
  return (await client.ask({ type: 'search', mbean: 'holdfast:type=StorageNode,*' })).value.sort()
}

afterEach(() => cluster.close())

describe.each(['sticky', 'non-sticky'] as const)('draining a storage node in %s mode', (mode) => {
  it('moves its sessions away, lets no new ones come, and can be taken back', async () => {
    await start({ mode, backup: { replicas: 1 } }, 'n1', 'n2', 'n3')
    const before = await visitors(18)
    expect(await sessionsOn('n1')).toBeGreaterThan(0)
    expect(await client.exec('StorageNode,id=n1', 'drain')).toBeNull()
    expect(await client.read('StorageNode,id=n1')).toMatchObject({ State: 'up', Draining: true })
    await until(async () => (await sessionsOn('n1')) === 0, 'the node to be empty')
    const added = await visitors(18)
    expect(await sessionsOn('n1')).toBe(0)
    /* What closes a node that is not configured any more does not close this one. */
    await client.write('SessionManager', 'Nodes', listOf('n1', 'n2'))
    await until(async () => (await nodeNames()).length === 2, 'n3 to be closed')
    expect(await nodeNames()).toEqual(['holdfast:type=StorageNode,id=n1', 'holdfast:type=StorageNode,id=n2'])
    expect(await client.exec('StorageNode,id=n1', 'probe')).toBe('up')
    for (const [index, visitor] of [...before, ...added].entries()) {
      const answer = (await visitor.get(server.url)).json<{ attributes: unknown }>()
      expect(answer.attributes).toEqual({ index: index % 18 })
      expect(visitor.node).toBe('n2')
    }
    await client.exec('StorageNode,id=n1', 'undrain')
    expect(await client.read('StorageNode,id=n1', 'Draining')).toBe(false)
    await visitors(18)
    expect(await sessionsOn('n1')).toBeGreaterThan(0)
  })

  it('stays as it is when other settings change', async () => {
    await start({ mode })
    await client.exec('StorageNode,id=n1', 'drain')
    await client.write('SessionManager', 'BackupTimeout', 200)
    expect(await client.read('StorageNode,id=n1', 'Draining')).toBe(true)
  })
})

describe('the MBeans of storage nodes', () => {
  it('refuse to drain the only node that could take sessions', async () => {
    await start()
    await client.exec('StorageNode,id=n1', 'drain')
    const answer = await client.call('StorageNode,id=n2', 'drain')
    expect(answer).toMatchObject({ status: 500, error: 'no other node can take its sessions' })
    expect(await client.read('StorageNode,id=n2', 'Draining')).toBe(false)
  })

  it('come and go with the nodes, also with one that was drained', async () => {
    await start({}, 'n1', 'n2', 'n3')
    const all = await visitors(9)
    await client.exec('StorageNode,id=n1', 'drain')
    await client.write('SessionManager', 'Nodes', listOf('n2', 'n3'))
    await until(async () => (await nodeNames()).length === 2, 'the node to be closed')
    expect(await nodeNames()).toEqual(['holdfast:type=StorageNode,id=n2', 'holdfast:type=StorageNode,id=n3'])
    await client.write('SessionManager', 'Nodes', cluster.nodes())
    expect(await client.read('StorageNode,id=n1')).toMatchObject({ Draining: false })
    for (const visitor of all) expect((await visitor.get(server.url)).status).toBe(200)
  })

  it('tell which node is down, and since when', async () => {
    await start()
    await cluster.memcached('n2').kill()
    await until(async () => (await client.read('StorageNode,id=n2', 'State')) === 'down', 'n2 to be down')
    expect(await client.exec('StorageNode,id=n2', 'probe')).toBe('down')
    await until(async () => (await client.read('StorageNode,id=n2', 'DownFor')) > 0, 'time to pass')
    const nodes = (await client.ask({ type: 'read', mbean: 'holdfast:type=StorageNode,*', attribute: 'State' })).value
    expect(nodes).toEqual({
      'holdfast:type=StorageNode,id=n1': { State: 'up' },
      'holdfast:type=StorageNode,id=n2': { State: 'down' },
    })
  })

  it('call the anonymous node "default"', async () => {
    await start({ nodes: 'memory://', route: undefined })
    expect(await client.read('StorageNode,id=default')).toMatchObject({ Id: 'default', Address: 'memory://' })
  })
})
