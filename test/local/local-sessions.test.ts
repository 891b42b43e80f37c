import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { LocalSessions } from '../../src/local/local-sessions.js'
import { SessionState } from '../../src/local/session-state.js'
import { createManualClock, type ManualClock } from '../../src/testing/manual-clock.js'

let clock: ManualClock
let local: LocalSessions

function session(token: string, idleTimeout: number, absoluteDeadline = 0): SessionState {
  const now = clock.now()
  return new SessionState(token, 'a', { createdAt: now, accessedAt: now, idleTimeout, absoluteDeadline })
}

beforeEach(() => {
  clock = createManualClock(1_700_000_000_000)
  local = new LocalSessions(clock)
})

describe('the sessions of a server', () => {
  it('are found by their token, which relocation leaves alone (W12)', () => {
    const state = session('token', 1000)
    local.add(state)
    expect([local.get('token'), local.get('other'), local.size]).toEqual([state, undefined, 1])
    state.relocate({ id: 'n2' } as never)
    expect(local.get('token')).toBe(state)
    expect([...local.values()]).toEqual([state])
  })

  it('go when they are removed, once', () => {
    const state = session('token', 1000)
    local.add(state)
    local.remove(state)
    local.remove(state)
    expect([local.get('token'), local.size, state.wheelBucket]).toEqual([undefined, 0, 0])
  })

  it('are not removed by an older object of the same token', () => {
    const [old, current] = [session('token', 1000), session('token', 1000)]
    local.add(current)
    local.remove(old)
    local.reschedule(old)
    expect([local.get('token'), old.wheelBucket]).toEqual([current, 0])
  })
})

describe('the sweep for expired sessions', () => {
  let expired: SessionState[]

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    expired = []
    local.startSweeping((state) => {
      expired.push(state)
      local.remove(state)
    })
  })
  afterEach(() => {
    local.close()
    vi.useRealTimers()
  })

  function pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 1000) {
      clock.advance(1000)
      vi.advanceTimersByTime(1000)
    }
  }

  it('hands over each one when it has ended, a second later at most', () => {
    const [short, long] = [session('short', 5000), session('long', 60_000)]
    local.add(short)
    local.add(long)
    pass(4000)
    expect(expired).toEqual([])
    pass(2000)
    expect(expired).toEqual([short])
    pass(60_000)
    expect(expired).toEqual([short, long])
    expect(local.size).toBe(0)
  })

  it('leaves those alone that are used, until the absolute end (promise 9)', () => {
    const [used, bounded] = [session('used', 5000), session('bounded', 5000, clock.now() + 20_000)]
    local.add(used)
    local.add(bounded)
    for (let i = 0; i < 30; i++) {
      used.use(clock.now())
      bounded.use(clock.now())
      pass(1000)
    }
    expect(expired).toEqual([bounded])
  })

  it('finds one whose timeout was shortened, also from "never"', () => {
    const [long, never] = [session('long', 600_000), session('never', 0)]
    for (const state of [long, never]) {
      local.add(state)
      state.extend({ idleTimeout: 2000, absoluteDeadline: 0 })
      local.reschedule(state)
    }
    pass(4000)
    expect(expired).toEqual([long, never])
  })

  it('stops with the sessions, and leaves no timer', () => {
    local.add(session('a', 1000))
    local.close()
    expect(vi.getTimerCount()).toBe(0)
    pass(5000)
    expect(expired).toEqual([])
  })
})
