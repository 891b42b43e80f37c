import { describe, expect, it } from 'vitest'
import { AuditLog } from '../../../src/admin/access/audit-log.js'
import { withoutCredentials, withoutQuotes } from '../../../src/admin/access/audit-text.js'
import { Authenticator } from '../../../src/admin/access/authenticator.js'
import { MemberAccess, parseMemberPattern } from '../../../src/admin/access/member-access.js'
import { OneAtATime } from '../../../src/admin/access/one-at-a-time.js'
import {
  hashPassword,
  parsePasswordHash,
  passwordMatches,
  printPasswordHash,
} from '../../../src/admin/access/password-hash.js'
import type { Principal } from '../../../src/admin/access/principal.js'
import { TokenBuckets } from '../../../src/admin/access/token-bucket.js'
import { VerifiedPasswords } from '../../../src/admin/access/verified-passwords.js'
import { defaultAdminLimits, isLoopback } from '../../../src/admin/admin-settings.js'
import { attribute, defineMBean, operation } from '../../../src/admin/mbean/mbean.js'
import { nothing, string } from '../../../src/admin/mbean/value-type.js'
import { systemClock } from '../../../src/clock.js'
import { createManualClock } from '../../../src/testing/manual-clock.js'

const password = 'a-password-of-the-tests'

