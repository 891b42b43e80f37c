import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { changeSection, emptySection } from '../../src/record/attribute-section.js'
import { encodeRecord } from '../../src/record/record-format.js'
import { lifeChange, ownerChange } from '../../src/record/session-facts.js'
import { formatSessionId, SessionTokens } from '../../src/session-id/session-id.js'
import type { FaultyServer } from '../../src/testing/index.js'
import { type AppServer, secret } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { keyOf, storeBytes, storedBytes } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

let cluster: Cluster

beforeEach(async () => {
  cluster = await Cluster.of('n1')
})

afterEach(() => cluster.close())

function withId(id: string | undefined): Visitor {
  const visitor = new Visitor()
  visitor.id = id
  return visitor
}

describe('an id that was not issued', () => {
  const foreign = new SessionTokens(['the secret of somebody else']).issue()
  const unused = new SessionTokens([secret]).issue()
  const random = randomBytes(36).toString('base64url').replaceAll('-', '_')

  it.each([
    ['made up', formatSessionId(random, 'n1', 'a'), 0],
    ['signed under another secret', formatSessionId(foreign, 'n1', 'a'), 0],
    ['cut short', formatSessionId(unused.slice(0, -1), 'n1', 'a'), 0],
    ['with a line break', `${unused}\n-n1.a`.replace('\n', '%0A'), 0],
    ['empty', '', 0],
    ['very long', 'x'.repeat(4000), 0],
    ['signed, of a session that nobody has', formatSessionId(unused, 'n1', 'a'), 1],
  ])('is never adopted: %s', async (_what, id, lookUps) => {
    const a = await cluster.server('a')
    await cluster.settled()
    const before = await cluster.memcached('n1').storageOperations()
    expect((await withId(id).get(`${a.url}/`)).cookie).toBeUndefined()
    expect((await cluster.memcached('n1').storageOperations()) - before).toBe(lookUps)
    const visitor = withId(id)
    const answer = await visitor.post(`${a.url}/`, { user: 'victim' })
    expect(answer.cookie).toBeDefined()
    expect(visitor.token).not.toBe(withId(id).token)
    expect(await attributesAt(a, withId(id))).toEqual({})
  })

  it('is of no use to fetch a session by the storage key of another', async () => {
    const a = await cluster.server('a')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const digest = keyOf(visitor).slice('holdfast:'.length)
    expect(await attributesAt(a, withId(formatSessionId(digest.replaceAll('-', '_'), 'n1', 'a')))).toEqual({})
    expect(digest).not.toContain(visitor.token as string)
    expect(digest).toBe(
      createHash('sha256')
        .update(visitor.token as string)
        .digest('base64url'),
    )
  })

  it.each(['n9', 'n1x', 'constructor', '__proto__'])('node %s in an id of ours is treated as absent', async (node) => {
    const a = await cluster.server('a')
    const b = await cluster.server('b')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await a.sessions.flush()
    const bent = withId(formatSessionId(visitor.token as string, node, 'nowhere'))
    expect(await attributesAt(b, bent)).toEqual({ number: 0 })
    expect([bent.node, bent.route]).toEqual(['n1', 'b'])
    expect(b.sessions.stats().nodes.map(({ id }) => id)).toEqual(['n1'])
  })
})

