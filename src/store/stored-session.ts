import { SessionGoneError } from '../errors.js'
import { type CookieAttributes, SessionCookie } from '../session/session-cookie.js'
import { applyCookie, isObject, type StorePayload, timeOf } from './payload.js'
import type { SessionStore, StoreDone } from './session-store.js'

/** What the methods of a session object need to know of its request. */
export interface StoreRequest {
  sessionID?: string
  session?: unknown
  sessionStore?: unknown
}

/** A cookie as express-session has it when nothing is configured: what a payload leaves out is not our configuration. */
const plainCookie: CookieAttributes = {
  path: '/',
  domain: undefined,
  httpOnly: true,
  secure: false,
  sameSite: false,
  maxAge: undefined,
  partitioned: false,
  priority: undefined,
}

const ignore = (): void => {}

/** A session object over a payload, for libraries that work through a store: it is stored by `save`, as in express-session. */
export class StoredSession {
  declare readonly id: string
  declare readonly req: StoreRequest
  declare cookie: SessionCookie;
  [name: string]: unknown

  constructor(req: StoreRequest, payload: StorePayload) {
    Object.defineProperty(this, 'req', { value: req })
    Object.defineProperty(this, 'id', { value: req.sessionID })
    for (const [name, value] of Object.entries(payload)) if (!(name in this)) this[name] = value
    this.cookie = cookieOf(payload)
  }

  touch(): this {
    return this.resetMaxAge()
  }

  resetMaxAge(): this {
    this.cookie.resetMaxAge()
    return this
  }

  save(done?: StoreDone): this {
    this.store.set(this.id, this, done ?? ignore)
    return this
  }

  /** Gives the request a session object with what the store has. */
  reload(done: StoreDone): this {
    this.store.get(this.id, (error, payload) => {
      if (error) return done(error)
      if (!payload) return done(new SessionGoneError())
      this.store.createSession(this.req, payload)
      done()
    })
    return this
  }

  destroy(done?: StoreDone): this {
    delete this.req.session
    this.store.destroy(this.id, done ?? ignore)
    return this
  }

  regenerate(done: StoreDone): this {
    this.store.regenerate(this.req, done)
    return this
  }

  private get store(): SessionStore {
    return this.req.sessionStore as SessionStore
  }
}

function cookieOf({ cookie: given }: StorePayload): SessionCookie {
  const cookie = new SessionCookie(plainCookie)
  if (!isObject(given)) return cookie
  applyCookie(cookie, given)
  const { originalMaxAge } = cookie
  const expires = timeOf(given.expires)
  if (expires === undefined) return cookie
  cookie.expires = new Date(expires)
  if (typeof given.originalMaxAge === 'number') cookie.originalMaxAge = originalMaxAge
  return cookie
}
