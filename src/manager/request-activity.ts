import type { SessionState } from '../local/session-state.js'
import type { SessionManager } from './session-manager.js'

/** Whether one request counts as a use of its session: see the setting `activity`. */
export class RequestActivity {
  private readonly manager: SessionManager
  private readonly startedAt: number
  /** When the session in this server's memory was used before, and what opening it has made of that. */
  private usedBefore: number | undefined
  private usedByUs: number | undefined
  private passive: boolean

  constructor(manager: SessionManager, url: string) {
    const { clock, settings } = manager.context
    this.manager = manager
    this.startedAt = clock.now()
    this.passive = settings.activity?.except?.test(url) === true
  }

  get isPassive(): boolean {
    return this.passive
  }

  /** Opens the session of a token by `open`, which is a use of it. */
  watch<T>(token: string, open: () => T): T {
    const { local } = this.manager.context
    this.usedBefore = local.get(token)?.accessedAt
    const opened = open()
    this.usedByUs = local.get(token)?.accessedAt
    return opened
  }

  /** It does not count. @param state the session, if there is one already */
  leaveOut(state: SessionState | undefined): void {
    this.passive = true
    if (state !== undefined) this.opened(state)
  }

  /** That is the session. */
  opened(state: SessionState): void {
    /* Another request may have used it since. */
    if (this.passive && this.usedBefore !== undefined && state.accessedAt === this.usedByUs) state.use(this.usedBefore)
  }

  /** The request is over. */
  ended(state: SessionState): void {
    if (this.passive) return
    if (state.accessedAt < this.startedAt) state.use(this.startedAt)
    this.manager.count(state, this.startedAt)
  }
}
