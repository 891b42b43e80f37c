import type { SessionState } from '../../local/session-state.js'
import { isNewcomer, type Life, newcomerChange } from '../../record/session-facts.js'
import type { Attribute, Guard } from '../../session/attributes.js'
import type { ManagerContext } from '../context/manager-context.js'
import { storedEnd } from './session-end.js'

/** Ten years, in milliseconds. */
const LONGEST_IDLE_TIMEOUT = 10 * 365 * 86_400_000

/** Takes what requests changed as the content of a session; each change gets a stamp. */
export class SessionContent {
  private readonly context: ManagerContext
  /** The end of each session that a change of its own has brought, or is about to bring, to the storage. */
  private readonly storedEnds = new WeakMap<SessionState, number>()

  /** Sessions that have begun here for visitors who came without one, until these have come back. */
  private readonly newcomers = new WeakSet<SessionState>()

  constructor(context: ManagerContext) {
    this.context = context
  }

  /** The session is one of a visitor who came without one: it lives short until he has come back. */
  noteNewcomer(state: SessionState): void {
    if (this.context.settings.newcomers === undefined) return
    this.newcomers.add(state)
    state.extend({
      idleTimeout: this.newcomersIdleTimeout(state.idleTimeout),
      absoluteDeadline: state.absoluteDeadline,
    })
  }

  /** It lives shorter than others, as its visitor has not come back yet. */
  isNewcomer(state: SessionState): boolean {
    if (state.idleTimeout === this.context.settings.idleTimeout) return false
    return this.newcomers.has(state) || isNewcomer(state.section)
  }

  /** It has begun on this server, and its visitor has not come back yet. */
  isFirstVisit(state: SessionState): boolean {
    return this.newcomers.has(state)
  }

  /** A session without attributes is worth storing too. */
  initialize(state: SessionState): void {
    state.initialize(this.context.stamp(state.idleTimeout), this.context.owner)
    this.markNewcomer(state)
  }

  /** Its visitor has come back: from now on it lives as long as others. */
  keep(state: SessionState): void {
    const { settings, clock } = this.context
    this.newcomers.delete(state)
    const idleTimeout = this.idleTimeoutOf(state.cookie)
    const end =
      settings.activity === undefined
        ? state.absoluteDeadline
        : storedEnd(this.context, { createdAt: state.createdAt, idleTimeout }, clock.now())
    this.setLife(state, { idleTimeout, absoluteDeadline: end }, false)
    this.context.local.reschedule(state)
  }

  /**
   * What was assigned, and changed inside `handedOut`.
   * @param onUnserializable told of what is set now, and can't be stored
   * @returns whether the stored form is another than before.
   */
  commit(
    state: SessionState,
    handedOut: readonly Attribute[],
    guard?: Guard,
    onUnserializable?: (error: Error) => void,
  ): boolean {
    const { rules, statistics } = this.context
    const started = statistics.enabled ? this.context.clock.monotonic() : 0
    const report = (error: Error & { attribute: string }, isNews: boolean) => {
      this.reportAttribute(state, error)
      if (isNews) onUnserializable?.(error)
    }
    const stamp = () => this.context.stamp(state.idleTimeout)
    if (!state.commit(handedOut, rules, report, stamp, this.context.owner, guard)) return false
    this.markNewcomer(state)
    if (statistics.enabled) statistics.record('serialization', this.context.clock.monotonic() - started)
    return true
  }

  /** The session's own cookie settings, as JSON. A `maxAge` of its own is its idle timeout too. @returns whether they are new. */
  setCookie(state: SessionState, cookie: string): boolean {
    if (cookie === state.cookie) return false
    const idleTimeout = this.isNewcomer(state)
      ? this.newcomersIdleTimeout(this.idleTimeoutOf(cookie))
      : this.idleTimeoutOf(cookie)
    state.setCookie(cookie, idleTimeout, this.context.stamp(idleTimeout), this.context.owner)
    if (this.context.settings.activity !== undefined) this.moveEnd(state, this.context.clock.now())
    this.context.local.reschedule(state)
    this.markNewcomer(state)
    return true
  }

  /** Has the session's record say when it ends, after a use at that time. */
  moveEnd(state: SessionState, usedAt: number): void {
    const { idleTimeout } = state
    const absoluteDeadline = storedEnd(this.context, state, usedAt)
    state.setLife({ idleTimeout, absoluteDeadline }, this.context.stamp(idleTimeout), this.context.owner)
    this.context.local.reschedule(state)
  }

  /**
   * Gives the session an end that does not move with its use; `undefined`: the configured timeouts. An end that has moved on
   * by less than the granularity of touches is not worth a write.
   * @returns whether the storage should be told.
   */
  setDeadline(state: SessionState, deadline: number | undefined): boolean {
    const { settings, clock, local } = this.context
    const now = clock.now()
    const latest =
      settings.absoluteTimeout === 0 ? Number.POSITIVE_INFINITY : state.createdAt + settings.absoluteTimeout
    const end = Math.ceil(Math.min(deadline ?? Number.POSITIVE_INFINITY, latest, now + LONGEST_IDLE_TIMEOUT))
    const unlimited = deadline === undefined && settings.absoluteTimeout === 0
    const before = state.absoluteDeadline
    const life: Life = {
      absoluteDeadline: unlimited ? 0 : end,
      idleTimeout: deadline === undefined ? settings.idleTimeout : clampAge(end - now),
    }
    const gain = life.absoluteDeadline - (this.storedEnds.get(state) ?? Number.NEGATIVE_INFINITY)
    const isSmall = !unlimited && gain >= 0 && gain <= life.idleTimeout * settings.backup.touchAfter
    if (life.absoluteDeadline === before || isSmall) {
      state.extend(life)
      local.reschedule(state)
      return false
    }
    this.storedEnds.set(state, life.absoluteDeadline)
    state.setLife(life, this.context.stamp(life.idleTimeout), this.context.owner)
    local.reschedule(state)
    return true
  }

  private markNewcomer(state: SessionState): void {
    if (!this.newcomers.has(state) || isNewcomer(state.section)) return
    const { idleTimeout, absoluteDeadline } = state
    this.setLife(state, { idleTimeout, absoluteDeadline }, true)
  }

  private setLife(state: SessionState, life: Life, isNew: boolean): void {
    state.setLife(life, this.context.stamp(life.idleTimeout), this.context.owner, [newcomerChange(isNew)])
  }

  /* A maxAge of the session's own cookie is its idle timeout too. */
  private idleTimeoutOf(cookie: string): number {
    const { maxAge } = cookie === '' ? { maxAge: null } : (JSON.parse(cookie) as { maxAge?: number | null })
    return maxAge == null ? this.context.settings.idleTimeout : clampAge(maxAge)
  }

  private newcomersIdleTimeout(idleTimeout: number): number {
    const { newcomers } = this.context.settings
    if (newcomers === undefined) return idleTimeout
    return idleTimeout === 0 ? newcomers.idleTimeout : Math.min(idleTimeout, newcomers.idleTimeout)
  }

  private reportAttribute(state: SessionState, error: Error & { attribute: string }): void {
    const { statistics, events, log, settings } = this.context
    statistics.count('unserializableAttributes')
    events.emitSession('attributeFailed', state, { attribute: error.attribute, error })
    log.write('attribute', `session ${state.handle}: ${error.message}`, (m) => settings.logger.error(m))
  }
}

/* An age of 0 means "now", not "never"; and the record has room for some thousand years only. */
function clampAge(maxAge: number): number {
  return Math.min(Math.max(Math.ceil(maxAge), 1), LONGEST_IDLE_TIMEOUT)
}
