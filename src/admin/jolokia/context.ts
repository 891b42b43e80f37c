import type { AuditLog } from '../access/audit-log.js'
import type { MemberAccess } from '../access/member-access.js'
import type { Principal } from '../access/principal.js'
import type { MBeanRegistry } from '../mbean/mbean-registry.js'
import type { AnswerLimits } from './encode-value.js'

/** What the requests of one HTTP request are worked on with. */
export interface Context {
  readonly registry: MBeanRegistry
  readonly access: MemberAccess
  readonly audit: AuditLog
  readonly agent: Agent
  readonly principal: Principal
  /** The client's network address, for the audit log. */
  readonly address: string
  /** Whether this is a POST: nothing else changes anything. */
  readonly mayChange: boolean
  readonly limits: AnswerLimits
  /** Milliseconds that one attribute or operation may take. */
  readonly memberTimeout: number
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** What the endpoint says of itself. */
export interface Agent {
  readonly version: string
  /** Tells processes apart. */
  readonly id: string
  /** Ways to log in; none: it asks for no login. */
  readonly methods: readonly { method: string; realm: string }[]
}
