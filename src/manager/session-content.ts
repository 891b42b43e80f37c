import type { SessionState } from '../local/session-state.js'
import type { Attribute } from '../session/attributes.js'
import type { Engine } from './engine.js'

/** Ten years, in milliseconds. */
const LONGEST_IDLE_TIMEOUT = 10 * 365 * 86_400_000

/** Takes what requests changed as the content of a session; each change makes a version. */
export class SessionContent {
  private readonly engine: Engine

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** What was assigned, and changed inside `handedOut`. @returns whether the stored form is another than before. */
  commit(state: SessionState, handedOut: readonly Attribute[]): boolean {
    const { rules, statistics } = this.engine
    const started = statistics.enabled ? performance.now() : 0
    const changed = state.attributes.commit(handedOut, rules, (error) => this.reportAttribute(state, error))
    if (!changed) return false
    if (statistics.enabled) statistics.record('serialization', performance.now() - started)
    state.version++
    return true
  }

  /** The session's own cookie settings, as JSON. A `maxAge` of its own is its idle timeout too. @returns whether they are new. */
  setCookie(state: SessionState, cookie: string): boolean {
    if (cookie === state.cookie) return false
    state.cookie = cookie
    state.version++
    const { maxAge } = cookie === '' ? { maxAge: null } : (JSON.parse(cookie) as { maxAge?: number | null })
    state.idleTimeout = maxAge == null ? this.engine.settings.idleTimeout : clampAge(maxAge)
    this.engine.local.reschedule(state)
    return true
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
