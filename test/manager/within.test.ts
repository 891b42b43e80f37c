import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { within } from '../../src/manager/context/within.js'

describe('waiting within a time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('says so when the work was done in time, and leaves no timer', async () => {
    expect(await within(systemClock, Promise.resolve('anything'), 1000)).toBe(true)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends without the work when that takes longer, and the work goes on', async () => {
    let finish = (): void => {}
    let finished = false
    const work = new Promise<void>((resolve) => {
      finish = resolve
    }).then(() => {
      finished = true
    })
    const waiting = within(systemClock, work, 1000)
    vi.advanceTimersByTime(999)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(1)
    expect([await waiting, finished]).toEqual([false, false])
    finish()
    await work
    expect([finished, vi.getTimerCount()]).toEqual([true, 0])
  })

  it('ends soon when there is no time at all', async () => {
    const waiting = within(systemClock, new Promise(() => {}), 0)
    vi.advanceTimersByTime(1)
    expect(await waiting).toBe(false)
  })

  it('waits as long as the platform can when the time is longer than that', async () => {
    const waiting = within(systemClock, new Promise(() => {}), Number.POSITIVE_INFINITY)
    vi.advanceTimersByTime(20 * 86_400_000)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(5 * 86_400_000)
    expect(await waiting).toBe(false)
  })
})
