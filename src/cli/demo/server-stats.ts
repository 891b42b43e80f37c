import type { SessionManagerStats } from '../../create-session-manager.js'

/** What an orderly end came to. */
export interface CloseReport {
  /** Sessions whose last change couldn't be stored. */
  unsaved: number
}

/** The session manager's figures that the demo shows and that its story waits for. */
export interface ServerStats {
  activeSessions: number
  /** Sessions with changes that no storage node has yet. */
  pendingBackups: number
  /** Sessions that no storage node can take at the moment. */
  unprotected: number
  /** Whether sessions are being moved or stored again in the background. */
  protecting: boolean
  /** `sessions`: those of this server that have their backup there. */
  nodes: { id: string | undefined; state: string; sessions: number }[]
}

export function readStats(stats: SessionManagerStats): ServerStats {
  const { activeSessions, pendingBackups, unprotectedSessions, protecting } = stats
  const nodes = stats.nodes.map(({ id, state, sessions }) => ({ id, state, sessions }))
  return { activeSessions, pendingBackups, unprotected: unprotectedSessions, protecting, nodes }
}
