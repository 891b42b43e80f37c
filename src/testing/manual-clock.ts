import type { Clock } from '../clock.js'

/** A clock that stands still until it is told to move. Times in milliseconds. */
export interface ManualClock extends Clock {
  advance(ms: number): void
  set(now: number): void
}

/** @param start milliseconds since the epoch; default: now */
export function createManualClock(start: number = Date.now()): ManualClock {
  let now = start
  return {
    now: () => now,
    advance: (ms) => {
      now += ms
    },
    set: (time) => {
      now = time
    },
  }
}
