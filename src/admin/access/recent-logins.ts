import type { Clock } from '../../clock.js'

const MAX_ENTRIES = 1000
const QUIET = 10 * 60_000

/** Tells logins from the requests that follow them: each brings its credentials anew. */
export class RecentLogins {
  private readonly seen = new Map<string, number>()
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /** Whether nobody of that name has come from there for ten minutes. */
  isNew(name: string, address: string): boolean {
    const key = `${name} ${address}`
    const [now, before] = [this.clock.now(), this.seen.get(key)]
    this.seen.delete(key)
    this.seen.set(key, now)
    const oldest = this.seen.size > MAX_ENTRIES ? this.seen.keys().next().value : undefined
    if (oldest !== undefined) this.seen.delete(oldest)
    return before === undefined || now - before > QUIET
  }
}
