import { AsyncLocalStorage } from 'node:async_hooks'

/** A timer that was set; the clock that set it clears it. */
export interface Timer {
  /** The process need not wait for it. */
  unref(): unknown
}

/** The time of day. */
export interface TimeOfDay {
  /** Milliseconds since the Unix epoch. */
  now(): number
}

/**
 * Where time comes from, and what waits for it: the system's in production, a simulated one where whole servers run in one
 * process under a schedule of their own. Times in milliseconds.
 */
export interface Clock extends TimeOfDay {
  /** Since some moment in the past; never set back. For durations. */
  monotonic(): number
  /** Longer than the platform can wait for (about 24 days) is as long as it can. */
  setTimeout(callback: () => void, ms: number): Timer
  clearTimeout(timer: Timer | undefined): void
  setInterval(callback: () => void, ms: number): Timer
  clearInterval(timer: Timer | undefined): void
  /** Calls back once what is under way has been done, as `setImmediate` does. */
  defer(callback: () => void): void
  /**
   * Does work that is nobody's in particular, outside of the async context of the request that happens to set it off: its request id, its
   * span. What timers call is outside, too. Whoever awaits the result goes on in his own context.
   */
  inBackground<T>(work: () => T): T
}

/** The longest delay of the platform's timers: a longer one would count as 1 ms. */
const LONGEST_DELAY = 2 ** 31 - 1

/* The context in which this module was loaded: no request's. */
const outside = AsyncLocalStorage.snapshot()

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  setTimeout: (callback, ms) => outside(() => setTimeout(callback, Math.min(ms, LONGEST_DELAY))),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout | undefined),
  setInterval: (callback, ms) => outside(() => setInterval(callback, Math.min(ms, LONGEST_DELAY))),
  clearInterval: (timer) => clearInterval(timer as NodeJS.Timeout | undefined),
  defer: (callback) => void outside(() => setImmediate(callback)),
  inBackground: (work) => outside(work),
}

/** Resolves after that many milliseconds. */
export function pause(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, ms))
}

/** The same; the process need not wait for it. */
export function pauseInBackground(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => clock.setTimeout(resolve, ms).unref())
}
