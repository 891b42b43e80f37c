import type { IncomingMessage } from 'node:http'
import type { SessionState } from '../local/session-state.js'
import type { Attribute, AttributeRules } from '../session/attributes.js'
import type { Engine } from './engine.js'

/** What a request's use of its session came to. */
export type CommitResult =
  /** Nothing was changed. */
  | 'unchanged'
  /** The change is in this server's memory, and on its way to the storage. */
  | 'changed'
  /** The session was ended meanwhile: the change leads nowhere. */
  | 'ended'

/** What `http/` and the public surface ask of a manager, whatever the mode. */
export interface SessionManager {
  readonly engine: Engine
  readonly rules: AttributeRules
  /** Shut down: nothing is stored any more. */
  readonly isClosed: boolean

  /**
   * The session that an id leads to. Answers without a promise when the session is in memory and trusted; `undefined`: none.
   * @throws StorageUnavailableError when it can't be known.
   */
  open(id: string): SessionState | undefined | Promise<SessionState | undefined>
  /** A new session that is not admitted yet. */
  create(req: IncomingMessage | undefined): SessionState
  /** Takes a new session into memory. @throws TooManySessionsError */
  admit(state: SessionState): void
  /**
   * Takes what was assigned, and changed inside `handedOut`, as the session's new content.
   * @param cookie what the session's cookie settings differ in, as JSON, when they were looked at.
   */
  commit(state: SessionState, handedOut: readonly Attribute[], cookie?: string): CommitResult
  /** Resolves when what is pending for the session has been stored or given up. Never rejects. */
  stored(state: SessionState): Promise<boolean>
  /** Whether responses may go on without waiting for the write-behind queue. */
  readonly hasRoom: boolean
  room(): Promise<void>
  /** A request that used the session is over. */
  release(state: SessionState): void
  /** Ends a session everywhere; resolves when the storage has answered. */
  destroy(state: SessionState): Promise<void>
  /** Drops what was not committed and fetches what the storage has, if that is newer. @throws SessionGoneError */
  reload(state: SessionState): Promise<SessionState>
}
