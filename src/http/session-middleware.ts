import type { ServerResponse } from 'node:http'
import { ShutDownError } from '../errors.js'
import type { SessionState } from '../local/session-state.js'
import type { LockHold } from '../lock/session-locks.js'
import { RequestActivity } from '../manager/request-activity.js'
import { SessionHandle } from '../manager/session-handle.js'
import type { SessionManager } from '../manager/session-manager.js'
import type { CookieAttributes } from '../session/session-cookie.js'
import { tokenOf } from '../session-id/session-id.js'
import { Adoption } from './adoption.js'
import { pathMatches } from './cookie-header.js'
import type { OpenRequests } from './open-requests.js'
import { candidateIds, cookieSettingsFor } from './request-cookie.js'
import { RequestScope, type SessionRequest } from './request-scope.js'

const none: readonly string[] = []

export type Next = (error?: unknown) => void
export type SessionMiddleware = (req: SessionRequest, res: ServerResponse, next: Next) => void

/**
 * The middleware for Express and every other connect-style server. Calls `next` at once when the session is in memory.
 * @param requests where those that are under way are noted
 */
export function createSessionMiddleware(manager: SessionManager, requests?: OpenRequests): SessionMiddleware {
  const { engine } = manager
  const adoption = new Adoption(manager)
  return function holdfast(req, res, next) {
    const { settings, statistics } = engine
    if (req.session !== undefined && req.session !== null) return next()
    if (manager.isClosed) return next(new ShutDownError())
    const url = req.originalUrl ?? req.url ?? '/'
    const ignored = settings.ignore?.test(url) === true
    const cookie = ignored ? settings.cookie : cookieSettingsFor(engine, req)
    if (ignored || !pathMatches(cookie.path, url)) {
      statistics.count('requestsIgnored')
      return next()
    }
    const ids = candidateIds(engine, req.headers.cookie)
    const id = ids[0]
    if (id === undefined) return attach(manager, adoption, requests, req, res, next, cookie, undefined, undefined)
    const activity = settings.activity === undefined ? undefined : new RequestActivity(manager, url)
    if (ids.length > 1) statistics.count('duplicateCookies')
    const locks = manager.needsLock(req.method, url)
    if (locks || ids.length > 1) {
      requests?.add({ res, commitSoFar: nothing })
      return openFirst(manager, adoption, requests, ids, locks, req, res, next, cookie, activity)
    }
    let opened: ReturnType<SessionManager['open']>
    try {
      opened = activity === undefined ? manager.open(id) : activity.watch(id, () => manager.open(id))
    } catch (error) {
      return next(error)
    }
    if (opened instanceof Promise) {
      requests?.add({ res, commitSoFar: nothing })
      opened.then((state) => attach(manager, adoption, requests, req, res, next, cookie, id, state, activity), next)
    } else attach(manager, adoption, requests, req, res, next, cookie, id, opened, activity)
  }
}

function nothing(): void {}

/* Several cookies of our name (of other paths or domains, or planted): the first that leads to a session counts. */
async function openFirst(
  manager: SessionManager,
  adoption: Adoption,
  requests: OpenRequests | undefined,
  ids: string[],
  locks: boolean,
  req: SessionRequest,
  res: ServerResponse,
  next: Next,
  cookie: CookieAttributes,
  activity: RequestActivity | undefined,
): Promise<void> {
  let state: SessionState | undefined
  let hold: LockHold | undefined
  let used = ids[0] as string
  try {
    for (const id of ids) {
      used = id
      hold = locks ? await manager.lock(id) : undefined
      const open = () => manager.open(id, hold !== undefined)
      state = await (activity === undefined ? open() : activity.watch(id, open))
      if (state !== undefined) break
      await hold?.release()
    }
  } catch (error) {
    void hold?.release()
    return next(error)
  }
  const others = ids.slice(ids.indexOf(used) + 1)
  attach(manager, adoption, requests, req, res, next, cookie, used, state, activity, others, hold)
}

function attach(
  manager: SessionManager,
  adoption: Adoption,
  requests: OpenRequests | undefined,
  req: SessionRequest,
  res: ServerResponse,
  next: Next,
  cookie: CookieAttributes,
  id: string | undefined,
  state: SessionState | undefined,
  activity?: RequestActivity,
  otherIds: readonly string[] = none,
  hold?: LockHold,
): void {
  const adopting = state === undefined && manager.engine.settings.adopt !== undefined ? adoption.find(req) : undefined
  if (adopting === undefined) {
    begin(manager, requests, req, res, next, cookie, id, state, activity, otherIds, hold)
    return
  }
  requests?.add({ res, commitSoFar: nothing })
  adopting.then((found) => begin(manager, requests, req, res, next, cookie, id, found, activity, otherIds, hold), next)
}

function begin(
  manager: SessionManager,
  requests: OpenRequests | undefined,
  req: SessionRequest,
  res: ServerResponse,
  next: Next,
  cookie: CookieAttributes,
  id: string | undefined,
  state: SessionState | undefined,
  activity: RequestActivity | undefined,
  otherIds: readonly string[],
  hold: LockHold | undefined,
): void {
  const { settings, statistics } = manager.engine
  statistics.count(state === undefined ? 'requestsWithoutSession' : 'requestsWithSession')
  const scope = new RequestScope(manager, req, res, state === undefined ? undefined : id, cookie, otherIds, activity)
  const handle = new SessionHandle(manager, state, scope)
  if (hold !== undefined && state !== undefined) handle.keepLock(hold)
  /* One that still has an end from when there was that setting. */
  if (activity === undefined && state !== undefined && state.absoluteDeadline !== 0) {
    manager.count(state, manager.engine.clock.now())
  }
  if (state === undefined && id !== undefined) {
    scope.isLate = manager.engine.replaced.has(tokenOf(id), manager.engine.clock.now())
  }
  scope.begin(handle)
  requests?.add(scope)
  const refusal = state === undefined && settings.saveUninitialized ? admissionError(manager, handle) : undefined
  next(refusal)
}

function admissionError(manager: SessionManager, handle: SessionHandle): unknown {
  try {
    manager.admit(handle.ensureState())
    return undefined
  } catch (error) {
    return error
  }
}
