import type { SessionState } from '../../local/session-state.js'
import {
  type AttributeSection,
  type Change,
  compareEntries,
  decodeEntries,
  type EncodedAttribute,
  isReserved,
  type SectionEntry,
} from '../../record/attribute-section.js'
import { decodeAttribute, encodeAttribute } from '../../session/attributes.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { SessionContent } from './session-content.js'

/** What a merge needs to know of the other side. */
export interface OtherContent {
  attributes: AttributeSection
  createdAt: number
}

/** An attribute that was changed here and by others since it was stored last. */
interface Conflict {
  base: SectionEntry | undefined
  mine: SectionEntry
  theirs: SectionEntry
}

/** Brings what was changed here and what others have stored together: by whole attributes, never inside one. */
export class SessionMerger {
  private readonly context: ManagerContext
  private readonly content: SessionContent

  constructor(context: ManagerContext, content: SessionContent) {
    this.context = context
    this.content = content
  }

  /** Joins what the storage has into what is here. @returns whether there was anything new in it. */
  absorb(state: SessionState, other: OtherContent): boolean {
    /* What requests have assigned but not committed yet would otherwise be lost. */
    if (state.attributes.isAssigned) this.content.commit(state, [])
    const { section } = state
    if (section === other.attributes) {
      state.take(other.attributes, other.createdAt)
      return false
    }
    const { applied, conflicts } = compare(state.base, section, other.attributes)
    state.take(other.attributes, other.createdAt)
    if (state.section !== other.attributes) this.context.statistics.count('mergedAttributes', applied)
    const yielded = conflicts.filter(({ mine, theirs }) => compareEntries(theirs, mine) > 0)
    this.context.statistics.count('yieldedAttributes', yielded.length)
    const foreign = conflicts.filter(({ theirs }) => !this.context.isOwn(theirs))
    this.context.statistics.count('conflictingAttributes', foreign.length)
    const decided = state.giveWayTo(other.attributes, () => this.context.stamp(state.idleTimeout))
    this.decide(
      state,
      foreign.filter(({ mine }) => !decided.includes(mine.name)),
    )
    this.context.local.reschedule(state)
    return state.section !== section
  }

  /* Without a function of the application's the later change wins. */
  private decide(state: SessionState, conflicts: readonly Conflict[]): void {
    if (this.context.settings.merge === undefined) return
    const changes = conflicts.flatMap((conflict) => this.resolve(state, conflict) ?? [])
    if (changes.length > 0) state.decide(changes, this.context.stamp(state.idleTimeout))
  }

  private resolve(state: SessionState, { base, mine, theirs }: Conflict): Change | undefined {
    const { rules, settings } = this.context
    const { name } = mine
    const value = (entry: SectionEntry | undefined) =>
      entry?.bytes === undefined ? undefined : decodeAttribute(entry as EncodedAttribute, rules)
    try {
      const merged = settings.merge?.(name, value(base), value(mine), value(theirs))
      if (merged instanceof Promise) throw asynchronous(merged)
      return encodeAttribute(name, merged, rules) ?? { name, codec: '', bytes: undefined }
    } catch (error) {
      this.reportMerge(state, name, error)
      return undefined
    }
  }

  private reportMerge(state: SessionState, attribute: string, error: unknown): void {
    const { statistics, events, log, settings } = this.context
    const reason = error instanceof Error ? error : new Error(String(error))
    statistics.count('mergeFailures')
    events.emitSession('attributeFailed', state, { attribute, error: reason })
    const message = `merging attribute ${JSON.stringify(attribute)} of session ${state.handle} failed, so the later change won`
    log.write('merge', `${message}: ${reason.message}`, (m) => settings.logger.error(m))
  }
}

/** @returns how many attributes were changed here that they don't have so, and those that both have changed. */
function compare(base: AttributeSection, mine: AttributeSection, theirs: AttributeSection) {
  const before = byName(base)
  const others = byName(theirs)
  const conflicts: Conflict[] = []
  let applied = 0
  for (const entry of decodeEntries(mine)) {
    const old = before.get(entry.name)
    const other = others.get(entry.name)
    if (isReserved(entry.name) || !isLater(entry, old) || (other !== undefined && !differ(entry, other))) continue
    applied++
    if (other !== undefined && isLater(other, old)) conflicts.push({ base: old, mine: entry, theirs: other })
  }
  return { applied, conflicts }
}

function isLater(entry: SectionEntry, old: SectionEntry | undefined): boolean {
  return old === undefined || compareEntries(entry, old) > 0
}

/* Two who have set the same value do not disagree. */
function differ(a: SectionEntry, b: SectionEntry): boolean {
  return a.bytes !== b.bytes || a.codec !== b.codec
}

function byName(section: AttributeSection): Map<string, SectionEntry> {
  return new Map(decodeEntries(section).map((entry) => [entry.name, entry]))
}

/* Nothing can wait for it, and as JSON it would be an empty object. */
function asynchronous(merged: Promise<unknown>): TypeError {
  merged.catch(() => {})
  return new TypeError('the merge function must give the value, not a promise')
}
