import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpStatusError } from '../errors.js'
import type { SessionState } from '../local/session-state.js'
import { tellRefusal } from '../manager/context/refusals.js'
import { within } from '../manager/context/within.js'
import type { RequestActivity } from '../manager/request-activity.js'
import { rememberEnded } from '../manager/request-sessions.js'
import type { SessionManager } from '../manager/session-manager.js'
import type { SessionUse, SessionUseScope } from '../manager/session-use.js'
import { type CookieAttributes, SessionCookie } from '../session/session-cookie.js'
import type { SessionId } from '../session-id/session-id.js'
import { resolveAuto } from './request-cookie.js'
import { type ResponseObserver, watchClose, watchEnd, watchHead, watchSent } from './response-hooks.js'
import { isSecure } from './secure-request.js'
import { followSessionId, ownSessionId, provideSessionId } from './session-id-property.js'
import { type CookieToSend, clearSessionCookie, isShared, setSessionCookie } from './set-cookie.js'

/** What we read of a request and put on it; Express and connect add the optional parts. */
export type SessionRequest = IncomingMessage & {
  originalUrl?: string | undefined
  secure?: boolean | undefined
  session?: unknown
  sessionID?: string | undefined
}

/** One request with its session, from the middleware to the end of the response. */
export class RequestScope implements SessionUseScope, ResponseObserver {
  readonly req: SessionRequest
  readonly res: ServerResponse
  hooks = 0
  private readonly manager: SessionManager
  /** The cookie's value that led to the session; `undefined`: the request came without one. */
  private readonly sentId: SessionId | undefined
  /** What applies to this request, before the connection decides on what is `auto`. */
  private readonly cookieSettings: CookieAttributes
  /** `undefined`: every request is a use of its session. */
  private readonly activity: RequestActivity | undefined
  /** Further cookies of our name. */
  private readonly otherIds: readonly SessionId[]
  private handle: SessionUse | undefined
  /** Why the application's answer is not the right one. */
  refusal: HttpStatusError | undefined
  private headWatched = false
  private endWatched = false
  private sentWatched = false
  private closeWatched = false
  private headDone = false
  private finished = false
  private closed = false
  private changed = false
  /** It has ended or replaced the session. */
  private wrote = false
  /** It came with an id that another request has just replaced: the browser has another cookie already, or gets it. */
  isLate = false
  /** The session is one that somebody has asked for, by `regenerate`: it is kept although nothing was put into it. */
  private askedFor = false
  private defaults: CookieAttributes | undefined
  /** Cookie settings, as JSON, of a session that this request has ended. */
  private endedCookie: string | undefined

  constructor(
    manager: SessionManager,
    req: SessionRequest,
    res: ServerResponse,
    sentId: SessionId | undefined,
    cookieSettings: CookieAttributes,
    otherIds: readonly SessionId[],
    activity: RequestActivity | undefined,
  ) {
    this.manager = manager
    this.req = req
    this.res = res
    this.sentId = sentId
    this.cookieSettings = cookieSettings
    this.otherIds = otherIds
    this.activity = activity
  }

  get cookieDefaults(): CookieAttributes {
    this.defaults ??= resolveAuto(this.cookieSettings, () => this.isSecure)
    return this.defaults
  }

  begin(handle: SessionUse): void {
    this.handle = handle
    this.req.session = handle.session
    const { state } = handle
    provideSessionId(this.req)
    const { rolling, saveUninitialized, unset, clearCookie, locking } = this.manager.context.settings
    if (this.activity !== undefined && state !== undefined) {
      this.activity.opened(state)
      this.watchClose()
    }
    if (handle.locked !== undefined) this.watchEnd()
    else if (locking.mode === 'auto' && state !== undefined) this.watchClose()
    /* Who takes the session off the request does not use it. */
    if (state !== undefined && unset === 'destroy') clearCookie ? this.hook() : this.watchEnd()
    if (state === undefined ? saveUninitialized : rolling || !this.isTold(state)) this.hook()
  }

  onUse(): void {
    if (this.sentId === undefined) this.hook()
    else this.watchClose()
  }

