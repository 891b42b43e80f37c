import fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { CopyIndex } from '../../src/local/copy-index.js'
import type { WatchedNode } from '../../src/placement/watched-node.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'

let clock: ManualClock
let known: CopyIndex
let dropped: number

beforeEach(() => {
  clock = createManualClock(1_700_000_000_000)
  dropped = 0
  known = new CopyIndex(clock, () => dropped++, 3)
})

function remember(token: string, life = 10_000): void {
  const session = known.note(token)
  session.expiresAt = clock.now() + life
  known.schedule(session)
}

const tokens = () => [...known.values()].map(({ token }) => token)
const node = (id: string) => ({ id }) as WatchedNode

describe('the sessions that a server knows of', () => {
  it('are found by their token, and stay the same object when they are noted again', () => {
    const first = known.note('a')
    expect(known.note('a')).toBe(first)
    expect([known.get('a'), known.has('a'), known.size]).toEqual([first, true, 1])
    expect([known.get('b'), known.has('b')]).toEqual([undefined, false])
  })

  it('are bounded: the oldest is forgotten for a new one, and that is told', () => {
    for (const token of ['a', 'b', 'c', 'd', 'e']) remember(token)
    expect([tokens(), dropped]).toEqual([['c', 'd', 'e'], 2])
    clock.advance(20_000)
    known.sweep()
    expect([known.size, dropped]).toEqual([0, 2])
  })

  it('do not cost another one its place when they are noted again', () => {
    for (const token of ['a', 'b', 'c', 'a', 'b', 'c']) remember(token)
    expect([tokens(), dropped]).toEqual([['a', 'b', 'c'], 0])
  })

  it('are forgotten when they have ended, at most two seconds later', () => {
    remember('short', 1000)
    remember('long', 60_000)
    clock.advance(900)
    known.sweep()
    expect(known.size).toBe(2)
    clock.advance(2100)
    known.sweep()
    expect(tokens()).toEqual(['long'])
  })

  it('are not forgotten as long as they are used, although nobody schedules them anew', () => {
    remember('used', 5000)
    for (let i = 0; i < 20; i++) {
      clock.advance(3000)
      known.note('used').expiresAt = clock.now() + 5000
      known.sweep()
      expect(known.has('used')).toBe(true)
    }
    clock.advance(7000)
    known.sweep()
    expect(known.has('used')).toBe(false)
  })

  it('are forgotten earlier when their end comes nearer', () => {
    remember('a', 3_600_000)
    remember('a', 1000)
    clock.advance(3000)
    known.sweep()
    expect(known.size).toBe(0)
  })

  it('that never end stay', () => {
    known.schedule(known.note('forever'))
    clock.advance(1e12)
    known.sweep()
    expect(known.size).toBe(1)
  })

  it('go when they are deleted, and all at once', () => {
    remember('a')
    known.delete('a')
    known.delete('a')
    expect(known.size).toBe(0)
    remember('b')
    remember('c')
    known.clear()
    clock.advance(20_000)
    known.sweep()
    expect([known.size, dropped]).toEqual([0, 0])
  })

  it('can be walked while others come and go', () => {
    for (const token of ['a', 'b', 'c']) remember(token)
    const seen: string[] = []
    for (const { token } of known.values()) {
      seen.push(token)
      known.delete(token)
      if (token === 'a') known.delete('b')
    }
    expect(seen).toEqual(['a', 'c'])
  })

  it('know which nodes they are on', () => {
    const [n1, n2, n3] = [node('n1'), node('n2'), node('n3')]
    const session = known.note('a')
    session.primary = n1
    session.copies = [{ node: n2, fence: {} }]
    expect([n1, n2, n3].map((place) => session.isOn(place))).toEqual([true, true, false])
    expect([session.copyOn(n1), session.copyOn(n2)]).toEqual([undefined, session.copies[0]])
  })

  it('are never more than the limit, and all have an end to come, whatever happens to them', () => {
    const step = fc.oneof(
      fc.record({ note: fc.integer({ min: 0, max: 9 }), life: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({ pass: fc.integer({ min: 0, max: 8000 }) }),
    )
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        clock = createManualClock(1_700_000_000_000)
        known = new CopyIndex(clock, () => {}, 4)
        for (const action of steps) {
          if ('note' in action) remember(`${action.note}`, action.life)
          else clock.advance(action.pass)
          clock.advance(1001)
          known.sweep()
          expect(known.size).toBeLessThanOrEqual(4)
          for (const { expiresAt } of known.values()) expect(expiresAt).toBeGreaterThan(clock.now() - 2000)
        }
      }),
    )
  })
})
