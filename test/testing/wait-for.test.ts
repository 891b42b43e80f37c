import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { waitAtLeast, waitFor } from '../../src/testing/wait-for.js'
import { leastWait } from '../support/patience.js'

describe('waiting for a condition', () => {
  beforeEach(() => waitAtLeast(0))
  afterEach(() => waitAtLeast(leastWait))

  it('gives what the condition gave', async () => {
    let looks = 0
    const result = await waitFor(() => {
      looks += 1
      if (looks < 3) throw new Error('not yet')
      return 'done'
    })
    expect(result).toBe('done')
  })

  it('ends with what was waited for and why it did not hold', async () => {
    const waiting = waitFor(() => Promise.reject(new Error('still closed')), { timeout: 30, message: 'the door' })
    await expect(waiting).rejects.toThrow(/30 ms in vain for the door: still closed/)
  })

  it('ends no earlier than this process is told to be patient', async () => {
    waitAtLeast(40)
    const started = performance.now()
    await expect(waitFor(() => false, { timeout: 1 })).rejects.toThrow('waited 40 ms in vain for the condition')
    expect(performance.now() - started).toBeGreaterThanOrEqual(40)
    await expect(waitFor(() => false, { timeout: 50 })).rejects.toThrow('waited 50 ms in vain')
  })
})

describe('the manual clock', () => {
  it('stands still until it is moved', () => {
    const clock = createManualClock(1000)
    expect(clock.now()).toBe(1000)
    clock.advance(500)
    expect(clock.now()).toBe(1500)
    clock.set(42)
    expect(clock.now()).toBe(42)
  })
})
