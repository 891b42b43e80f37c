import type { IncomingMessage } from 'node:http'
import type { SessionState } from '../local/session-state.js'
import type { LockHold } from '../lock/session-locks.js'
import type { Attribute, AttributeRules, Guard } from '../session/attributes.js'
import type { SessionId } from '../session-id/session-id.js'
import type { ManagerContext } from './context/manager-context.js'

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
  readonly context: ManagerContext
  readonly rules: AttributeRules
  /** Shut down: nothing is stored any more. */
  readonly isClosed: boolean

  /**
   * The session that an id leads to. Answers without a promise when the session is in memory and trusted; `undefined`: none.
   * @param fresh the storage itself is to be asked where others may have changed it: by whoever holds its lock. Default `false`.
   * @throws StorageUnavailableError when it can't be known.
   */
  open(id: SessionId, fresh?: boolean): SessionState | undefined | Promise<SessionState | undefined>
  /** A new session that is not admitted yet. @param isNewcomer its visitor came without one. Default `false`. */
  create(req: IncomingMessage | undefined, isNewcomer?: boolean): SessionState
  /**
   * The session of a token that travels without a route, so that any server may have changed it since: the storage is asked
   * every time. Without an answer it goes on from memory, as `open` does.
   * @throws StorageUnavailableError
   */
  openShared(token: string): Promise<SessionState | undefined>
  /** A new session under a token that was issued for it; not admitted yet. */
  createAs(token: string): SessionState
  /** Takes a new session into memory. @throws TooManySessionsError, TooManyNewcomersError, StorageUnavailableError */
  admit(state: SessionState): void
  /** A request uses the session for the first time. @returns the state that all requests on this server share. */
  use(state: SessionState): SessionState
  /**
   * Takes what was assigned, and changed inside `handedOut`, as the session's new content.
   * @param cookie what the session's cookie settings differ in, as JSON, when they were looked at.
   * @param guard what was changed under the session's lock, and is refused when others were faster.
   * @param onUnserializable told of a value that is set now and can't be stored, in whose place the one before stays.
   */
  commit(
    state: SessionState,
    handedOut: readonly Attribute[],
    cookie?: string,
    guard?: Guard,
    onUnserializable?: (error: Error) => void,
  ): CommitResult
  /** Makes a session without attributes one that is stored too. */
  initialize(state: SessionState): void
  /** Counts as a use now; what has ended, or expired meanwhile, stays so. Beside it the storage is asked, if that is due. */
  touch(state: SessionState): void
  /**
   * Gives a session an end that does not move with its use; `undefined`: it ends as the configuration says.
   * @param deadline milliseconds since the epoch.
   */
  setDeadline(state: SessionState, deadline: number | undefined): void
  /** A request that began at that time was a use of the session, which its end has to say: see the setting `activity`. */
  count(state: SessionState, usedAt: number): void
  /** A visitor has come back with the cookie of his session: see the setting `newcomers`. */
  cameBack(state: SessionState): void
  /** Ends a session whose time is over. */
  expire(state: SessionState): void
  /** Resolves when what is pending for the session has been stored or given up. Never rejects. */
  stored(state: SessionState): Promise<boolean>
  /** Whether a change has to be in the storage before the response goes. */
  readonly storesFirst: boolean
  /** Milliseconds that a response waits for that at most. */
  readonly storeTimeout: number
  /** Whether the storage has what was committed so far. */
  isStored(state: SessionState): boolean
  /** Whether responses may go on without waiting for the write-behind queue. */
  readonly hasRoom: boolean
  room(): Promise<void>
  /** A request that used the session is over; or a job has saved what it had changed. @param isRequest default `true` */
  release(state: SessionState, isRequest?: boolean): void
  /** Whether a request of that method and URL (path and query) has to hold its session's lock. */
  needsLock(method: string | undefined, url: string): boolean
  /**
   * Waits for the lock of the session that an id names. `undefined`: there is none to be had, and the request may go on.
   * @throws LockTimeoutError
   */
  lock(id: SessionId): Promise<LockHold | undefined>
  /** What a request turned out to do, for locking that learns. */
  learn(method: string | undefined, url: string, wrote: boolean): void
  /** The session as the storage has it now, under what was changed here and is not stored. @throws SessionGoneError */
  refresh(state: SessionState): Promise<SessionState>
  /**
   * Ends a session everywhere; resolves when the storage has answered.
   * @param isReplaced its visitor gets another one. Default `false`.
   * @returns whether every node has taken the end.
   */
  destroy(state: SessionState, isReplaced?: boolean): Promise<boolean>
  /** Whether a session is to be renewed now: see the setting `renewIdAfter`. */
  isRenewalDue(state: SessionState): boolean
  /**
   * Gives a session another id; whoever comes with the old one is led to it for some seconds.
   * @returns the session under its new id
   * @throws SessionGoneError, StorageUnavailableError when no node can take it: then it stays as it is.
   */
  renew(state: SessionState): Promise<SessionState>
  /**
   * Ends a session everywhere, for another one that takes its place and begins with what it had: all that was committed here, and all
   * that others have stored of it until it was ended. That of one that had ended before is nothing.
   */
  replace(state: SessionState, successor: SessionState): Promise<void>
  /** Drops what was not committed and fetches what the storage has, if that is newer. @throws SessionGoneError */
  reload(state: SessionState): Promise<SessionState>
}
