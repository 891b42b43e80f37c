import { TooManyNewcomersError, TooManySessionsError } from '../errors.js'
import type { ManagerContext } from './context/manager-context.js'

/** Whether new sessions may begin on this server. */
export class Admission {
  private readonly context: ManagerContext
  /** How many sessions of new visitors may begin now. */
  private room = 0
  private countedAt = Number.NEGATIVE_INFINITY

  constructor(context: ManagerContext) {
    this.context = context
  }

  /**
   * @param held sessions that this server holds
   * @param isNewcomer the visitor came without a session
   * @throws TooManySessionsError, TooManyNewcomersError
   */
  check(held: number, isNewcomer: boolean): void {
    const { settings, statistics } = this.context
    const { maxActiveSessions: most, newcomers } = settings
    if (most !== 0 && held >= most) {
      statistics.count('sessionsRejected')
      throw new TooManySessionsError(most)
    }
    if (newcomers === undefined || newcomers.perSecond === 0 || !isNewcomer || this.take(newcomers.perSecond)) return
    statistics.count('newcomersRejected')
    throw new TooManyNewcomersError(newcomers.perSecond)
  }

  /* Room comes back evenly, and for one second at most. */
  private take(perSecond: number): boolean {
    const now = this.context.clock.monotonic()
    this.room = Math.min(perSecond, this.room + ((now - this.countedAt) * perSecond) / 1000)
    this.countedAt = now
    if (this.room < 1) return false
    this.room--
    return true
  }
}
