import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { AnswerTimes } from '../../src/placement/answer-times.js'

const timeout = 1000
const never = new Promise<void>(() => {})
let times: AnswerTimes

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] })
  times = new AnswerTimes(systemClock, () => timeout)
})

afterEach(() => {
  vi.useRealTimers()
})

function answersIn(ms: number, count = 200): void {
  for (let i = 0; i < count; i++) {
    times.begin()
    times.answered(ms)
  }
}

/** Whether it has become late after so many milliseconds more. */
async function lateWithin(ms: number, isLate: Promise<boolean>): Promise<boolean> {
  let answer: boolean | undefined
  void isLate.then((late) => {
    answer = late
  })
  await vi.advanceTimersByTimeAsync(ms)
  return answer === true
}

describe('what a node is expected to take', () => {
  it('is a quarter of the time-out before it has answered anything', () => {
    expect(times.patience).toBe(timeout / 4)
  })

  it('follows its own answers, within bounds', () => {
    answersIn(2)
    expect(times.patience).toBe(30)
    answersIn(60)
    expect(times.patience).toBeGreaterThan(60)
    answersIn(600)
    expect(times.patience).toBe(timeout / 4)
    answersIn(2, 2000)
    expect(times.patience).toBe(30)
  })

  it('is not changed by what fails', () => {
    answersIn(2)
    times.begin()
    times.failed()
    expect(times.patience).toBe(30)
  })

  it('allows for answers that vary', () => {
    for (let i = 0; i < 200; i++) answersIn(i % 2 === 0 ? 1 : 80, 1)
    expect(times.patience).toBeGreaterThan(80)
  })
})

describe('a node that is late', () => {
  beforeEach(() => answersIn(2))

  it('answers nothing for far longer than usual, and is not waited for to the time-out', async () => {
    times.begin()
    const isLate = times.isLate(never)
    expect(await lateWithin(29, isLate)).toBe(false)
    expect(times.isStalled).toBe(false)
    expect(await lateWithin(5, isLate)).toBe(true)
    expect(times.isStalled).toBe(true)
  })

  it('keeps nobody waiting who comes later', async () => {
    times.begin()
    await vi.advanceTimersByTimeAsync(100)
    times.begin()
    expect(await lateWithin(0, times.isLate(never))).toBe(true)
  })

  it('is late for nobody whose work is over', async () => {
    times.begin()
    await vi.advanceTimersByTimeAsync(100)
    expect(await times.isLate(Promise.resolve())).toBe(false)
    expect(await times.isLate(Promise.reject(new Error('refused')))).toBe(false)
  })

  it('is not late again once it answers', async () => {
    times.begin()
    times.begin()
    await vi.advanceTimersByTimeAsync(100)
    times.answered(100)
    expect(times.isStalled).toBe(false)
    const isLate = times.isLate(never)
    expect(await lateWithin(10, isLate)).toBe(false)
  })

  it('is one that answers others only after a quarter of the time-out: it is busy, and more work would not help', async () => {
    times.begin()
    const isLate = times.isLate(never)
    for (let passed = 0; passed < 240; passed += 10) {
      times.begin()
      expect(await lateWithin(10, isLate)).toBe(false)
      times.answered(10)
    }
    expect(await lateWithin(20, isLate)).toBe(true)
  })

  it('tells for how long it has been silent', async () => {
    times.begin()
    await vi.advanceTimersByTimeAsync(100)
    expect(times.silence).toBe(100)
    times.answered(100)
    expect(times.silence).toBe(0)
  })

  it('is nobody who was not asked', async () => {
    await vi.advanceTimersByTimeAsync(10_000)
    expect([times.isStalled, times.silence]).toEqual([false, 0])
  })

  it('is not blamed for what this process has not read yet', async () => {
    times.begin()
    let answer = () => {}
    const work = new Promise<void>((resolve) => {
      answer = resolve
    })
    /* Read in the same turn of the event loop in which the timer fires. */
    setTimeout(() => setImmediate(() => answer()), 30)
    const isLate = times.isLate(work)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await isLate).toBe(false)
  })
})
