import { attribute, defineMBean, type MBean } from '../admin/mbean/mbean.js'
import { boolean, date, long, map, string } from '../admin/mbean/value-type.js'
import { describeSettings } from '../config/describe-settings.js'
import type { Managed } from './managed.js'
import { sessionEndings, sessionLookUps, sessionStoring } from './session-operations.js'
import { backupSettings, nodeSettings, sessionSettings } from './session-settings.js'

/** The session manager as a whole: its settings, its sessions, and what can be done with them. */
export function sessionManagerBean(managed: Managed, version: string): MBean {
  return defineMBean({
    name: 'holdfast:type=SessionManager',
    description: 'The session manager of this server: settings, sessions, and what can be done with them.',
    attributes: {
      ...identity(managed, version),
      ...figures(managed),
      ...sessionSettings(managed),
      ...backupSettings(managed),
      ...nodeSettings(managed),
    },
    operations: { ...sessionLookUps(managed), ...sessionEndings(managed), ...sessionStoring(managed) },
  })
}

function identity(managed: Managed, version: string) {
  const { context } = managed.manager
  return {
    Version: attribute({ type: string(), description: 'The version of Holdfast.', read: () => version }),
    Route: attribute({
      type: string(),
      description: "This server's name in session ids; empty: it has none.",
      read: () => context.settings.route ?? '',
    }),
    StartedAt: attribute({
      type: date(),
      description: 'When this session manager was made.',
      read: () => new Date(managed.startedAt),
    }),
    State: attribute({
      type: string(),
      description: 'starting, ready, or draining: whether this server should get visitors.',
      read: () => managed.state,
    }),
    Settings: attribute({
      type: map(),
      description: 'All settings in force as text, without secrets.',
      read: () => describeSettings(context.settings),
    }),
  }
}

function figures({ manager }: Managed) {
  return {
    ActiveSessions: attribute({
      type: long(),
      description: "Sessions in this server's memory.",
      read: () => manager.figures().activeSessions,
    }),
    UnprotectedSessions: attribute({
      type: long(),
      description:
        'Sessions that no storage node can take at the moment. A copy that a node has lost by itself is noticed, and stored again, at the next comparison.',
      read: () => manager.figures().unprotectedSessions,
    }),
    UnderReplicatedSessions: attribute({
      type: long(),
      description:
        'Sessions with fewer copies than there should be, or on the wrong nodes, as far as this server knows (non-sticky).',
      read: () => manager.figures().underReplicatedSessions,
    }),
    Protecting: attribute({
      type: boolean(),
      description: 'Whether sessions are being moved or stored again in the background.',
      read: () => manager.figures().protecting,
    }),
  }
}
