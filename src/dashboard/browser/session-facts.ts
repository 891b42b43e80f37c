import { formatBytes, formatCount, formatDuration, formatTime, formatValue, unknown } from './format.js'

/** A session in a list, as `listSessions` answers. */
export interface SessionSummary {
  handle: string
  node: string | null
  createdAt: string | null
  accessedAt: string
  expiresAt: string | null
  bytes: number | null
  activeRequests: number
  saved: boolean
}

/** One session, as `findSession` answers. Times in ISO 8601, the idle timeout in milliseconds. */
export interface SessionDetail {
  changedAt: string
  owner: string
  createdAt: string
  accessedAt: string
  expiresAt: string | null
  idleTimeout: number
  absoluteDeadline: string | null
  copies: readonly { node: string; changedAt: string }[]
  saved: boolean
  activeRequests: number
  bytes: number
  attributes: readonly { name: string; codec: string; bytes: number }[]
}

/** The columns of the list, after the handle. */
export const summaryColumns: readonly {
  title: string
  isNumber?: boolean
  text: (session: SessionSummary) => string
}[] = [
  { title: 'Node', text: ({ node }) => formatValue(node) },
  { title: 'Created', text: ({ createdAt }) => timeOr(createdAt, unknown) },
  { title: 'Last used', text: ({ accessedAt }) => timeOr(accessedAt, unknown) },
  { title: 'Ends', text: ({ expiresAt }) => timeOr(expiresAt, 'never') },
  { title: 'Requests now', isNumber: true, text: ({ activeRequests }) => formatCount(activeRequests) },
  { title: 'Size', isNumber: true, text: ({ bytes }) => formatBytes(bytes ?? undefined) },
  { title: 'Stored', text: ({ saved }) => formatValue(saved) },
]

/** The meta data of one session, in the order in which it is shown. */
export function factsOf(session: SessionDetail): readonly (readonly [name: string, text: string])[] {
  const copies = session.copies.map(({ node, changedAt }) => `${node} (changed ${timeOr(changedAt, unknown)})`)
  return [
    ['Created', timeOr(session.createdAt, unknown)],
    ['Last used', timeOr(session.accessedAt, unknown)],
    ['Ends', timeOr(session.expiresAt, 'never')],
    ['Idle timeout', session.idleTimeout === 0 ? 'none' : formatDuration(session.idleTimeout)],
    ['Absolute end', timeOr(session.absoluteDeadline, 'none')],
    ['Owner', session.owner],
    ['Changed', timeOr(session.changedAt, unknown)],
    ['Copies', formatValue(copies)],
    ['Newest content is stored', formatValue(session.saved)],
    ['Requests now', formatCount(session.activeRequests)],
    ['Size', formatBytes(session.bytes)],
  ]
}

function timeOr(time: string | null, otherwise: string): string {
  return time === null ? otherwise : formatTime(time)
}
