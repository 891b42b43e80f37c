import type { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import type { ManagerContext } from '../context/manager-context.js'

/**
 * Moves a session to another node; it is stored there by its next save.
 * @returns the node that it was on; `undefined`: it was there already, or on none.
 */
export function moveTo(
  { statistics, events }: ManagerContext,
  state: SessionState,
  to: WatchedNode,
): WatchedNode | undefined {
  const from = state.relocate(to)
  if (from === undefined) return undefined
  statistics.count('relocations')
  events.emitSession('relocated', state, { from: from.id, to: to.id })
  return from
}
