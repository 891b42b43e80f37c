import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { within } from '../../src/manager/within.js'

describe('waiting within a time', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('says so when the work was done in time, and leaves no timer', async () => {
    expect(await within(Promise.resolve('anything'), 1000)).toBe(true)
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
    const waiting = within(work, 1000)
    vi.advanceTimersByTime(999)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(1)
    expect([await waiting, finished]).toEqual([false, false])
    finish()
    await work
    expect([finished, vi.getTimerCount()]).toEqual([true, 0])
  })

  it('ends soon when there is no time at all', async () => {
    const waiting = within(new Promise(() => {}), 0)
    vi.advanceTimersByTime(1)
    expect(await waiting).toBe(false)
  })
})
