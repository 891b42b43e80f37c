import type { SessionState } from '../../local/session-state.js'
import { isNewcomer, type Life, newcomerChange } from '../../record/session-facts.js'
import type { Attribute, Guard } from '../../session/attributes.js'
import type { Engine } from '../context/engine.js'
import { storedEnd } from './session-end.js'

/** Ten years, in milliseconds. */
const LONGEST_IDLE_TIMEOUT = 10 * 365 * 86_400_000

/** Takes what requests changed as the content of a session; each change gets a stamp. */
export class SessionContent {
  private readonly engine: Engine
  /** The end of each session that a change of its own has brought, or is about to bring, to the storage. */
  private readonly storedEnds = new WeakMap<SessionState, number>()

  /** Sessions that have begun here for visitors who came without one, until these have come back. */
  private readonly newcomers = new WeakSet<SessionState>()

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** The session is one of a visitor who came without one: it lives short until he has come back. */
  noteNewcomer(state: SessionState): void {
    if (this.engine.settings.newcomers === undefined) return
    this.newcomers.add(state)
    state.extend({
      idleTimeout: this.newcomersIdleTimeout(state.idleTimeout),
      absoluteDeadline: state.absoluteDeadline,
    })
  }

  /** It lives shorter than others, as its visitor has not come back yet. */
  isNewcomer(state: SessionState): boolean {
    if (state.idleTimeout === this.engine.settings.idleTimeout) return false
    return this.newcomers.has(state) || isNewcomer(state.section)
  }

  /** It has begun on this server, and its visitor has not come back yet. */
  isFirstVisit(state: SessionState): boolean {
    return this.newcomers.has(state)
  }

  /** A session without attributes is worth storing too. */
  initialize(state: SessionState): void {
    state.initialize(this.engine.stamp(state.idleTimeout), this.engine.owner)
    this.markNewcomer(state)
  }

  /** Its visitor has come back: from now on it lives as long as others. */
  keep(state: SessionState): void {
    const { settings, clock } = this.engine
    this.newcomers.delete(state)
    const idleTimeout = this.idleTimeoutOf(state.cookie)
    const end =
      settings.activity === undefined
        ? state.absoluteDeadline
        : storedEnd(this.engine, { createdAt: state.createdAt, idleTimeout }, clock.now())
    this.setLife(state, { idleTimeout, absoluteDeadline: end }, false)
    this.engine.local.reschedule(state)
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
    const { rules, statistics } = this.engine
    const started = statistics.enabled ? this.engine.clock.monotonic() : 0
    const report = (error: Error & { attribute: string }, isNews: boolean) => {
      this.reportAttribute(state, error)
      if (isNews) onUnserializable?.(error)
    }
    const stamp = () => this.engine.stamp(state.idleTimeout)
    if (!state.commit(handedOut, rules, report, stamp, this.engine.owner, guard)) return false
    this.markNewcomer(state)
    if (statistics.enabled) statistics.record('serialization', this.engine.clock.monotonic() - started)
    return true
  }

  /** The session's own cookie settings, as JSON. A `maxAge` of its own is its idle timeout too. @returns whether they are new. */
  setCookie(state: SessionState, cookie: string): boolean {
    if (cookie === state.cookie) return false
    const idleTimeout = this.isNewcomer(state)
      ? this.newcomersIdleTimeout(this.idleTimeoutOf(cookie))
      : this.idleTimeoutOf(cookie)
    state.setCookie(cookie, idleTimeout, this.engine.stamp(idleTimeout), this.engine.owner)
    if (this.engine.settings.activity !== undefined) this.moveEnd(state, this.engine.clock.now())
    this.engine.local.reschedule(state)
    this.markNewcomer(state)
    return true
  }

  /** Has the session's record say when it ends, after a use at that time. */
  moveEnd(state: SessionState, usedAt: number): void {
    const { idleTimeout } = state
    const absoluteDeadline = storedEnd(this.engine, state, usedAt)
    state.setLife({ idleTimeout, absoluteDeadline }, this.engine.stamp(idleTimeout), this.engine.owner)
    this.engine.local.reschedule(state)
  }

  /**
   * Gives the session an end that does not move with its use; `undefined`: the configured timeouts. An end that has moved on
   * by less than the granularity of touches is not worth a write.
   * @returns whether the storage should be told.
   */
  setDeadline(state: SessionState, deadline: number | undefined): boolean {
    const { settings, clock, local } = this.engine
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
    state.setLife(life, this.engine.stamp(life.idleTimeout), this.engine.owner)
    local.reschedule(state)
    return true
  }

  private markNewcomer(state: SessionState): void {
    if (!this.newcomers.has(state) || isNewcomer(state.section)) return
    const { idleTimeout, absoluteDeadline } = state
    this.setLife(state, { idleTimeout, absoluteDeadline }, true)
  }

  private setLife(state: SessionState, life: Life, isNew: boolean): void {
    state.setLife(life, this.engine.stamp(life.idleTimeout), this.engine.owner, [newcomerChange(isNew)])
  }

  /* A maxAge of the session's own cookie is its idle timeout too. */
  private idleTimeoutOf(cookie: string): number {
    const { maxAge } = cookie === '' ? { maxAge: null } : (JSON.parse(cookie) as { maxAge?: number | null })
    return maxAge == null ? this.engine.settings.idleTimeout : clampAge(maxAge)
  }

  private newcomersIdleTimeout(idleTimeout: number): number {
    const { newcomers } = this.engine.settings
    if (newcomers === undefined) return idleTimeout
    return idleTimeout === 0 ? newcomers.idleTimeout : Math.min(idleTimeout, newcomers.idleTimeout)
  }

  private reportAttribute(state: SessionState, error: Error & { attribute: string }): void {
    const { statistics, events, log, settings } = this.engine
    statistics.count('unserializableAttributes')
    events.emitSession('attributeFailed', state, { attribute: error.attribute, error })
    log.write('attribute', `session ${state.handle}: ${error.message}`, (m) => settings.logger.error(m))
  }
}

/* An age of 0 means "now", not "never"; and the record has room for some thousand years only. */
function clampAge(maxAge: number): number {
  return Math.min(Math.max(Math.ceil(maxAge), 1), LONGEST_IDLE_TIMEOUT)
}