  onPossibleChange(): void {
    /* A response that waits for its backup may see it move to another node, which the cookie has to tell. */
    if (this.manager.storesFirst || this.handle?.locked !== undefined || this.mayRenewCookie) this.hook()
    else if (!this.manager.hasRoom) this.watchEnd()
    else this.watchSent()
  }

  onCookieUse(): void {
    this.hook()
  }

  get isNewcomer(): boolean {
    return this.sentId === undefined
  }

  get canTellId(): boolean {
    return !this.headDone && this.res.headersSent === false
  }

  get isPassive(): boolean {
    return this.activity?.isPassive === true
  }

  leaveOut(): void {
    if (this.activity === undefined) {
      throw new TypeError('session.passive() needs the setting activity: { } or activity: { except: pattern }')
    }
    this.activity.leaveOut(this.handle?.state)
  }

  onLock(): void {
    this.watchEnd()
  }

  /* Whoever logs out is logged out, and not logged in again by the next cookie. */
  async endOthers(): Promise<boolean> {
    if (this.otherIds.length === 0) return true
    const ends = this.otherIds.map(async (id) => {
      const state = await this.manager.open(id)
      return state === undefined || state.phase === 'ended' || this.manager.destroy(state)
    })
    const results = await Promise.allSettled(ends)
    return results.every((result) => result.status === 'fulfilled' && result.value)
  }

  onReplace(handle: SessionUse | undefined): void {
    this.wrote = true
    if (handle === undefined && this.handle !== undefined) {
      ownSessionId(this.req, this.handle.id)
      rememberEnded(this.req, this.handle)
    }
    const isAnother = handle !== this.handle
    if (isAnother) {
      this.endedCookie = this.handle?.state?.cookie
      this.handle?.release()
      void this.handle?.endLock()
    }
    this.handle = handle
    this.req.session = handle?.session
    if (handle !== undefined && Object.hasOwn(this.req, 'sessionID')) followSessionId(this.req)
    this.hook()
    if (this.closed) handle?.release()
    if (isAnother && handle !== undefined) this.keepEmpty(handle)
  }

  /* Its id may have been told already. */
  private keepEmpty(handle: SessionUse): void {
    this.askedFor = true
    this.manager.admit(handle.ensureState())
  }

  /** The response's head is about to go: the last moment for the cookie. */
  beforeHead(): void {
    if (this.headDone) return
    this.headDone = true
    if (!this.finished) this.commit()
    try {
      if (!this.sendCookie()) this.clearCookie()
    } catch (error) {
      const { settings, log } = this.manager.context
      log.write('cookie', `the session cookie could not be set: ${String(error)}`, (m) => settings.logger.error(m))
    }
  }

  /**
   * The response is about to end.
   * @returns what its end has to wait for, if anything.
   */
  finish(): Promise<unknown> | undefined {
    const wait = this.finishSession()
    const { handle } = this
    if (handle?.locked === undefined) return wait
    const noted = wait === undefined ? this.noteRefusal(handle) : wait.then(() => this.noteRefusal(handle))
    void Promise.resolve(noted).then(() => handle.endLock())
    return noted
  }

  /* What was told already can only be told otherwise. */
  private noteRefusal(handle: SessionUse): undefined {
    const { refusal, state } = handle
    if (refusal === undefined || this.refusal !== undefined || state === undefined) return
    const { statistics, events } = this.manager.context
    this.refusal = refusal
    tellRefusal(this.manager.context, refusal)
    statistics.count('lockedChangesRefused')
    events.emitSession('lockLost', state, { answered: this.res.headersSent })
  }

