import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { freePort, type RedisPair, startRedisPair, waitFor } from '../../src/testing/index.js'
import { startAppServer } from '../support/app-server.js'
import { attributesAt, quick } from '../support/cluster.js'
import { BusyServers, modes } from '../support/redis-load.js'
import { Visitor } from '../support/visitor.js'

/** Requests without stickiness wait for five times as long for the storage to come back. */
const patient = { operationTimeout: '2s' }

describe.each(modes)('Redis behind HAProxy under load (%s)', (mode) => {
  let pair: RedisPair
  let busy: BusyServers

  beforeAll(async () => {
    pair = await startRedisPair()
  })

  afterEach(() => busy?.close())
  afterAll(() => pair?.close())

  it('loses no session and fails no request when master and replica change places, back and forth, twice', async () => {
    busy = await BusyServers.start(mode, pair.url, patient)
    for (let turn = 0; turn < 4; turn++) {
      await pair.switchRoles()
      await busy.goOn()
    }
    const report = await busy.stopAndCompare()
    expect([...report.statuses]).toEqual([200])
    expect(report.failures).toBe(0)
  })
})

describe('without stickiness, a demoted master that nobody has replaced yet', () => {
  it('is neither written nor read: 503, until there is a master, and then everything is as it was', async () => {
    const pair = await startRedisPair()
    const server = await startAppServer({ ...quick, mode: 'non-sticky', nodes: pair.url })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { number: 1 })
    await pair.master.command('REPLICAOF', '127.0.0.1', await freePort())
    const answers = [await visitor.get(`${server.url}/`), await visitor.post(`${server.url}/`, { number: 2 })]
    for (const { status, headers } of answers) {
      expect(status).toBe(503)
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    }
    await pair.master.command('REPLICAOF', 'NO', 'ONE')
    await waitFor(async () => (await visitor.get(`${server.url}/`)).status === 200, { timeout: 20_000 })
    expect(await attributesAt(server, visitor)).toEqual({ number: 1 })
    await server.close()
    await pair.close()
  })
})
