import type { Clock } from '../../clock.js'

const QUIET_TIME = 60_000

/** Lets one message of a kind through a minute, and tells with the next how many were held back. */
export class RateLimitedLog {
  private readonly clock: Clock
  private readonly kinds = new Map<string, { until: number; suppressed: number }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** @param kind one of a fixed set. */
  write(kind: string, message: string, log: (message: string) => void): void {
    const now = this.clock.now()
    const last = this.kinds.get(kind)
    if (last !== undefined && now < last.until) {
      last.suppressed++
      return
    }
    this.kinds.set(kind, { until: now + QUIET_TIME, suppressed: 0 })
    const more = last?.suppressed ? ` (${last.suppressed} more like this in the last minute)` : ''
    log(message + more)
  }
}
