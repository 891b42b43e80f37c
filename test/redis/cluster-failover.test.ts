import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { withHashTag } from '../../src/node/redis/cluster-slots.js'
import { type RedisClusterGroup, startRedisCluster } from '../../src/testing/index.js'
import { BusyServers, modes } from '../support/redis-load.js'
import { keyOf } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

/** Requests without stickiness wait for five times as long for the storage to come back. */
const patient = { operationTimeout: '2s' }

describe.each(modes)('the death of a master of a cluster of 3 + 3 under load (%s)', (mode) => {
  let cluster: RedisClusterGroup
  let busy: BusyServers

  beforeAll(async () => {
    cluster = await startRedisCluster()
  })

  afterEach(() => busy?.close())
  afterAll(() => cluster?.close())

  it('loses no session and fails no request', async () => {
    busy = await BusyServers.start(mode, cluster.url, patient)
    await cluster.killMasterOf(withHashTag(keyOf(busy.visitors[0] as Visitor)))
    await busy.goOn()
    const report = await busy.stopAndCompare()
    expect(report.failures).toBe(0)
    expect([...report.statuses]).toEqual([200])
  })
})
