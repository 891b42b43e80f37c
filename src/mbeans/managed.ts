import type { HoldfastOptions } from '../config/parse-settings.js'
import type { ServerSessions } from '../manager/server-sessions.js'

/** The running session manager, as the MBeans and the metrics see it. */
export interface Managed {
  readonly manager: ServerSessions
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** Whether this server should get visitors. */
  readonly state: 'starting' | 'ready' | 'draining'
  /** @throws ConfigError when the change can't be used: then nothing changes. */
  reconfigure(change: Partial<HoldfastOptions>): void
}
