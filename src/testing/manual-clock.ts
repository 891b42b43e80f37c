import { type Clock, systemClock } from '../clock.js'

/** A clock whose time of day stands still until it is told to move. Its timers run in real time. Times in milliseconds. */
export interface ManualClock extends Clock {
  advance(ms: number): void
  set(now: number): void
}

/** @param start milliseconds since the epoch; default: now */
export function createManualClock(start: number = Date.now()): ManualClock {
  let now = start
  return {
    ...systemClock,
    now: () => now,
    advance: (ms) => {
      now += ms
    },
    set: (time) => {
      now = time
    },
  }
}