  private finishSession(): Promise<unknown> | undefined {
    if (this.closed) this.finishLate()
    if (this.finished) return undefined
    this.finished = true
    if (this.isUnset) return this.unset()
    const changed = this.commit()
    const { state, ending } = this.handle ?? {}
    const { statistics, settings, clock } = this.manager.context
    if (state === undefined) return undefined
    if (this.handle?.locked !== undefined && !this.manager.isStored(state)) {
      const timeout = Math.max(this.manager.storeTimeout, settings.operationTimeout)
      return this.waitUntilStored(state, timeout)
    }
    if (ending !== undefined) return within(clock, ending, settings.operationTimeout * 2)
    /* What this request changed may have been committed, and not stored yet, by another one. */
    if (this.manager.storesFirst) {
      if (!this.manager.isStored(state)) return this.waitUntilStored(state, this.manager.storeTimeout)
      this.refusal ??= this.handle?.unstorable
    }
    if (!changed || this.manager.hasRoom) return undefined
    statistics.count('backPressureWaits')
    return this.waitFor(this.manager.room(), this.manager.context.settings.backup.timeout, 'backPressureTimeouts')
  }

  commitSoFar(): void {
    if (!this.finished) this.commit()
  }

  /** The connection is done with this response, whether it ended or was aborted. */
  close(): void {
    if (this.closed) return
    void this.finish()
    this.closed = true
    const { state } = this.handle ?? {}
    if (state !== undefined) this.activity?.ended(state)
    this.handle?.release()
    const { req, manager } = this
    if (manager.context.settings.locking.mode === 'auto' && this.sentId !== undefined) {
      manager.learn(req.method, req.originalUrl ?? req.url ?? '/', this.changed || this.wrote)
    }
    /* The visitor has gone, and the application may not have noticed yet. */
    if (this.res.writableEnded === false) this.watchEnd()
  }

  /** Whether the id that came is the one that the session has now. */
  private isTold({ token, node, route }: SessionState): boolean {
    const { sentId } = this
    return sentId !== undefined && sentId.token === token && sentId.node === node?.id && sentId.route === route
  }

  private get isSecure(): boolean {
    return isSecure(this.req, this.manager.context.settings.proxy)
  }

  private get isUnset(): boolean {
    return this.req.session === null || this.req.session === undefined
  }

  /* What is watched costs, so no more is watched than the use of the session asks for. */
  private hook(): void {
    if (this.headWatched) return
    this.headWatched = true
    watchHead(this)
    this.watchEnd()
  }

  private watchSent(): void {
    if (this.endWatched || this.sentWatched) return
    this.sentWatched = true
    this.watchClose()
    if (!watchSent(this)) this.watchEnd()
  }

  private watchEnd(): void {
    if (this.endWatched) return
    this.endWatched = true
    watchEnd(this)
    this.watchClose()
  }

  private watchClose(): void {
    if (this.closeWatched) return
    this.closeWatched = true
    if (!watchClose(this)) this.watchEnd()
  }

  /* The response of a visitor who has gone comes to its end: what was changed meanwhile counts too. */
  private finishLate(): void {
    if (this.isUnset) void this.unset()
    else this.commit()
    this.handle?.release()
    const state = this.handle?.state
    if (state?.activeRequests === 0) state.attributes.compact()
  }

  /* Nothing that goes wrong with a session may keep a response from ending. */
  private commit(): boolean {
    const { handle } = this
    if (handle === undefined || this.isUnset) return false
    const { context } = this.manager
    if (this.req.session !== handle.session) this.reportForeign()
    try {
      const result = handle.commit()
      if (this.keepsEmpty && handle.state?.isBlank) this.saveUninitialized(handle)
      if (result === 'changed') this.changed = true
      if (this.finished && !this.closed)
        context.statistics.count(this.changed ? 'requestsWithChange' : 'requestsWithoutChange')
      return this.changed
    } catch (error) {
      context.settings.logger.error(`a session could not be committed: ${String(error)}`)
      return false
    }
  }

  private get keepsEmpty(): boolean {
    return this.askedFor || this.manager.context.settings.saveUninitialized
  }

  /* A habit from sessions that are kept in a cookie. */
  private reportForeign(): void {
    const { settings, log } = this.manager.context
    log.write(
      'foreign session',
      'an application has assigned an object to req.session, which is stored nowhere: assign the properties of req.session, one by one',
      (m) => settings.logger.warn(m),
    )
  }

  private saveUninitialized(handle: SessionUse): void {
    const state = handle.ensureState()
    this.manager.initialize(state)
    void this.manager.stored(state)
  }

