import { describe, expect, it } from 'vitest'
import { History } from '../../src/dashboard/browser/history.js'
import { rateOf, requestRate, sampleOf } from '../../src/dashboard/browser/rates.js'
import { beans, readSnapshot, type Snapshot, snapshotRequests } from '../../src/dashboard/browser/snapshot.js'

function snapshot(at: number, statistics: Record<string, unknown>): Snapshot {
  return { at, manager: {}, statistics, writeBehind: {}, locking: {}, nodes: [] }
}

describe('a rate', () => {
  it('is what a counter grew by a second', () => {
    const [before, now] = [snapshot(1000, { Takeovers: 4 }), snapshot(3000, { Takeovers: 10 })]
    expect(rateOf('Takeovers', now, before)).toBe(3)
  })

  it('is zero after a reset or a restart, and unknown without two figures', () => {
    const now = snapshot(2000, { Takeovers: 1 })
    expect(rateOf('Takeovers', now, snapshot(1000, { Takeovers: 10 }))).toBe(0)
    expect(rateOf('Takeovers', now, undefined)).toBeNull()
    expect(rateOf('Takeovers', now, snapshot(2000, { Takeovers: 0 }))).toBeNull()
    expect(rateOf('Takeovers', now, snapshot(1000, { Takeovers: { '.error': true } }))).toBeNull()
  })

  it('of requests adds those with and those without a session', () => {
    const before = snapshot(0, { RequestsWithSession: 0, RequestsWithoutSession: 0 })
    const now = snapshot(1000, { RequestsWithSession: 7, RequestsWithoutSession: 3 })
    expect(requestRate(now, before)).toBe(10)
    expect(requestRate(now, snapshot(0, {}))).toBeNull()
  })

  it('counts each request under one kind', () => {
    const zero = { RequestsWithSession: 0, LocalHits: 0, Takeovers: 0 }
    const now = snapshot(1000, { RequestsWithSession: 10, LocalHits: 6, Takeovers: 1 })
    expect(sampleOf(now, snapshot(0, zero))).toMatchObject({ localHits: 6, takeovers: 1, fromStorage: 3 })
  })
})

describe('the history', () => {
  it('keeps five minutes', () => {
    const history = new History()
    for (let second = 0; second <= 400; second++) history.push(second, { pending: second })
    const [times, pending] = history.columns(['pending'])
    expect([times.at(0), times.at(-1), times.length]).toEqual([100, 400, 301])
    expect(pending?.at(-1)).toBe(400)
  })

  it('breaks the line where nothing is known', () => {
    const history = new History()
    history.push(1, { pending: 1 })
    history.push(60, { pending: 2 })
    expect(history.columns(['pending', 'other'])).toEqual([
      [1, 2, 60],
      [1, null, 2],
      [null, null, null],
    ])
  })
})

describe('a poll', () => {
  it('asks for the figures and for the settings that are shown, each once', () => {
    const requests = snapshotRequests([
      { mbean: beans.manager, name: 'Mode' },
      { mbean: beans.locking, name: 'Timeout' },
    ])
    expect(requests.map((request) => 'mbean' in request && request.mbean)).toEqual(Object.values(beans))
    const [manager, , , locking] = requests.map((request) => (request as { attribute?: string[] }).attribute)
    expect(manager?.filter((name) => name === 'Mode')).toHaveLength(1)
    expect(locking).toEqual(['Waiting', 'Held', 'Timeout'])
  })

  it('takes what is refused or missing as not known', () => {
    const answers = [
      { status: 200, value: { Route: 'a' } },
      { status: 403, error: 'no' },
      { status: 200, value: null },
      { status: 404, error: 'no such MBean' },
      { status: 200, value: { 'holdfast:type=StorageNode,id=n1': { State: 'up' } } },
    ]
    expect(readSnapshot(answers, 5)).toEqual({
      at: 5,
      manager: { Route: 'a' },
      statistics: {},
      writeBehind: {},
      locking: {},
      nodes: [{ mbean: 'holdfast:type=StorageNode,id=n1', values: { State: 'up' } }],
    })
  })
})
