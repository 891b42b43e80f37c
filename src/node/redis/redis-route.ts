import type { HostAndPort } from '../address/host.js'
import type { NotDone } from './redis-errors.js'
import type { RedisCommand, RedisOperation } from './redis-operation.js'

/** The way of operations to the server that has the key: one server, or a cluster's. */
export interface RedisRoute {
  /** Connections that were established so far. */
  readonly connections: number
  readonly incarnation: string | undefined
  /** Whether it is worth while to try what could not be sent again, because a search may find another server. */
  readonly finds: boolean
  /** The masters of a cluster as far as they are known; empty where there is no cluster. */
  readonly masters: readonly HostAndPort[]
  /** Sends at once, or rejects the operation. */
  perform(operation: RedisOperation): void
  /** Before another attempt: takes notice of a redirection, finds out who has which keys. Never rejects, always ends. */
  prepare(failed: NotDone, command: RedisCommand<unknown>): Promise<void>
  /** The connection of commands that went `apart` ends; the next such command opens another. */
  leaveApart(): void
  /** How the key is called on the server. */
  serverKey(key: string): string
  close(): void
}