  private unset(): Promise<unknown> | undefined {
    const { settings } = this.manager.context
    const state = this.handle?.state
    if (state === undefined) return undefined
    if (settings.unset !== 'destroy') {
      /* Overlapping requests may have seen what this one changed before: it stays. */
      this.handle?.commit()
      return undefined
    }
    const ends = Promise.all([this.manager.destroy(state), this.endOthers()])
    return within(this.manager.context.clock, ends, settings.operationTimeout * 2)
  }

  /* What can't be stored at all is no success, whatever the application is about to answer. */
  private async waitUntilStored(state: SessionState, timeout: number): Promise<void> {
    await this.waitFor(this.manager.stored(state), timeout, 'backupTimeouts')
    this.refusal ??= this.handle?.unstorable
  }

  private async waitFor(
    work: Promise<unknown>,
    timeout: number,
    counter: 'backupTimeouts' | 'backPressureTimeouts',
  ): Promise<void> {
    const { statistics } = this.manager.context
    const started = performance.now()
    if (!(await within(this.manager.context.clock, work, timeout))) statistics.count(counter)
    statistics.record('effectiveBackup', performance.now() - started)
  }

  /* A change may begin the cookie's life in the browser anew, as it does with express-session. */
  private get mayRenewCookie(): boolean {
    return this.cookieSettings.maxAge !== undefined || (this.handle?.state?.cookie ?? '') !== ''
  }

  /** @returns whether the browser has, or gets, the cookie of the session that the request has now. */
  private sendCookie(): boolean {
    const { handle } = this
    const { settings } = this.manager.context
    const state = handle?.state
    if (handle === undefined || state === undefined || this.isUnset) return false
    /* Its cookie would take the place of the one that the visitor has logged in with. */
    if (this.isLate && !this.askedFor) return true
    /* The browser drops a cookie whose end is over. */
    if (handle.ending !== undefined && this.sentId !== undefined) {
      setSessionCookie(this.manager.context, this.res, state.id, this.toSend(handle.cookie), this.isSecure)
      return true
    }
    if (state.phase !== 'live' && !this.isRenewedAndTaken(state)) return false
    if (state.isBlank && !this.keepsEmpty && state.attributes.isEmpty) return false
    const rolling = settings.rolling && !this.isPassive
    const renewed = this.changed && !this.isPassive && this.mayRenewCookie && handle.cookie.expires !== null
    const needed = !this.isTold(state) || handle.cookieChanged
    /* A renewal can wait for a response that no cache gives to others. */
    if (!needed && isShared(this.res)) return true
    if (rolling || renewed) handle.cookie.resetMaxAge()
    if (rolling || needed || renewed) {
      setSessionCookie(this.manager.context, this.res, state.id, this.toSend(handle.cookie), this.isSecure)
    }
    return true
  }

  /* Another server has taken the session over as soon as it had its new id, which only this response tells. */
  private isRenewedAndTaken({ phase, token }: SessionState): boolean {
    return phase === 'lost' && this.sentId !== undefined && this.sentId.token !== token
  }

  /* Only what the browser has sent is there to be cleared. */
  private clearCookie(): void {
    const { context } = this.manager
    if (!context.settings.clearCookie || this.sentId === undefined) return
    const unset = this.isUnset && context.settings.unset === 'destroy' ? this.handle?.state?.cookie : undefined
    const overrides = this.endedCookie ?? unset
    if (overrides === undefined) return
    const cookie = this.toSend(new SessionCookie(this.cookieDefaults, overrides))
    clearSessionCookie(context, this.res, cookie, this.isSecure)
  }

  private toSend(cookie: SessionCookie): CookieToSend {
    const { path, httpOnly, sameSite, secure, partitioned, maxAge, expires } = cookie
    const [domain, priority] = [cookie.domain ?? undefined, cookie.priority ?? undefined]
    const attributes = { path, domain, httpOnly, sameSite, secure, partitioned, maxAge, priority, expires }
    return { ...resolveAuto(attributes, () => this.isSecure), expires }
  }
}
