import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type SentinelGroup, startRedisSentinel, type TestRedis, waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { attributesAt, quick, record, visitorsOf } from '../support/cluster.js'
import { BusyServers, modes } from '../support/redis-load.js'
import { keyOf } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

/** Requests without stickiness wait for five times as long for the storage to come back. */
const patient = { operationTimeout: '2s' }

let group: SentinelGroup
let running: { close(): Promise<void> }[] = []

/* A group of its own for each failover: after one, Sentinel takes its time before it is ready for the next. */
beforeEach(async () => {
  group = await startRedisSentinel()
})

afterEach(async () => {
  for (const each of running) await each.close()
  running = []
  await group?.close()
})

/** Replicas that have got everything so far and go on to get what comes. */
function replicasOnline(replication: unknown): number {
  return String(replication).match(/^slave\d+:.*state=online,offset=[1-9]/gm)?.length ?? 0
}

describe.each(modes)('the loss of the master of a Sentinel group under load (%s)', (mode) => {
  it.each(['kill', 'suspend'] as const)('loses no session and fails no request (%s)', async (how) => {
    const busy = await BusyServers.start(mode, group.url, patient)
    running.push(busy)
    const old = await group.currentMaster()
    /* What no replica has, nobody can have after the failover. */
    await waitFor(async () => replicasOnline(await old.command('INFO', 'replication')) === 2, { timeout: 20_000 })
    await old[how]()
    await group.waitForFailover(old)
    await busy.goOn()
    await (how === 'kill' ? old.restart() : old.resume())
    await group.settled()
    await busy.goOn()
    const report = await busy.stopAndCompare()
    expect(report.failures).toBe(0)
    expect([...report.statuses]).toEqual([200])
  })
})

describe('what a dead master had acknowledged and its replicas had not got', () => {
  /** From now on no replica gets anything more from it, and nobody else notices. */
  async function stopReplication(master: TestRedis): Promise<void> {
    await master.command('ACL', 'SETUSER', 'default', '-psync', '-sync')
    await master.command('CLIENT', 'KILL', 'TYPE', 'replica')
    await waitFor(async () => String(await master.command('INFO', 'replication')).includes('connected_slaves:0'))
  }

  async function serverOn(route: string): Promise<AppServer> {
    const server = await startAppServer({ ...quick, route, nodes: group.url, operationTimeout: '2s' })
    running.push(server)
    return server
  }

  it('is stored again from the memory of sticky servers, without a visitor coming', async () => {
    const [a, b] = [await serverOn('a'), await serverOn('b')]
    const changed = await visitorsOf(a, 10)
    await a.sessions.flush()
    const old = await group.currentMaster()
    await waitFor(async () => (await old.command('WAIT', 2, 100)) === 2)
    await stopReplication(old)
    for (const visitor of changed) await visitor.post(`${a.url}/`, { late: true })
    const created = await visitorsOf(a, 10)
    await a.sessions.flush()
    for (const replica of group.servers.filter((server) => server !== old))
      expect(await replica.command('EXISTS', keyOf(created[0] as Visitor))).toBe(0)
    const restored = record(a.sessions, 'restored')
    await old.kill()
    const next = await group.waitForFailover(old)
    await waitFor(() => restored.length >= 20, { timeout: 20_000, message: 'the sessions to be stored again' })
    await a.sessions.flush()
    expect(await next.command('EXISTS', keyOf(created[0] as Visitor))).toBe(1)
    for (const [number, visitor] of changed.entries())
      expect(await attributesAt(b, visitor)).toEqual({ number, late: true })
    for (const [number, visitor] of created.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
    await old.restart()
    await group.settled()
  })
})
