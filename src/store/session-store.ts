import { randomUUID } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { handleOf } from '../manager/request-sessions.js'
import type { SessionManager } from '../manager/session-manager.js'
import { hasHost } from '../session/session.js'
import type { StorePayload } from './payload.js'
import { StoreSessions } from './store-sessions.js'
import { StoredSession, type StoreRequest } from './stored-session.js'

/** The error comes first. */
// biome-ignore lint/suspicious/noExplicitAny: as express-session declares it
export type StoreDone = (error?: any) => void
// biome-ignore lint/suspicious/noExplicitAny: as express-session declares it
export type StoreAnswer<T> = (error: any, value?: T) => void

/**
 * The sessions of a manager behind the interface of an express-session `Store`, for libraries that take one. Each method
 * takes a callback; without one it returns a promise, whose failure is nobody's crash when it is ignored. Callbacks are called
 * once, and never before the method has returned. Errors are those of the storage (StorageUnavailableError), of a
 * full server (TooManySessionsError), and TypeError for an id that is not text.
 */
export class SessionStore extends EventEmitter {
  private readonly sessions: StoreSessions

  constructor(manager: SessionManager) {
    super()
    this.sessions = new StoreSessions(manager)
  }

  /** A copy of the attributes, and `cookie`; `undefined`: no such session. */
  get(sid: string, callback: StoreAnswer<StorePayload>): void
  get(sid: string): Promise<StorePayload | undefined>
  get(sid: string, callback?: StoreAnswer<StorePayload>): unknown {
    return answer(this.sessions.get(sid), callback)
  }

  /**
   * Makes `session` the content of the live session, so that requests see it at once. Where it is what `get` has handed
   * out, only what was changed since counts.
   */
  set(sid: string, session: StorePayload, callback: StoreDone): void
  set(sid: string, session: StorePayload): Promise<void>
  set(sid: string, session: StorePayload, callback?: StoreDone): unknown {
    return answer(this.sessions.set(sid, session), callback)
  }

  /** Prolongs the session, to the end that its cookie says; makes none. */
  touch(sid: string, session: StorePayload, callback: StoreDone): void
  touch(sid: string, session?: StorePayload): Promise<void>
  touch(sid: string, session?: StorePayload, callback?: StoreDone): unknown {
    return answer(this.sessions.touch(sid, session), callback)
  }

  /** Ends the session on all servers; it does not come back by a late `set`. */
  destroy(sid: string, callback: StoreDone): void
  destroy(sid: string): Promise<void>
  destroy(sid: string, callback?: StoreDone): unknown {
    return answer(this.sessions.destroy(sid), callback)
  }

  /** The sessions in this server's memory, each with its `id`. */
  all(callback: StoreAnswer<StorePayload[]>): void
  all(): Promise<StorePayload[]>
  all(callback?: StoreAnswer<StorePayload[]>): unknown {
    const { sessions } = this
    return answer(
      Promise.resolve().then(() => sessions.all()),
      callback,
    )
  }

  /** How many sessions are in this server's memory. */
  length(callback: StoreAnswer<number>): void
  length(): Promise<number>
  length(callback?: StoreAnswer<number>): unknown {
    return answer(Promise.resolve(this.sessions.size), callback)
  }

  /** Ends the sessions in this server's memory, on all servers. */
  clear(callback: StoreDone): void
  clear(): Promise<void>
  clear(callback?: StoreDone): unknown {
    return answer(this.sessions.clear(), callback)
  }

  /**
   * Gives the request another session id with an empty session; what it had stays stored. Libraries put their own way in its place.
   * @throws TooManySessionsError
   */
  generate(req: object): void {
    const handle = handleOf(req)
    if (handle !== undefined) {
      handle.leave()
      return
    }
    const request = req as StoreRequest
    request.sessionID = randomUUID()
    request.sessionStore ??= this
    request.session = new StoredSession(request, {})
  }

  /** Ends the request's session and generates another, also when the end could not be stored: `callback` is told. */
  regenerate(req: object, callback: StoreDone): void {
    const { session } = req as { session?: unknown }
    if (hasHost(session)) {
      session.regenerate(callback)
      return
    }
    this.destroy((req as StoreRequest).sessionID as string, (error) => {
      this.generate(req)
      callback(error)
    })
  }

  /** A session object outside of a request; `undefined`: no such session. */
  // biome-ignore lint/suspicious/noExplicitAny: fits the session type of whichever library asks
  load(sid: string, callback: StoreAnswer<any>): void {
    this.get(sid, (error, payload) => {
      if (error || !payload) return callback(error)
      callback(null, this.createSession({ sessionID: sid, sessionStore: this }, payload))
    })
  }

  /**
   * Puts a session object over `payload` on the request.
   * @throws TypeError for a request that our own middleware serves: it has a session, and its cookie leads to that.
   */
  // biome-ignore lint/suspicious/noExplicitAny: fits the session type of whichever library asks
  createSession(req: object, payload: StorePayload): any {
    if (handleOf(req) !== undefined) {
      const instead = 'sessions.get(id) gives the session of an id, and req.session.regenerate() begins another'
      throw new TypeError(
        `createSession can't replace the session of a request that our own middleware serves: ${instead}`,
      )
    }
    const request = req as StoreRequest
    request.sessionStore ??= this
    const session = new StoredSession(request, payload)
    this.sessions.passOn(payload, session)
    request.session = session
    return session
  }
}

/* An exception of the callback is the application's: it surfaces as one, and reaches neither us nor the callback again. */
function answer<T>(
  work: Promise<T | undefined>,
  callback: StoreAnswer<T> | undefined,
): Promise<T | undefined> | undefined {
  if (typeof callback === 'function') {
    work.then(
      (value) => process.nextTick(callback, null, value),
      (error) => process.nextTick(callback, error),
    )
    return undefined
  }
  work.catch(() => {})
  return work
}
