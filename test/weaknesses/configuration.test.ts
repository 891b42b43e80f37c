import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSessionManager } from '../../src/create-session-manager.js'
import { ConfigError } from '../../src/errors.js'
import { tokenDigest } from '../../src/session-id/session-id.js'
import { exchange } from '../../src/testing/exchange.js'
import { waitFor } from '../../src/testing/index.js'
import { secret } from '../support/app-server.js'
import { attributesAt, Cluster, quick, visitorsOf } from '../support/cluster.js'
import { startLoad } from '../support/load.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

let cluster: Cluster

beforeEach(async () => {
  cluster = await Cluster.of('n1', 'n2')
})

afterEach(() => cluster.close())

async function isStored(visitor: Visitor, prefix: string): Promise<boolean> {
  const key = prefix + tokenDigest(visitor.token as string)
  const answer = await exchange(cluster.memcached(visitor), `mg ${key} k`, (text) => text.endsWith('\r\n'))
  return answer.startsWith('HD')
}

describe('where memcached-session-manager takes keys apart', () => {
  it.each(['my-app_1.0:', 'shop-n1.a:', '1.0_'])(
    'W26: sessions are stored and fail over under the key prefix %s',
    async (keyPrefix) => {
      const a = await cluster.server('a', { keyPrefix })
      const visitors = await visitorsOf(a, 20)
      await a.sessions.flush()
      expect(new Set(visitors.map((visitor) => visitor.node))).toEqual(new Set(['n1', 'n2']))
      for (const visitor of visitors) expect(await isStored(visitor, keyPrefix)).toBe(true)
      await cluster.memcached('n1').kill()
      await waitFor(() => a.sessions.stats().nodes[1]?.sessions === 20)
      await a.sessions.close()
      const b = await cluster.server('b', { keyPrefix })
      for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
    },
  )

  it.each(['static:lock', 'lock:', 'bak:', 'notes', 'holdfast:notes', ''])(
    'W27: no key prefix is mistaken for a key of another kind: "%s"',
    async (keyPrefix) => {
      const plain = await cluster.server('a')
      const prefixed = await cluster.server('a', { keyPrefix })
      const [one] = (await visitorsOf(plain, 1)) as [Visitor]
      const [other] = (await visitorsOf(prefixed, 1)) as [Visitor]
      await Promise.all([plain.sessions.close(), prefixed.sessions.close()])
      const plainNext = await cluster.server('b')
      const prefixedNext = await cluster.server('b', { keyPrefix })
      expect(await attributesAt(plainNext, other.copy())).toEqual({})
      expect(await attributesAt(prefixedNext, one.copy())).toEqual({})
      expect(await attributesAt(plainNext, one)).toEqual({ number: 0 })
      expect(await attributesAt(prefixedNext, other)).toEqual({ number: 0 })
    },
  )

  it.each(['with space:', 'line\r\nbreak:', 'x'.repeat(300)])(
    'W27: a key prefix that no storage takes is refused at the start: %j',
    (keyPrefix) => {
      expect(() => createSessionManager({ ...quick, secret, keyPrefix })).toThrow(ConfigError)
    },
  )
})

describe('where memcached-session-manager is disturbed by reconfiguration', () => {
  it('W36: another set of nodes under load loses no change and fails no request', async () => {
    const addresses = cluster.nodes().split(' ') as [string, string]
    const a = await cluster.server('a', { nodes: addresses[0], backup: { concurrency: 2 } })
    const visitors = await visitorsOf(a, 20)
    const load = startLoad(() => a.url, visitors)
    await waitFor(() => load.report.answers > 100)
    a.sessions.reconfigure({ nodes: addresses[1], backup: { concurrency: 4 } })
    await waitFor(() => visitors.every((visitor) => visitor.node === 'n2'))
    a.sessions.reconfigure({ nodes: addresses.join(' ') })
    const { answers } = load.report
    await waitFor(() => load.report.answers > answers + 100)
    const { statuses, failures, acknowledged } = await load.stop()
    expect([[...statuses], failures]).toEqual([[200], 0])
    await a.sessions.flush()
    for (const [number, visitor] of visitors.entries()) {
      const stored = await storedSession(cluster.memcached(visitor), visitor)
      expect(stored?.attributes).toEqual({ number, count: acknowledged.get(visitor) })
    }
    await cluster.memcached('n1').kill()
    await waitFor(() => a.sessions.stats().pendingBackups === 0)
    await a.sessions.close()
    const b = await cluster.server('b')
    for (const visitor of visitors) {
      expect((await attributesAt(b, visitor)).count).toBe(acknowledged.get(visitor))
    }
  })

  it('W36: writes that were pending when their node was taken out are stored on another', async () => {
    const way = await cluster.detour('n1')
    const nodes = cluster.nodes({ n1: way }).split(' ') as [string, string]
    const a = await cluster.server('a', { nodes: nodes[0], operationTimeout: '30s', backup: { concurrency: 1 } })
    way.hang()
    const visitors = await visitorsOf(a, 20)
    expect(a.sessions.stats().pendingBackups).toBeGreaterThan(10)
    a.sessions.reconfigure({ nodes: nodes[1] })
    way.heal()
    await waitFor(() => a.sessions.stats().nodes.length === 1, { message: 'the old node to be retired' })
    expect(await a.sessions.flush()).toMatchObject({ unsaved: 0 })
    for (const [number, visitor] of visitors.entries()) {
      expect((await storedSession(cluster.memcached('n2'), visitor))?.attributes).toEqual({ number })
    }
  })

  it('W36: a change that can’t be used leaves everything as it was', async () => {
    const a = await cluster.server('a')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const before = a.sessions.settings()
    expect(() => a.sessions.reconfigure({ idleTimeout: '5m', nodes: 'not a node' })).toThrow(ConfigError)
    expect(a.sessions.settings()).toEqual(before)
    expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
  })
})
