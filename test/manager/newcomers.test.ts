import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { parseSettings } from '../../src/config/parse-settings.js'
import { TooManyNewcomersError, TooManySessionsError } from '../../src/errors.js'
import { Admission } from '../../src/manager/admission.js'
import { ManagerContext } from '../../src/manager/context/manager-context.js'
import { type AppServer, secret, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, visitorsOf } from '../support/cluster.js'
import { modesAndStorages, storage } from '../support/storages.js'
import { keyOf } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

const minute = 60_000
const options = {
  backup: { mode: 'sync', timeout: '20s', replicas: 1 },
  operationTimeout: '10s',
  newcomers: { idleTimeout: '2m' },
} as const

describe.each(modesAndStorages)('a visitor who came without a session, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let a: AppServer

  const routes = (app: Express) => {
    app.post('/remember', (req, res) => {
      sessionOf(req).cookie.maxAge = 30 * 24 * 60 * minute
      sessionOf(req).user = 'ann'
      res.json({})
    })
  }

  const serve = (route: string, changes: object = {}) => cluster.server(route, { mode, ...options, ...changes }, routes)

  /** Minutes that the storage keeps a visitor's session from now on. */
  async function minutesLeft(visitor: Visitor): Promise<number> {
    await a.sessions.flush()
    return (await storage[kind].secondsToLive(cluster.node(visitor), keyOf(visitor))) / 60
  }

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1')
    a = await serve('a')
  })

  afterEach(async () => {
    vi.useRealTimers()
    await cluster.close()
  })

  it('has it for a short time, and for as long as others when he has come back', async () => {
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    expect(await minutesLeft(visitor)).toBeLessThan(3)
    await visitor.get(`${a.url}/untouched`)
    expect(await minutesLeft(visitor)).toBeGreaterThan(25)
    expect(await attributesAt(a, visitor)).toEqual({ number: 0 })
  })

  it('is known to have come back on another server, once', async () => {
    const b = await serve('b')
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.get(`${b.url}/untouched`)
    await b.sessions.flush()
    expect(await minutesLeft(visitor)).toBeGreaterThan(25)
    const { backupsStored } = b.sessions.stats().counters
    await visitor.get(`${b.url}/untouched`)
    await b.sessions.flush()
    expect(b.sessions.stats().counters.backupsStored).toBe(backupsStored)
  })

  it('gets the age that his cookie was given when he has come back', async () => {
    const visitor = new Visitor()
    await visitor.post(`${a.url}/remember`, {})
    expect(await minutesLeft(visitor)).toBeLessThan(3)
    await visitor.get(`${a.url}/untouched`)
    expect(await minutesLeft(visitor)).toBeGreaterThan(29 * 24 * 60)
  })

  it('has it as long as others when he has logged in within it', async () => {
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    await visitor.post(`${a.url}/regenerate`, {})
    await visitor.copy().post(a.url, { user: 'ann' })
    expect(await minutesLeft(visitor)).toBeGreaterThan(25)
  })

  it('has it as long as others without the setting, also when he began with it', async () => {
    const [visitor, other] = (await visitorsOf(a, 2)) as [Visitor, Visitor]
    a.sessions.reconfigure({ newcomers: undefined })
    await visitor.get(`${a.url}/untouched`)
    expect(await minutesLeft(visitor)).toBeGreaterThan(25)
    expect(await minutesLeft(other)).toBeLessThan(3)
    expect(await minutesLeft((await visitorsOf(a, 1))[0] as Visitor)).toBeGreaterThan(25)
  })

  it('may be one too many in a second; those who have a session are not', async () => {
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    a.sessions.reconfigure({ newcomers: { perSecond: 1 } })
    const crowd = Array.from({ length: 50 }, () => new Visitor())
    const answers = await Promise.all(crowd.map((each) => each.post(a.url, { x: 1 })))
    const refused = answers.filter(({ status }) => status === 503)
    expect(refused.length).toBeGreaterThan(0)
    expect(refused.map(({ headers, cookie }) => [headers['retry-after'], cookie])).toEqual(
      refused.map(() => ['1', undefined]),
    )
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0)
    expect(a.sessions.stats().counters.newcomersRejected).toBe(refused.length)
    expect((await visitor.post(`${a.url}/regenerate`, {})).status).toBe(200)
    expect((await visitor.post(a.url, { x: 1 })).status).toBe(200)
  })
})

it('a session of a newcomer ends on its own server when its time is over', async () => {
  const cluster = await Cluster.of('n1')
  const a = await cluster.server('a', options)
  const [back, away] = (await visitorsOf(a, 2)) as [Visitor, Visitor]
  vi.useFakeTimers({ toFake: ['Date'] })
  const start = Date.now()
  await back.get(`${a.url}/untouched`)
  vi.setSystemTime(start + 3 * minute)
  expect(await attributesAt(a, away)).toEqual({})
  expect(await attributesAt(a, back)).toEqual({ number: 0 })
  vi.useRealTimers()
  await cluster.close()
})

describe('admission', () => {
  let time = 0
  const clock = { ...systemClock, monotonic: () => time }
  const admission = (limits: object) => new Admission(new ManagerContext(parseSettings({ secret, ...limits }), clock))
  const admitted = (to: Admission, count: number, isNewcomer = true) => {
    let sum = 0
    for (let i = 0; i < count; i++) {
      try {
        to.check(0, isNewcomer)
        sum++
      } catch (error) {
        expect(error).toBeInstanceOf(TooManyNewcomersError)
      }
    }
    return sum
  }

  it('lets so many newcomers in each second, and all others', () => {
    const limited = admission({ newcomers: { perSecond: 10 } })
    expect(admitted(limited, 30)).toBe(10)
    time += 500
    expect(admitted(limited, 30)).toBe(5)
    time += minute
    expect(admitted(limited, 30)).toBe(10)
    expect(admitted(limited, 30, false)).toBe(30)
  })

  it('has no limit unless one is set', () => {
    expect(admitted(admission({}), 1000)).toBe(1000)
    expect(admitted(admission({ newcomers: {} }), 1000)).toBe(1000)
  })

  it('has room for so many sessions in all', () => {
    const limited = admission({ maxActiveSessions: 5 })
    expect(() => limited.check(4, false)).not.toThrow()
    expect(() => limited.check(5, false)).toThrow(TooManySessionsError)
  })
})
