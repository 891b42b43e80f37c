import type { Clock } from '../../clock.js'

const QUIET_TIME = 60_000

/** Lets one message of a kind through in a time, and tells with the next how many were held back. */
export class RateLimitedLog {
  private readonly clock: Clock
  private readonly kinds = new Map<string, { until: number; suppressed: number }>()

  constructor(clock: Clock) {
    this.clock = clock
  }

  /**
   * @param kind one of a fixed set
   * @param quietTime milliseconds between two messages of the kind; default: a minute
   */
  write(kind: string, message: string, log: (message: string) => void, quietTime = QUIET_TIME): void {
    const now = this.clock.now()
    const last = this.kinds.get(kind)
    if (last !== undefined && now < last.until) {
      last.suppressed++
      return
    }
    this.kinds.set(kind, { until: now + quietTime, suppressed: 0 })
    const more = last?.suppressed ? ` (${last.suppressed} more like this since the last such line)` : ''
    log(message + more)
  }
}
