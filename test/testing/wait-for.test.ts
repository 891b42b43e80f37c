import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../src/testing/manual-clock.js'
import { waitFor } from '../../src/testing/wait-for.js'

describe('waiting for a condition', () => {
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
