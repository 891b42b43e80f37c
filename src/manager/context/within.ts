import type { Clock } from '../../clock.js'

/** Milliseconds by which a timer is late when the process stood still. */
const LEAST_STANDSTILL = 50

/**
 * Waits for work that goes on by itself, for at most `timeout` milliseconds. The work must not reject. A process that stood still in the
 * meantime (suspended, or busy) has not given the work that time: it waits once more.
 * @returns whether it was done in time.
 */
export function within(clock: Clock, work: Promise<unknown>, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const began = clock.monotonic()
    let timer = clock.setTimeout(() => {
      const late = clock.monotonic() - began - timeout
      if (late < Math.max(timeout, LEAST_STANDSTILL)) resolve(false)
      else timer = clock.setTimeout(() => resolve(false), timeout)
    }, timeout)
    work.then(() => {
      clock.clearTimeout(timer)
      resolve(true)
    })
  })
}
