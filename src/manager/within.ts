import type { Clock } from '../clock.js'

/**
 * Waits for work that goes on by itself, for at most `timeout` milliseconds. The work must not reject.
 * @returns whether it was done in time.
 */
export function within(clock: Clock, work: Promise<unknown>, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = clock.setTimeout(() => resolve(false), timeout)
    work.then(() => {
      clock.clearTimeout(timer)
      resolve(true)
    })
  })
}
