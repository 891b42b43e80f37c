import { attribute, defineMBean, type MBean } from '../admin/mbean/mbean.js'
import { long } from '../admin/mbean/value-type.js'
import type { Managed } from './managed.js'
import type { SessionTotals } from './session-totals.js'

/** The sessions that this server has in memory, or remembers. */
export function localSessionsBean({ manager }: Managed, census: SessionTotals): MBean {
  return defineMBean({
    name: 'holdfast:type=LocalSessions',
    description: 'The sessions that this server has in its memory, or remembers.',
    attributes: {
      Size: attribute({
        type: long(),
        description: "Sessions in this server's memory; in non-sticky mode those that requests work with now.",
        read: () => manager.context.local.size,
      }),
      ContentBytes: attribute({
        type: long(),
        description: 'Bytes of their attributes.',
        read: () => census.current.bytes,
      }),
      ActiveRequests: attribute({
        type: long(),
        description: 'Requests that have used a session and are not over.',
        read: () => census.current.activeRequests,
      }),
      KnownSessions: attribute({
        type: long(),
        description: 'Sessions in the storage that this server has served and remembers the places of (non-sticky).',
        read: () => manager.currentMode.known?.size ?? 0,
      }),
    },
  })
}
