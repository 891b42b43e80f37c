import type { ServerResponse } from 'node:http'
import { HttpStatusError, ShutDownError } from '../errors.js'
import type { SessionState } from '../local/session-state.js'
import type { LockHold } from '../lock/session-locks.js'
import { tellRefusal } from '../manager/context/refusals.js'
import { RequestActivity } from '../manager/request-activity.js'
import type { SessionManager } from '../manager/session-manager.js'
import type { Opened } from '../manager/session-mode.js'
import { SessionUse } from '../manager/session-use.js'
import type { CookieAttributes } from '../session/session-cookie.js'
import type { SessionId } from '../session-id/session-id.js'
import { Adoption } from './adoption.js'
import { pathMatches } from './cookie-header.js'
import type { OpenRequests } from './open-requests.js'
import { candidateIds, cookieSettingsFor } from './request-cookie.js'
import { RequestScope, type SessionRequest } from './request-scope.js'

const none: readonly SessionId[] = []

export type Next = (error?: unknown) => void
export type SessionMiddleware = (req: SessionRequest, res: ServerResponse, next: Next) => void

/**
 * The middleware for Express and every other connect-style server. Calls `next` at once when the session is in memory.
 * @param requests where those that are under way are noted
 */
export function createSessionMiddleware(manager: SessionManager, requests?: OpenRequests): SessionMiddleware {
  const { context } = manager
  const shared = { manager, adoption: new Adoption(manager), requests }
  return function holdfast(req, res, next) {
    const { settings, statistics } = context
    if (req.session !== undefined && req.session !== null) return next()
    if (manager.isClosed) return refuse(manager, next, new ShutDownError())
    const url = req.originalUrl ?? req.url ?? '/'
    const ignored = settings.ignore?.test(url) === true
    const cookie = ignored ? settings.cookie : cookieSettingsFor(context, req)
    if (ignored || !pathMatches(cookie.path, url)) {
      statistics.count('requestsIgnored')
      return next()
    }
    const arrival = new Arrival(shared, req, res, next, cookie)
    const ids = candidateIds(context, req.headers.cookie)
    const id = ids[0]
    if (id === undefined) return arrival.attach(undefined, undefined)
    if (settings.activity !== undefined) arrival.activity = new RequestActivity(manager, url)
    if (ids.length > 1) statistics.count('duplicateCookies')
    const locks = manager.needsLock(req.method, url)
    if (locks || ids.length > 1) return arrival.openFirst(ids, locks)
    arrival.open(id)
  }
}

/** What the requests of one middleware share. */
interface Shared {
  readonly manager: SessionManager
  readonly adoption: Adoption
  readonly requests: OpenRequests | undefined
}

/** One request on its way to its session. */
class Arrival {
  /** With the setting `activity`, of a request that comes with a session's id. */
  activity: RequestActivity | undefined
  private readonly shared: Shared
  private readonly req: SessionRequest
  private readonly res: ServerResponse
  private readonly next: Next
  private readonly cookie: CookieAttributes
  private otherIds = none
  private hold: LockHold | undefined

  constructor(shared: Shared, req: SessionRequest, res: ServerResponse, next: Next, cookie: CookieAttributes) {
    this.shared = shared
    this.req = req
    this.res = res
    this.next = next
    this.cookie = cookie
  }

  open(id: SessionId): void {
    let opened: Opened
    try {
      opened = this.openNow(id, false)
    } catch (error) {
      this.fail(error)
      return
    }
    if (opened instanceof Promise) {
      this.noteWaiting()
      opened.then(
        (state) => this.attach(id, state),
        (error) => this.fail(error),
      )
    } else this.attach(id, opened)
  }

  /* Several cookies of our name (of other paths or domains, or planted): the first that leads to a session counts. */
  async openFirst(ids: readonly SessionId[], locks: boolean): Promise<void> {
    const { manager } = this.shared
    this.noteWaiting()
    let state: SessionState | undefined
    let used = ids[0] as SessionId
    try {
      for (const id of ids) {
        used = id
        this.hold = locks ? await manager.lock(id) : undefined
        state = await this.openNow(id, this.hold !== undefined)
        if (state !== undefined) break
        await this.hold?.release()
      }
    } catch (error) {
      void this.hold?.release()
      return this.fail(error)
    }
    this.otherIds = ids.slice(ids.indexOf(used) + 1)
    this.attach(used, state)
  }

  attach(id: SessionId | undefined, state: SessionState | undefined): void {
    const { manager, adoption } = this.shared
    if (id !== undefined && state !== undefined && this.isToRenew(id, state)) {
      this.renew(id, state)
      return
    }
    const adopting =
      state === undefined && manager.context.settings.adopt !== undefined ? adoption.find(this.req) : undefined
    if (adopting === undefined) {
      this.begin(id, state)
      return
    }
    this.noteWaiting()
    adopting.then(
      (found) => this.begin(id, found),
      (error) => this.fail(error),
    )
  }

  private fail(error: unknown): void {
    refuse(this.shared.manager, this.next, error)
  }

  /* Whoever came with an id that was renewed a moment ago has been led to the new one. */
  private isToRenew(id: SessionId, state: SessionState): boolean {
    if (this.activity?.isPassive === true || this.res.headersSent !== false) return false
    return this.shared.manager.isRenewalDue(state) && state.token === id.token
  }

  /* Where that can't be had now, the session goes on under the old id. */
  private renew(id: SessionId, state: SessionState): void {
    this.noteWaiting()
    this.shared.manager.renew(state).then(
      (renewed) => this.begin(id, renewed),
      () => this.begin(id, state.isEnded ? undefined : state),
    )
  }

  private openNow(id: SessionId, fresh: boolean): Opened {
    const { manager } = this.shared
    return this.activity === undefined
      ? manager.open(id, fresh)
      : this.activity.watch(id.token, () => manager.open(id, fresh))
  }

  /** It is under way already; what it does with a session is not known yet. */
  private noteWaiting(): void {
    this.shared.requests?.add({ res: this.res, commitSoFar: nothing })
  }

  private begin(id: SessionId | undefined, state: SessionState | undefined): void {
    const { req, res, next, cookie, activity, otherIds, hold } = this
    const { manager, requests } = this.shared
    const { settings, statistics, clock, replaced } = manager.context
    statistics.count(state === undefined ? 'requestsWithoutSession' : 'requestsWithSession')
    const scope = new RequestScope(manager, req, res, state === undefined ? undefined : id, cookie, otherIds, activity)
    const handle = new SessionUse(manager, state, scope)
    if (hold !== undefined && state !== undefined) handle.keepLock(hold)
    if (state !== undefined && activity?.isPassive !== true) manager.cameBack(state)
    /* One that still has an end from when there was that setting. */
    if (activity === undefined && state !== undefined && state.absoluteDeadline !== 0) {
      manager.count(state, clock.now())
    }
    if (state === undefined && id !== undefined) scope.isLate = replaced.has(id.token, clock.now())
    scope.begin(handle)
    requests?.add(scope)
    const refusal = state === undefined && settings.saveUninitialized ? admissionError(manager, handle) : undefined
    next(refusal)
  }
}

function nothing(): void {}

/* Whoever looks into the log of a server that answers 503 finds the reason. */
function refuse(manager: SessionManager, next: Next, error: unknown): void {
  if (error instanceof HttpStatusError) tellRefusal(manager.context, error)
  next(error)
}

function admissionError(manager: SessionManager, handle: SessionUse): unknown {
  try {
    manager.admit(handle.ensureState())
    return undefined
  } catch (error) {
    return error
  }
}
