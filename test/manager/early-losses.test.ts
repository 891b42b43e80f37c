import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../src/logger.js'
import { waitFor } from '../../src/testing/index.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { modesAndStorages, storage } from '../support/storages.js'
import { keyOf } from '../support/stored-session.js'

describe.each(modesAndStorages)('a copy that is gone before its time, %s on %s', (mode, kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  it('is counted, and logged once', async () => {
    const lines: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void lines.push(message) }
    const server = await cluster.server('a', { mode, trustFor: 0, logger, backup: { mode: 'sync' } })
    const visitors = await visitorsOf(server, 6)
    const counters = () => server.sessions.stats().counters
    await waitFor(() => server.sessions.stats().pendingBackups === 0)
    for (const visitor of visitors) {
      const client = storage[kind].open(cluster.node(visitor))
      expect(await client.delete(keyOf(visitor))).toBe('deleted')
      await client.close()
    }
    for (const visitor of visitors) expect(await attributesAt(server, visitor)).toHaveProperty('number')
    await waitFor(() => counters().earlyLosses === visitors.length)
    const told = lines.filter((line) => line.includes('has lost a session before its time'))
    expect(told.length).toBeLessThanOrEqual(cluster.ids.length)
    expect(told.length).toBeGreaterThan(0)
  })

  it('is not taken for one that went with a restart of its node', async () => {
    const server = await cluster.server('a', { mode, trustFor: 0, backup: { mode: 'sync' } })
    const [visitor] = await visitorsOf(server, 1)
    if (visitor === undefined) throw new Error('no visitor')
    await cluster.node(visitor).restart()
    await waitFor(async () => {
      await attributesAt(server, visitor)
      const { restores, relocations } = server.sessions.stats().counters
      return restores + relocations > 0
    })
    expect(server.sessions.stats().counters.earlyLosses).toBe(0)
  })
})
