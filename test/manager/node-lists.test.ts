import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { silentLogger } from '../../src/logger.js'
import { formatSessionId } from '../../src/session-id/session-id.js'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { modesAndStorages, storage } from '../support/storages.js'
import type { Visitor } from '../support/visitor.js'

/* A rolling deploy: for a while two servers have different lists of storage nodes. */
describe.each(modesAndStorages)('different lists of nodes, %s on %s', (mode, kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2', 'n3')
  })

  afterEach(() => cluster.close())

  /** @param places the id of the storage server behind each name */
  const list = (places: Record<string, string>) =>
    Object.entries(places)
      .map(([name, id]) => `${name}:${storage[kind].url(cluster.node(id))}`)
      .join(' ')

  const serve = (route: string, nodes: string, options: Partial<HoldfastOptions> = {}) =>
    cluster.server(route, { mode, backup: { mode: 'sync', timeout: '10s' }, nodes, ...options })

  const two = () => list({ n1: 'n1', n2: 'n2' })
  const three = () => list({ n1: 'n1', n2: 'n2', n3: 'n3' })

  /** The visitors whose session is named to be on that node; some are, of so many. */
  async function visitorsOn(node: string, server: AppServer): Promise<Visitor[]> {
    const visitors = await visitorsOf(server, 30)
    await server.sessions.flush()
    const found = visitors.filter((visitor) => visitor.node === node)
    expect(found.length).toBeGreaterThan(0)
    return found
  }

  /** Nobody is logged out. @returns how many were told to come again */
  async function askAll(server: AppServer, visitors: readonly Visitor[]): Promise<number> {
    let refused = 0
    for (const visitor of visitors) {
      const answer = await visitor.copy().get(`${server.url}/`)
      if (answer.status === 503) refused++
      else expect(answer.json<{ attributes: object }>().attributes).toEqual({ number: expect.any(Number) })
    }
    return refused
  }

  it('log nobody out while a node is added', async () => {
    const warnings: string[] = []
    const logger = { ...silentLogger, warn: (text: string) => void warnings.push(text) }
    const old = await serve('a', two(), { logger })
    const visitors = await visitorsOn('n3', await serve('b', three()))
    const refused = await askAll(old, visitors)
    /* Without stickiness there is a copy on a node that both know. */
    expect(refused).toBe(mode === 'sticky' ? visitors.length : 0)
    if (mode === 'sticky')
      expect(warnings).toContainEqual(expect.stringMatching(/ids name storage node n3, which other servers use/))
    old.sessions.reconfigure({ nodes: three() })
    await old.sessions.ready()
    expect(await askAll(old, visitors)).toBe(0)
  })

  it('log nobody out while a node is removed by one server after the other', async () => {
    const first = await serve('a', three())
    const second = await serve('b', three())
    first.sessions.reconfigure({ nodes: two() })
    const visitors = await visitorsOn('n3', second)
    expect(await askAll(first, visitors)).toBe(0)
    second.sessions.reconfigure({ nodes: two() })
    await waitFor(() => second.sessions.stats().nodes.find(({ id }) => id === 'n3')?.sessions === 0)
    for (const visitor of visitors) await visitor.get(`${second.url}/`)
    expect(await askAll(first, visitors)).toBe(0)
  })

  it('log nobody out of a server that has never known a node which others use', async () => {
    const old = await serve('a', three())
    const visitors = await visitorsOn('n3', old)
    const started = await serve('b', two())
    expect(await askAll(started, visitors)).toBe(mode === 'sticky' ? visitors.length : 0)
  })

  it('log nobody out while another server takes the place of a node', async () => {
    const old = await serve('a', two())
    const visitors = await visitorsOn('n2', old)
    const started = await serve('b', list({ n1: 'n1', n2: 'n3' }))
    expect(await askAll(started, visitors)).toBe(mode === 'sticky' ? visitors.length : 0)
    old.sessions.reconfigure({ nodes: list({ n1: 'n1', n2: 'n3' }) })
    await waitFor(() => !old.sessions.stats().protecting)
    await old.sessions.flush()
    for (const visitor of visitors) await visitor.get(`${old.url}/`)
    expect(await askAll(started, visitors)).toBe(0)
  })

  it('log nobody out while nodes get other names', async () => {
    const old = await serve('a', two())
    const visitors = await visitorsOn('n2', old)
    const started = await serve('b', list({ m1: 'n1', m2: 'n2' }))
    expect(await askAll(started, visitors)).toBe(0)
  })

  it('leave an id that names what nobody uses without a session', async () => {
    const server = await serve('a', two())
    const [visitor] = await visitorsOf(server, 1)
    const { token } = visitor as Visitor
    await (visitor as Visitor).copy().post(`${server.url}/destroy`, {})
    const other = (visitor as Visitor).copy()
    other.id = formatSessionId(token as string, 'n9', undefined)
    expect(await attributesAt(await serve('b', two()), other)).toEqual({})
  })
})
