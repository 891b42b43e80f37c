import type { SessionState } from '../local/session-state.js'
import type { EncodedAttribute, SessionRecord } from '../record/record-format.js'
import { decodeAttribute, encodeAttribute } from '../session/attributes.js'
import { mergeAttributes } from '../session/merge-attributes.js'
import type { Engine } from './engine.js'
import type { SessionContent } from './session-content.js'

/** What a merge needs to know of the other side. */
export type NewerContent = Pick<
  SessionRecord,
  'version' | 'attributes' | 'cookie' | 'createdAt' | 'idleTimeout' | 'absoluteDeadline'
>

/** Brings what was changed here and what others have stored meanwhile together: by whole attributes, never inside one. */
export class SessionMerger {
  private readonly engine: Engine
  private readonly content: SessionContent

  constructor(engine: Engine, content: SessionContent) {
    this.engine = engine
    this.content = content
  }

  /** Puts local changes that storage doesn't have yet on top of a newer record. */
  absorb(state: SessionState, record: NewerContent): void {
    const { statistics, local } = this.engine
    /* What requests have assigned but not committed yet would otherwise be lost. */
    if (state.attributes.isAssigned) this.content.commit(state, [])
    const ownCookie = state.cookie !== state.savedCookie
    const merged = mergeAttributes(
      state.savedSection,
      state.attributes.section,
      record.attributes,
      (name, base, mine, theirs) => this.resolve(state, name, base, mine, theirs),
    )
    statistics.count('mergedAttributes', merged.applied.length)
    statistics.count('conflictingAttributes', merged.conflicts.length)
    const isNew = merged.applied.length > 0 || ownCookie
    state.attributes.replace(merged.section)
    state.savedSection = record.attributes
    state.savedVersion = record.version
    state.version = isNew ? Math.max(record.version, state.version) + 1 : record.version
    state.createdAt = record.createdAt
    state.savedCookie = record.cookie
    if (!ownCookie) {
      state.idleTimeout = record.idleTimeout
      state.absoluteDeadline = record.absoluteDeadline
      state.cookie = record.cookie
    }
    local.reschedule(state)
  }

  /* Without a function of the application's the last writer wins. */
  private resolve(
    state: SessionState,
    name: string,
    base: EncodedAttribute | undefined,
    mine: EncodedAttribute | undefined,
    theirs: EncodedAttribute | undefined,
  ): EncodedAttribute | undefined {
    const { merge } = this.engine.settings
    const { rules } = this.engine
    if (merge === undefined) return mine
    try {
      const value = (encoded: EncodedAttribute | undefined) => encoded && decodeAttribute(encoded, rules)
      const merged = merge(name, value(base), value(mine), value(theirs))
      if (merged instanceof Promise) throw asynchronous(merged)
      return encodeAttribute(name, merged, rules)
    } catch (error) {
      this.reportMerge(state, name, error)
      return mine
    }
  }

  private reportMerge(state: SessionState, attribute: string, error: unknown): void {
    const { statistics, events, log, settings } = this.engine
    const reason = error instanceof Error ? error : new Error(String(error))
    statistics.count('mergeFailures')
    events.emitSession('attributeFailed', state, { attribute, error: reason })
    const message = `merging attribute ${JSON.stringify(attribute)} of session ${state.handle} failed, so the last writer won`
    log.write('merge', `${message}: ${reason.message}`, (m) => settings.logger.error(m))
  }
}

/* Nothing can wait for it, and as JSON it would be an empty object. */
function asynchronous(merged: Promise<unknown>): TypeError {
  merged.catch(() => {})
  return new TypeError('the merge function must give the value, not a promise')
}
