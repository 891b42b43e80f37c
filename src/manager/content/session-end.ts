import type { SessionState } from '../../local/session-state.js'
import type { ManagerContext } from '../context/manager-context.js'

/** How much too early a storage node may drop a value, in milliseconds. */
const STORAGE_GRANULARITY = 1000

/**
 * When a session ends that nobody uses any more, as its record is to say it: later than its idle timeout by the granularity of
 * touches, and not after its absolute end. 0: never.
 */
export function storedEnd(
  { settings }: ManagerContext,
  state: Pick<SessionState, 'idleTimeout' | 'createdAt'>,
  usedAt: number,
): number {
  const { idleTimeout, createdAt } = state
  const latest = settings.absoluteTimeout === 0 ? 0 : createdAt + settings.absoluteTimeout
  if (settings.activity === undefined || idleTimeout === 0) return latest
  const end = Math.ceil(usedAt + idleTimeout + slackOf(settings.backup.touchAfter, idleTimeout))
  return latest === 0 ? end : Math.min(end, latest)
}

/** Whether the end in a session's record has to move for that use. */
export function isEndDue(context: ManagerContext, state: SessionState, usedAt: number): boolean {
  const { settings } = context
  const { absoluteDeadline: end, idleTimeout } = state
  const wanted = storedEnd(context, state, usedAt)
  const slack = slackOf(settings.backup.touchAfter, idleTimeout)
  if (settings.activity !== undefined) {
    if (end === 0) return wanted !== 0
    return (end < usedAt + idleTimeout && end < wanted) || end > storedEnd(context, state, context.clock.now()) + slack
  }
  /* An end from when there was `activity`, which would not move any more. Libraries that work through a store set ends of their own. */
  if (end === 0 || (wanted !== 0 && wanted <= end) || state.attributes.has('cookie')) return false
  return end <= usedAt + idleTimeout + slack
}

/** Whether a session goes on although nobody has come for so long, as a request that uses it is not over. With `activity`, a request counts when it begins. */
export function isKeptInUse({ settings, clock }: ManagerContext, state: SessionState): boolean {
  const { absoluteDeadline } = state
  const isOver = absoluteDeadline !== 0 && absoluteDeadline <= clock.now()
  return state.phase === 'live' && state.isInRequest && settings.activity === undefined && !isOver
}

/** When a session ends, as a request sees it that is a use of it or is none. Infinity: never. */
export function endSeen(context: ManagerContext, state: SessionState, isPassive: boolean): number {
  const { settings, clock } = context
  if (settings.activity === undefined) return state.expiresAt
  const { absoluteDeadline, idleTimeout } = state
  /* Elsewhere than in the memory of the one server that has it, the record alone says when it ends. */
  const recorded = settings.mode === 'non-sticky' ? absoluteDeadline : 0
  if (isPassive) return recorded === 0 ? state.expiresAt : recorded
  const now = clock.now()
  const latest = storedEnd(context, state, now) || Number.POSITIVE_INFINITY
  return Math.max(recorded, idleTimeout === 0 ? latest : Math.min(now + idleTimeout, latest))
}

/** How much longer than its idle timeout a session is stored, as not every use is told to the storage, in milliseconds. */
export function slackOf(touchAfter: number, idleTimeout: number): number {
  return Math.max(idleTimeout * touchAfter, STORAGE_GRANULARITY)
}
