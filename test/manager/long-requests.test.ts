import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record, visitorsOf } from '../support/cluster.js'
import { modesAndStorages, storage } from '../support/storages.js'
import { keyOf } from '../support/stored-session.js'
import type { Visitor } from '../support/visitor.js'

const minute = 60_000
const options = { backup: { mode: 'sync', timeout: '20s', replicas: 1 }, operationTimeout: '10s' } as const

describe.each(modesAndStorages)('a request that goes on for long, %s on %s', (mode, kind) => {
  let cluster: Cluster
  let gate: Gate
  let start: number
  let a: AppServer
  let visitor: Visitor

  const routes = (app: Express) => {
    app.get('/stream', async (req, res) => {
      const cart = sessionOf(req).cart as unknown[]
      res.write('begun ')
      await gate.pass()
      if (req.query.assign !== undefined) sessionOf(req).end = 'assigned'
      else if (req.query.read === undefined) cart.push('end')
      res.end('ended')
    })
  }

  async function serve(changes: object = {}): Promise<void> {
    a = await cluster.server('a', { mode, ...options, ...changes }, routes)
    visitor = (await visitorsOf(a, 1))[0] as Visitor
    await visitor.post(a.url, { cart: [] })
  }

  async function stream(query = ''): Promise<{ over(): Promise<unknown> }> {
    const answer = visitor.copy().get(`${a.url}/stream?${query}`)
    await waitFor(() => gate.waiting === 1)
    return {
      over: () => {
        gate.open()
        return answer
      },
    }
  }

  /** Time goes on; the stored copy ends in two minutes unless somebody renews it. */
  async function passTime(time: number): Promise<void> {
    vi.setSystemTime(start + time)
    const node = storage[kind].open(cluster.node(visitor))
    await node.touch(keyOf(visitor), Date.now() + 2 * minute)
    await node.close()
  }

  const secondsLeft = () => storage[kind].secondsToLive(cluster.node(visitor), keyOf(visitor))

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1')
    gate = new Gate()
    vi.useFakeTimers({ toFake: ['Date'] })
    start = Date.now()
  })

  afterEach(async () => {
    gate.open()
    vi.useRealTimers()
    await cluster.close()
  })

  it('keeps the session that it uses alive, and what it changes at its end is stored', async () => {
    await serve()
    const request = await stream()
    for (const time of [31, 62]) {
      await passTime(time * minute)
      await waitFor(async () => (await secondsLeft()) > 25 * 60, { message: 'the renewal of the stored copy' })
    }
    await request.over()
    expect(await attributesAt(a, visitor)).toEqual({ number: 0, cart: ['end'] })
    expect(a.sessions.stats().counters.changesLost).toBe(0)
  })

  it.each(['', 'assign'])(
    'is told when its session was ended meanwhile, and the change leads nowhere: %s',
    async (query) => {
      await serve()
      const lost = record(a.sessions, 'changeLost')
      const request = await stream(query)
      await a.sessions.destroy(visitor.id as string)
      await request.over()
      await waitFor(() => lost.length > 0, { message: 'the event' })
      expect(lost.map(({ error }) => error.name)).toEqual(['SessionGoneError'])
      expect(a.sessions.stats().counters.changesLost).toBe(1)
      expect(await attributesAt(a, visitor)).toEqual({})
    },
  )

  it('is not told of anything when it has only read', async () => {
    await serve()
    const lost = record(a.sessions, 'changeLost')
    const request = await stream('read')
    await a.sessions.destroy(visitor.id as string)
    await request.over()
    expect(lost).toEqual([])
  })

  it('keeps no session beyond its absolute timeout', async () => {
    await serve({ absoluteTimeout: '1h' })
    const request = await stream()
    vi.setSystemTime(start + 61 * minute)
    expect(await attributesAt(a, visitor)).toEqual({})
    await request.over()
    expect(await attributesAt(a, visitor)).toEqual({})
  })
})