describe('a password hash', () => {
  it('survives printing and matches its password only', async () => {
    const printed = printPasswordHash(await hashPassword(password))
    expect(printed).toMatch(/^scrypt\$15\$8\$3\$[\w-]{22}\$[\w-]{43}$/)
    const hash = parsePasswordHash(printed)
    if (hash === undefined) throw new Error('not read')
    expect(await passwordMatches(password, hash)).toBe(true)
    expect(await passwordMatches(`${password}x`, hash)).toBe(false)
    expect(printPasswordHash(await hashPassword(password))).not.toBe(printed)
  })

  const [salt, hash] = ['s'.repeat(22), 'h'.repeat(43)]
  it.each([
    'scrypt$',
    `scrypt$10$8$1$${salt}$${hash}`,
    `scrypt$21$8$1$${salt}$${hash}`,
    `scrypt$20$32$1$${salt}$${hash}`,
    `scrypt$15$8$0$${salt}$${hash}`,
    `scrypt$15$8$1$short$${hash}`,
    `bcrypt$15$8$1$${salt}$${hash}`,
  ])('is refused when it is malformed, weak or too costly: %s', (text) => {
    expect(parsePasswordHash(text)).toBeUndefined()
  })

  it('that is wrong in the settings stops the start', () => {
    const auth = { users: [{ name: 'x', role: 'viewer' as const, password: 'scrypt$x' }], tokens: [] }
    expect(() => new Authenticator(auth, defaultAdminLimits, systemClock)).toThrow(/"x" can't be read/)
  })
})

describe('verified passwords', () => {
  it('are forgotten after ten minutes, and their number has a limit', () => {
    const clock = createManualClock(0)
    const verified = new VerifiedPasswords(clock)
    verified.add('a', 'bc')
    expect(verified.has('a', 'bc')).toBe(true)
    expect(verified.has('ab', 'c')).toBe(false)
    clock.advance(600_001)
    expect(verified.has('a', 'bc')).toBe(false)
    for (let at = 0; at < 300; at++) verified.add('a', String(at))
    expect([verified.has('a', '0'), verified.has('a', '299')]).toEqual([false, true])
  })
})

describe('token buckets', () => {
  it('empty, and fill again with time, each client for itself', () => {
    const clock = createManualClock(0)
    const buckets = new TokenBuckets({ capacity: 2, pause: 1000, maxClients: 2, clock })
    expect([buckets.take('a'), buckets.take('a'), buckets.take('a'), buckets.take('b')]).toEqual([
      true,
      true,
      false,
      true,
    ])
    expect(buckets.secondsToWait('a')).toBe(1)
    clock.advance(999)
    expect(buckets.take('a')).toBe(false)
    clock.advance(1)
    expect(buckets.take('a')).toBe(true)
    expect(buckets.isEmpty('a')).toBe(true)
  })

  it('are remembered for so many clients only', () => {
    const buckets = new TokenBuckets({ capacity: 1, pause: 1000, maxClients: 2, clock: createManualClock(0) })
    for (const client of ['a', 'b', 'c']) buckets.take(client)
    expect([buckets.isEmpty('a'), buckets.isEmpty('b'), buckets.isEmpty('c')]).toEqual([false, true, true])
  })
})

describe('what a client is charged for work that is done', () => {
  it('has to be waited for', () => {
    const clock = createManualClock(0)
    const buckets = new TokenBuckets({ capacity: 2, pause: 1000, maxClients: 2, clock })
    expect(buckets.take('a')).toBe(true)
    buckets.charge('a', 5)
    expect([buckets.take('a'), buckets.secondsToWait('a'), buckets.take('b')]).toEqual([false, 5, true])
    clock.advance(5000)
    expect([buckets.take('a'), buckets.take('a')]).toEqual([true, false])
  })
})

describe('work one at a time', () => {
  it('does not let one client take all places', async () => {
    const queue = new OneAtATime(4, 2)
    const run = (client: string) => queue.run(async () => client, client)
    const given = ['a', 'a', 'a', 'b', 'b', 'c'].map(run)
    expect(await Promise.all(given.map((one) => one ?? 'refused'))).toEqual(['a', 'a', 'refused', 'b', 'b', 'refused'])
    expect(await run('a')).toBe('a')
  })

  it('does not overlap, goes on after errors, and does not queue without end', async () => {
    const queue = new OneAtATime(2)
    const steps: string[] = []
    const first = queue.run(async () => {
      steps.push('a')
      await new Promise((resolve) => setImmediate(resolve))
      steps.push('b')
      throw new Error('x')
    })
    const second = queue.run(async () => steps.push('c'))
    expect(queue.run(async () => steps.push('never'))).toBeUndefined()
    await expect(first).rejects.toThrow('x')
    await second
    expect(steps).toEqual(['a', 'b', 'c'])
    await queue.run(async () => steps.push('d'))
    expect(steps).toHaveLength(4)
  })
})

describe('a text in the audit log', () => {
  it.each([
    'redis://user:word@h:1',
    'redis://user:wo@rd@h:1',
    'redis://user:word',
    'n1:redis://h:1 n2:redis://user:word',
    'redis+sentinel://h:1/name?sentinelPassword=word',
    'redis//user:word@h',
    'password=word',
    '"password": "word"',
    'secret: word and more',
    'x?access_token=word',
    'Authorization: word',
  ])('has no credentials: %s', (text) => {
    expect(withoutCredentials(text).replace(/password/gi, '')).not.toMatch(/word|rd@/)
    expect(withoutQuotes(`got ${JSON.stringify(text)}, expected y`)).toBe('got "…", expected y')
  })

  it.each(['n1:memcached://h:11211 n2:redis://h2:6379/2', '/^\\/static\\//', 'sticky', 'n1 n2'])(
    'is as it is: %s',
    (text) => {
      expect(withoutCredentials(text)).toBe(text)
    },
  )
})

describe('the audit log', () => {
  const ignore = (): void => {}

  it('keeps the newest entries', () => {
    const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
    const audit = new AuditLog({ logger, capacity: 3 })
    for (let at = 0; at < 5; at++) audit.add({ action: 'exec', address: 'x', member: `m${at}`, outcome: 'done' })
    expect(audit.entries().map(({ member }) => member)).toEqual(['m2', 'm3', 'm4'])
  })

  it('thins out a flood of refusals, and tells how many are missing', () => {
    const lines: string[] = []
    const logger = { debug: ignore, info: ignore, error: ignore, warn: (line: string) => void lines.push(line) }
    const audit = new AuditLog({ logger, clock: createManualClock(0) })
    for (let at = 0; at < 80; at++) audit.add({ action: 'refused', address: 'x', outcome: 'no' })
    expect(lines).toHaveLength(50)
    audit.add({ action: 'write', address: 'x', new: 'y'.repeat(1000), outcome: 'done' })
    expect(lines.at(-1)).toMatch(/^admin audit \(after 30 refusals that are not listed\): \{/)
    expect(lines.at(-1)?.length).toBeLessThan(400)
  })
})

describe('rights to members', () => {
  const bean = defineMBean({
    name: 'holdfast:type=Rights',
    description: 'One member for each right',
    attributes: {
      Plain: attribute({ type: string(), description: 'Plain', read: () => '', write: () => {} }),
      Shown: attribute({ type: string(), description: 'Shown', right: 'values', read: () => '', write: () => {} }),
      Place: attribute({ type: string(), description: 'Place', writeRight: 'nodes', read: () => '', write: () => {} }),
      Both: attribute({ type: string(), description: 'Both', writeRight: 'values', read: () => '', write: () => {} }),
    },
    operations: {
      look: operation({ description: 'Looks', right: 'viewer', returns: nothing(), invoke: () => {} }),
      value: operation({ description: 'A value', right: 'values', returns: nothing(), invoke: () => {} }),
      change: operation({ description: 'Changes', returns: nothing(), invoke: () => {} }),
      move: operation({ description: 'Moves', right: 'nodes', returns: nothing(), invoke: () => {} }),
    },
  })
  const access = new MemberAccess({ readOnly: false })
  const closed = new MemberAccess({ readOnly: true })
  const mayWrite = (principal: Principal, by = access) =>
    [...bean.attributes.values()].filter((a) => by.refusesWrite(principal, bean, a) === undefined).map((a) => a.name)
  const mayCall = (principal: Principal, by = access) =>
    [...bean.operations.values()].filter((o) => by.refusesCall(principal, bean, o) === undefined).map((o) => o.name)
  const who = (role: Principal['role'], values: boolean, nodes: boolean) => ({ name: 'x', role, values, nodes })

  it.each([
    [who('operator', false, false), ['Plain'], ['look', 'change']],
    [who('operator', true, false), ['Plain', 'Shown', 'Both'], ['look', 'value', 'change']],
    [who('operator', false, true), ['Plain', 'Place'], ['look', 'change', 'move']],
    [who('operator', true, true), ['Plain', 'Shown', 'Place', 'Both'], ['look', 'value', 'change', 'move']],
    [who('viewer', true, true), [], ['look', 'value']],
    [who('viewer', false, false), [], ['look']],
  ])('count for reading and for writing: %j', (principal, writes, calls) => {
    expect([mayWrite(principal), mayCall(principal)]).toEqual([writes, calls])
    expect(mayWrite(principal, closed)).toEqual([])
    expect(mayCall(principal, closed)).toEqual(calls.filter((name) => ['look', 'value'].includes(name)))
  })
})

describe('addresses and members', () => {
  it.each(['localhost', '127.0.0.1', '127.1.2.3', '::1', '[::1]'])('%s is loopback', (host) => {
    expect(isLoopback(host)).toBe(true)
  })

  it.each(['0.0.0.0', '::', '10.0.0.1', 'localhost.evil', '127.0.0.1.evil'])('%s is not', (host) => {
    expect(isLoopback(host)).toBe(false)
  })

  it.each(['x', 'a:b=c', 'a:b=c/', 'a/b', 'a:b=c/d e'])('%s is no pattern of members', (text) => {
    expect(() => parseMemberPattern(text)).toThrow()
  })
})
