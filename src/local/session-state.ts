import type { VersionToken } from '../node/storage-node.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { AttributeSection } from '../record/record-format.js'
import { emptySection } from '../record/record-format.js'
import { Attributes } from '../session/attributes.js'
import { formatSessionId, tokenDigest } from '../session-id/session-id.js'

/**
 * `new`: not admitted to the server's memory yet. `live`: it is. `lost`: another server owns it, this copy is let go.
 * `ended`: destroyed or expired, it never comes back.
 */
export type SessionPhase = 'new' | 'live' | 'lost' | 'ended'

/** What is known of the stored copy. */
export interface Backup {
  node: WatchedNode
  /** For the next fenced write. */
  token: VersionToken
  /** When the stored copy expires; 0: never. */
  deadline: number
  /** The version that stands there. */
  version: number
}

export interface SessionTimes {
  createdAt: number
  accessedAt: number
  /** Milliseconds, 0: none. */
  idleTimeout: number
  /** 0: none. */
  absoluteDeadline: number
}

/** One session in this server's memory, shared by all its requests. */
export class SessionState {
  readonly token: string
  phase: SessionPhase = 'new'
  readonly attributes: Attributes
  createdAt: number
  accessedAt: number
  idleTimeout: number
  absoluteDeadline: number
  /** What the session's own cookie settings differ in, as JSON; empty: nothing. */
  cookie = ''

  /** Version of the committed content; grows with every change. */
  version = 0
  /** The newest version that a storage node has acknowledged, and the attributes in it: what pending changes are compared with. */
  savedVersion = 0
  savedSection: AttributeSection = emptySection
  /** The cookie settings in that version. */
  savedCookie = ''
  backup: Backup | undefined
  /** A write was tried: storage may have the session although nothing was acknowledged. */
  sent = false
  /** When storage last confirmed that this copy is current. */
  verifiedAt = 0
  /** A verification under way. */
  verifying: Promise<void> | undefined
  /** Nodes that may still hold an older copy. */
  leftBehind: Set<WatchedNode> | undefined
  wheelBucket = 0
  /** The digest, where it is asked for several times; not for a session that stays in memory. */
  digest: string | undefined
  /** Milliseconds to wait before a save that no node could take is tried again; doubles each time. */
  retryPause = 0
  /** Requests that have used the session and are not over. */
  activeRequests = 0

  /** The server that the id names. */
  route: string | undefined

  private place: WatchedNode | undefined

  constructor(token: string, route: string | undefined, times: SessionTimes, section?: AttributeSection) {
    this.token = ownCopy(token)
    this.route = route
    this.createdAt = times.createdAt
    this.accessedAt = times.accessedAt
    this.idleTimeout = times.idleTimeout
    this.absoluteDeadline = times.absoluteDeadline
    this.attributes = new Attributes(section)
  }

  /** Where the backup belongs; the id's node suffix follows it. */
  get node(): WatchedNode | undefined {
    return this.place
  }

  set node(node: WatchedNode | undefined) {
    this.place = node
  }

  /* Id and digest are made when they are asked for: kept, they would cost more memory than the rest of the meta data. */

  /** The id as it stands in the cookie. */
  get id(): string {
    return formatSessionId(this.token, this.place?.id, this.route)
  }

  /** Digest of the token: the storage key without its prefix. */
  get keyDigest(): string {
    return this.digest ?? tokenDigest(this.token)
  }

  /** A short name for logs and events that does not give the id away. */
  get handle(): string {
    return this.keyDigest.slice(0, 12)
  }

  get isSaved(): boolean {
    return this.backup?.version === this.version
  }

  /** When the session ends if nobody uses it any more; Infinity: never. */
  get expiresAt(): number {
    const idle = this.idleTimeout === 0 ? Number.POSITIVE_INFINITY : this.accessedAt + this.idleTimeout
    return this.absoluteDeadline === 0 ? idle : Math.min(idle, this.absoluteDeadline)
  }
}

/* A part of a longer text keeps all of that in memory: here a cookie header, for as long as the session lives. */
function ownCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1')
}