describe('what is stored under a key and is not its session', () => {
  async function storedVisitors() {
    const a = await cluster.server('a')
    const visitors = (await visitorsOf(a, 2)) as [Visitor, Visitor]
    await a.sessions.flush()
    return visitors
  }

  async function expectNoSession(visitor: Visitor): Promise<AppServer> {
    const b = await cluster.server('b')
    const old = visitor.token
    expect(await attributesAt(b, visitor.copy())).toEqual({})
    await visitor.post(`${b.url}/`, { fresh: true })
    expect(visitor.token).not.toBe(old)
    expect(b.sessions.stats().counters.unreadableRecords).toBeGreaterThan(0)
    return b
  }

  it('is refused: the record of another session', async () => {
    const [mine, other] = await storedVisitors()
    const bytes = (await storedBytes(cluster.memcached('n1'), other)) as Buffer
    await storeBytes(cluster.memcached('n1'), mine, bytes)
    const b = await expectNoSession(mine)
    expect(await attributesAt(b, other)).toEqual({ number: 1 })
  })

  it('is refused: a record that names the key of another session in its own right', async () => {
    const [mine, other] = await storedVisitors()
    const now = Date.now()
    const life = lifeChange({ idleTimeout: 60_000, absoluteDeadline: 0 })
    const stamp = { now: now + 1000, process: 'writer', forgetBefore: 0 }
    const attributes = changeSection(emptySection, [life, ownerChange('a')], stamp)
    const rest = { createdAt: now, accessedAt: now, era: 0, writer: '12345678', attributes }
    const planted = encodeRecord({ kind: 'session', key: keyOf(other), ...rest })
    await storeBytes(cluster.memcached('n1'), mine, planted)
    await expectNoSession(mine)
  })

  it('is refused: the own record with any one byte changed', async () => {
    const [mine] = await storedVisitors()
    const good = (await storedBytes(cluster.memcached('n1'), mine)) as Buffer
    const b = await cluster.server('b')
    for (let at = 0; at < good.length; at++) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] as number) ^ 0x20
      await storeBytes(cluster.memcached('n1'), mine, bad)
      expect(await attributesAt(b, mine.copy())).toEqual({})
    }
    expect(b.sessions.stats().counters.unreadableRecords).toBe(good.length)
    await storeBytes(cluster.memcached('n1'), mine, good)
    expect(await attributesAt(b, mine)).toEqual({ number: 0 })
  })

  it.each([0, 1, 53, 60, 100])('is refused: only the first %i bytes of the record', async (length) => {
    const [mine] = await storedVisitors()
    const good = (await storedBytes(cluster.memcached('n1'), mine)) as Buffer
    await storeBytes(cluster.memcached('n1'), mine, good.subarray(0, length))
    await expectNoSession(mine)
  })

  it('is refused: something that another program stored', async () => {
    const [mine] = await storedVisitors()
    await storeBytes(cluster.memcached('n1'), mine, Buffer.from('{"cookie":{},"user":"admin"}'))
    await expectNoSession(mine)
  })
})

describe('a connection that is out of step', () => {
  let faulty: FaultyServer
  let b: AppServer
  let visitors: Visitor[]

  beforeEach(async () => {
    const a = await cluster.server('a')
    visitors = await visitorsOf(a, 8)
    await a.sessions.flush()
    faulty = await cluster.faulty('n1')
    b = await cluster.server('b', { nodes: cluster.nodes({ n1: faulty }), probeInterval: '50ms' })
  })

  const getRequests = { opcode: 0x00 }

  /** Whatever happens, nobody gets what is another's. How many got nothing. */
  async function expectOwnOrNothing(): Promise<number> {
    let nothing = 0
    const answers = await Promise.all(visitors.map((visitor) => visitor.get(`${b.url}/`)))
    for (const [number, answer] of answers.entries()) {
      const attributes = answer.status === 200 ? answer.json<{ attributes: object }>().attributes : {}
      if (Object.keys(attributes).length > 0) expect(attributes).toEqual({ number })
      else nothing++
      if (answer.status !== 200) expect(answer.status).toBe(503)
    }
    return nothing
  }

  async function expectRecovery(): Promise<void> {
    faulty.heal()
    for (const [number, visitor] of visitors.entries()) {
      await expect.poll(async () => (await visitor.get(`${b.url}/`)).status).toBe(200)
      expect(await attributesAt(b, visitor)).toEqual({ number })
    }
  }

  it('never serves the reply to another request', async () => {
    faulty.fail({ kind: 'other-request' }, { ...getRequests, after: 3 })
    expect(await expectOwnOrNothing()).toBeGreaterThan(0)
    await expectRecovery()
  })

  it('never serves a reply that was cut in two', async () => {
    faulty.fail({ kind: 'cut-reply', afterwards: 'reset' }, { ...getRequests, after: 2 })
    expect(await expectOwnOrNothing()).toBeGreaterThan(0)
    await expectRecovery()
  })

  it('never serves garbage', async () => {
    faulty.fail({ kind: 'garbage' }, { ...getRequests, after: 2 })
    expect(await expectOwnOrNothing()).toBeGreaterThan(0)
    await expectRecovery()
  })

  it("never serves another session's record, although the reply looks right", async () => {
    const victim = visitors[0] as Visitor
    faulty.fail({ kind: 'other-key', key: keyOf(victim) }, getRequests)
    for (const visitor of visitors.slice(1)) {
      const answer = await visitor.copy().get(`${b.url}/`)
      expect(answer.status).toBe(200)
      expect(answer.json()).toMatchObject({ attributes: {} })
    }
    expect(b.sessions.stats().counters.unreadableRecords).toBe(7)
    await expectRecovery()
  })
})
