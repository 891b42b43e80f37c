import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { formatSessionId, SessionTokens } from '../../../src/session-id/session-id.js'
import type { Fault } from '../../../src/testing/index.js'
import { secret } from '../../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../../support/cluster.js'
import { nonSticky, twoServers } from '../../support/non-sticky.js'
import { storages } from '../../support/storages.js'
import { keyOf, storeBytes, storedBytes } from '../../support/stored-session.js'
import { Visitor } from '../../support/visitor.js'

function withId(id: string): Visitor {
  const visitor = new Visitor()
  visitor.id = id
  return visitor
}

describe.each(storages)('without stickiness (%s)', (kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  const unused = new SessionTokens([secret]).issue()

  it.each([
    ['signed under another secret', new SessionTokens(['the secret of somebody else']).issue(), 0],
    ['changed', `${unused.startsWith('x') ? 'y' : 'x'}${unused.slice(1)}`, 0],
    ['signed, of a session that nobody has', unused, 2],
  ])('an id that was not issued is never adopted: %s', async (_what, token, lookUps) => {
    const [a] = await twoServers(cluster)
    await cluster.settled()
    const before = await cluster.operations()
    expect((await withId(formatSessionId(token, 'n1', undefined)).get(`${a.url}/`)).cookie).toBeUndefined()
    expect((await cluster.operations()) - before).toBe(lookUps)
    const visitor = withId(formatSessionId(token, 'n1', undefined))
    expect((await visitor.post(`${a.url}/`, { user: 'victim' })).cookie).toBeDefined()
    expect(visitor.token).not.toBe(token)
  })

  it("another session's record under a key is refused, and the session found at its other node", async () => {
    const [a, b] = await twoServers(cluster)
    const [mine, other] = (await visitorsOf(a, 2)) as [Visitor, Visitor]
    const bytes = (await storedBytes(cluster.node(other), other)) as Buffer
    await storeBytes(cluster.node(mine), mine, bytes)
    expect(await attributesAt(b, mine)).toEqual({ number: 0 })
    for (const id of cluster.ids) await storeBytes(cluster.node(id), mine, bytes)
    const fresh = await cluster.server('fresh', nonSticky)
    expect(await attributesAt(fresh, mine)).toEqual({})
    expect(fresh.sessions.stats().counters.unreadableRecords).toBeGreaterThan(0)
  })
})

describe('without stickiness, when memcached is out of step', () => {
  const faults: [string, Fault][] = [
    ['the reply to another request', { kind: 'other-request' }],
    ['half a reply', { kind: 'cut-reply', afterwards: 'reset' }],
    ['garbage', { kind: 'garbage' }],
    ['the record of another session', { kind: 'other-key', key: '' }],
  ]

  it.each(faults)('everybody gets the own session from the other node instead of %s', async (_what, fault) => {
    const cluster = await Cluster.of('n1', 'n2')
    try {
      const faulty = await cluster.faulty('n1')
      const a = await cluster.server('a', nonSticky)
      const b = await cluster.server('b', { ...nonSticky, nodes: cluster.nodes({ n1: faulty }) })
      const visitors = await visitorsOf(a, 16)
      const key = keyOf(visitors[0] as Visitor)
      for (const opcode of [0x00, 0x1d]) {
        faulty.fail(fault.kind === 'other-key' ? { ...fault, key } : fault, { opcode })
        for (const [number, visitor] of visitors.entries()) {
          expect(await attributesAt(b, visitor.copy())).toEqual({ number })
        }
      }
      const { nodes, counters } = b.sessions.stats()
      expect((nodes[0]?.errors ?? 0) + counters.unreadableRecords).toBeGreaterThan(0)
    } finally {
      await cluster.close()
    }
  })
})
