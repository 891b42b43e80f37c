import { setTimeout as pause } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { answeredAgain, startLoad } from '../support/load.js'
import { allUp, copiesOf, knownDown, repaired } from '../support/non-sticky.js'
import { modesAndStorages, storages } from '../support/storages.js'
import { storedSession } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

/* Whoever waited for the hung node would wait until the test is given up. */
const endless: Partial<HoldfastOptions> = { operationTimeout: '1m', probeInterval: '1m', trustFor: 0 }

function counted(servers: readonly AppServer[], name: 'hedgedReads' | 'hedgedWrites' | 'nodeFailures'): number {
  return servers.reduce((sum, { sessions }) => sum + sessions.stats().counters[name], 0)
}

function statesOf({ sessions }: AppServer): string[] {
  return sessions.stats().nodes.map(({ state }) => state)
}

describe.each(modesAndStorages)('a storage node that answers nothing for a while, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let servers: [AppServer, AppServer]

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    const options = { ...endless, mode, backup: { mode: 'sync' } } as const
    servers = [await cluster.server('a', options), await cluster.server('b', options)]
  })

  afterEach(() => cluster.close())

  it('keeps nobody waiting, does not count as down, and loses nothing', async () => {
    const visitors = await visitorsOf(servers[0], 12)
    const serverOf = ({ route }: Visitor) => servers.find(({ sessions }) => sessions.stats().route === route)
    let turn = 0
    const start = () => startLoad((visitor) => (serverOf(visitor) ?? (servers[turn++ % 2] as AppServer)).url, visitors)
    const before = start()
    await answeredAgain(before)
    await before.stop()
    /* A busy machine is late by itself, and then there is one copy only for a moment. */
    await repaired(...servers)
    await cluster.node('n1').suspend()
    const load = start()
    await answeredAgain(load, 5)
    /* Some begin only now. */
    const late = await visitorsOf(servers[1], 6)
    expect(counted(servers, 'nodeFailures')).toBe(0)
    expect(servers.flatMap(statesOf)).toEqual(['up', 'up', 'up', 'up'])
    const { statuses, failures, acknowledged } = await load.stop()
    await cluster.node('n1').resume()
    expect([[...statuses], failures]).toEqual([[200], 0])
    for (const visitor of visitors) {
      const own = serverOf(visitor) ?? servers[1]
      expect(await attributesAt(own, visitor)).toMatchObject({ count: acknowledged.get(visitor) })
    }
    for (const visitor of late)
      expect(await attributesAt(servers[1], visitor)).toEqual({ number: late.indexOf(visitor) })
    expect(counted(servers, 'nodeFailures')).toBe(0)
  })
})

describe.each(storages)('while a storage node hangs, without stickiness on %s,', (kind) => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
    a = await cluster.server('a', { ...endless, mode: 'non-sticky' })
    b = await cluster.server('b', { ...endless, mode: 'non-sticky' })
    const visitors = await visitorsOf(a, 12)
    visitor = visitors.find(({ node }) => node === 'n1') as Visitor
    expect(visitor).toBeDefined()
  })

  afterEach(() => cluster.close())

  it('reads are answered by the other copy, which the id names from then on', async () => {
    await cluster.node('n1').suspend()
    expect(await attributesAt(b, visitor)).toHaveProperty('number')
    expect(visitor.node).toBe('n2')
    expect(counted([b], 'hedgedReads')).toBe(1)
    const answer = await visitor.get(`${a.url}/`)
    expect([answer.status, answer.cookie]).toEqual([200, undefined])
    expect(counted([a], 'hedgedReads')).toBe(0)
  })

  it('changes stand on the other node before they are answered, and on both when it answers again', async () => {
    await cluster.node('n1').suspend()
    const other = visitor.copy()
    await visitor.post(`${a.url}/`, { first: 1 })
    await other.post(`${b.url}/`, { second: 2 })
    expect(await attributesAt(a, visitor)).toMatchObject({ first: 1, second: 2 })
    expect(await attributesAt(b, other)).toMatchObject({ first: 1, second: 2 })
    expect(counted([a, b], 'hedgedWrites')).toBeGreaterThan(0)
    expect([a, b].flatMap(statesOf)).toEqual(['up', 'up', 'up', 'up'])
    await cluster.node('n1').resume()
    await repaired(a, b)
    await waitFor(async () => (await copiesOf(cluster, visitor)).length === 2)
    await cluster.node('n2').kill()
    for (const server of [a, b]) expect(await attributesAt(server, visitor)).toMatchObject({ first: 1, second: 2 })
  })

  it('a change is not answered while only a dead node has it', async () => {
    const way = await cluster.detour('n2')
    const nodes = cluster.nodes({ n2: way })
    const c = await cluster.server('c', { ...endless, mode: 'non-sticky', nodes, probeInterval: '200ms' })
    let change = await changeBesideDeath()
    /* On a busy machine the answer may come before the death is known: then it was given in good faith. */
    while (change.isAnswered) {
      way.heal()
      await cluster.node('n1').restart()
      await allUp(c)
      await repaired(c)
      change = await changeBesideDeath()
    }
    expect(await Promise.race([change.answer, pause(1000, 'nothing')])).toBe('nothing')
    way.heal()
    expect((await change.answer).status).toBe(200)
    expect((await storedSession(cluster.node('n2'), change.visitor))?.attributes).toMatchObject({ changed: true })

    /** The node that has taken the change dies while the other one hangs. */
    async function changeBesideDeath() {
      const [visitor, other] = (await visitorsOf(c, 24)).filter(({ node }) => node === 'n1') as [Visitor, Visitor]
      await repaired(c)
      way.hang()
      const change = { visitor, isAnswered: false, answer: visitor.post(`${c.url}/`, { changed: true }) }
      void change.answer.then(() => {
        change.isAnswered = true
      })
      await waitFor(async () => (await storedSession(cluster.node('n1'), visitor))?.attributes.changed)
      await cluster.node('n1').kill()
      /* Whoever asks for something there finds out. */
      void other.get(`${c.url}/`)
      await knownDown('n1', c)
      return change
    }
  })

  it('an end that only the other node has taken ends the session', async () => {
    await cluster.node('n1').suspend()
    const copy = visitor.copy()
    const ending = visitor.post(`${a.url}/destroy`, {})
    await waitFor(async () => Object.keys(await attributesAt(b, copy.copy())).length === 0)
    await cluster.node('n1').resume()
    expect((await ending).status).toBe(200)
    expect(await attributesAt(a, copy)).toEqual({})
  })

  it('a session that is on the hung node alone is waited for, not given up', async () => {
    await cluster.node('n2').flushAll()
    await cluster.node('n1').suspend()
    const answer = attributesAt(b, visitor.copy())
    await waitFor(() => counted([b], 'hedgedReads') === 1)
    await cluster.node('n1').resume()
    expect(await answer).toHaveProperty('number')
  })
})

describe.each(storages)('while a storage node hangs, with stickiness on %s,', (kind) => {
  it('a session that another node has is taken over at once', async () => {
    const cluster = await Cluster.on(kind, 'n1', 'n2')
    try {
      const a = await cluster.server('a', { ...endless, backup: { mode: 'sync' } })
      const b = await cluster.server('b', endless)
      const visitors = (await visitorsOf(a, 12)).filter(({ node }) => node === 'n2')
      await cluster.node('n1').suspend()
      for (const visitor of visitors) expect(await attributesAt(b, visitor)).toHaveProperty('number')
      expect(b.sessions.stats().counters.takeovers).toBe(visitors.length)
      expect([a, b].flatMap(statesOf)).toEqual(['up', 'up', 'up', 'up'])
    } finally {
      await cluster.close()
    }
  })
})

describe.each(modesAndStorages)('while all is well, %s on %s', (mode, kind) => {
  it('nothing is asked twice', async () => {
    const cluster = await Cluster.on(kind, 'n1', 'n2')
    try {
      const server = await cluster.server('a', { mode, operationTimeout: '1m' })
      const visitors = await visitorsOf(server, 10)
      for (const visitor of visitors) await attributesAt(server, visitor)
      const { hedgedReads, hedgedWrites } = server.sessions.stats().counters
      /* A machine that stands still for a moment looks like a node that does. */
      expect(hedgedReads + hedgedWrites).toBeLessThan(visitors.length)
    } finally {
      await cluster.close()
    }
  })
})
