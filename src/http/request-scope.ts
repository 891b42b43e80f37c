import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HandleScope, SessionHandle } from '../manager/session-handle.js'
import type { SessionManager } from '../manager/session-manager.js'
import { within } from '../manager/within.js'
import type { CookieAttributes } from '../session/session-cookie.js'
import { formatCookie } from './cookie-header.js'
import { type ResponseObserver, watchClose, watchEnd, watchHead, watchSent } from './response-hooks.js'
import { isSecure } from './secure-request.js'
import { ownSessionId, provideSessionId } from './session-id-property.js'

/** What we read of a request and put on it; Express and connect add the optional parts. */
export type SessionRequest = IncomingMessage & {
  originalUrl?: string
  secure?: boolean
  session?: unknown
  sessionID?: string
}

/** One request with its session, from the middleware to the end of the response. */
export class RequestScope implements HandleScope, ResponseObserver {
  readonly req: SessionRequest
  readonly res: ServerResponse
  private readonly manager: SessionManager
  /** The cookie's value that led to the session; `undefined`: the request came without one. */
  private readonly sentId: string | undefined
  private handle: SessionHandle | undefined
  private headWatched = false
  private endWatched = false
  private sentWatched = false
  private closeWatched = false
  private headDone = false
  private finished = false
  private changed = false
  private defaults: CookieAttributes | undefined

  constructor(manager: SessionManager, req: SessionRequest, res: ServerResponse, sentId: string | undefined) {
    this.manager = manager
    this.req = req
    this.res = res
    this.sentId = sentId
  }

  get cookieDefaults(): CookieAttributes {
    if (this.defaults === undefined) {
      const { cookie } = this.manager.engine.settings
      this.defaults = cookie.secure === 'auto' ? { ...cookie, secure: this.isSecure } : cookie
    }
    return this.defaults
  }

  begin(handle: SessionHandle): void {
    this.handle = handle
    this.req.session = handle.session
    const { state } = handle
    provideSessionId(this.req)
    const { rolling, saveUninitialized, unset } = this.manager.engine.settings
    /* Who takes the session off the request does not use it. */
    if (state !== undefined && unset === 'destroy') this.watchEnd()
    if (state === undefined ? saveUninitialized : rolling || state.id !== this.sentId) this.hook()
  }

  used(): void {
    if (this.sentId === undefined) this.hook()
    else this.watchClose()
  }

  mayChange(): void {
    /* A response that waits for its backup may see it move to another node, which the cookie has to tell. */
    if (this.manager.engine.settings.backup.mode === 'sync') this.hook()
    else if (!this.manager.hasRoom) this.watchEnd()
    else this.watchSent()
  }

  cookieUsed(): void {
    this.hook()
  }

  replaced(handle: SessionHandle | undefined): void {
    if (handle === undefined && this.handle !== undefined) ownSessionId(this.req, this.handle.id)
    if (handle !== this.handle) this.handle?.release()
    this.handle = handle
    this.req.session = handle?.session
    this.hook()
  }

  /** The response's head is about to go: the last moment for the cookie. */
  beforeHead(): void {
    if (this.headDone) return
    this.headDone = true
    if (!this.finished) this.commit()
    const state = this.handle?.state
    if (state === undefined || state.phase !== 'live' || this.isUnset) return
    const { settings } = this.manager.engine
    if (state.version === 0 && !settings.saveUninitialized && state.attributes.isEmpty) return
    if (settings.rolling) this.handle?.cookie.resetMaxAge()
    if (settings.rolling || state.id !== this.sentId || this.handle?.cookieChanged) this.sendCookie(state.id)
  }

  /**
   * The response is about to end.
   * @returns what its end has to wait for, if anything.
   */
  finish(): Promise<unknown> | undefined {
    if (this.finished) return undefined
    this.finished = true
    if (this.isUnset) return this.unset()
    const changed = this.commit()
    const { state } = this.handle ?? {}
    const { settings, statistics } = this.manager.engine
    if (state === undefined) return undefined
    /* What this request changed may have been committed, and not stored yet, by another one. */
    const unsaved = settings.backup.mode === 'sync' && state.phase === 'live' && state.version > 0 && !state.isSaved
    if (unsaved) return this.waitFor(this.manager.stored(state), 'backupTimeouts')
    if (!changed || this.manager.hasRoom) return undefined
    statistics.count('backPressureWaits')
    return this.waitFor(this.manager.room(), 'backPressureTimeouts')
  }

  /** The connection is done with this response, whether it ended or was aborted. */
  close(): void {
    void this.finish()
    this.handle?.release()
  }

  private get isSecure(): boolean {
    return isSecure(this.req, this.manager.engine.settings.proxy)
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

  /* Nothing that goes wrong with a session may keep a response from ending. */
  private commit(): boolean {
    const { handle } = this
    if (handle === undefined || this.isUnset) return false
    const { engine } = this.manager
    try {
      const result = handle.commit()
      if (engine.settings.saveUninitialized && handle.state?.version === 0) this.saveUninitialized(handle)
      if (result === 'changed') this.changed = true
      if (this.finished) engine.statistics.count(this.changed ? 'requestsWithChange' : 'requestsWithoutChange')
      return this.changed
    } catch (error) {
      engine.settings.logger.error(`a session could not be committed: ${String(error)}`)
      return false
    }
  }

  private saveUninitialized(handle: SessionHandle): void {
    const state = handle.ensureState()
    state.version = 1
    void this.manager.stored(state)
  }

  private unset(): Promise<unknown> | undefined {
    const { settings } = this.manager.engine
    const state = this.handle?.state
    if (state === undefined || settings.unset !== 'destroy') return undefined
    return within(this.manager.destroy(state), settings.operationTimeout * 2)
  }

  private async waitFor(work: Promise<unknown>, counter: 'backupTimeouts' | 'backPressureTimeouts'): Promise<void> {
    const { settings, statistics } = this.manager.engine
    const started = performance.now()
    if (!(await within(work, settings.backup.timeout))) statistics.count(counter)
    statistics.record('effectiveBackup', performance.now() - started)
  }

  private sendCookie(id: string): void {
    const { settings, log } = this.manager.engine
    const cookie = this.handle?.cookie
    if (cookie === undefined || this.res.headersSent || typeof this.res.setHeader !== 'function') return
    if (cookie.secure === true && !this.isSecure) {
      log.write(
        'insecure connection',
        'the session cookie is secure and the connection is not, so no cookie is sent; behind a proxy set "trust proxy" or the option proxy',
        (m) => settings.logger.warn(m),
      )
      return
    }
    const text = formatCookie(settings.name, id, cookie as CookieAttributes)
    const existing = this.res.getHeader('Set-Cookie')
    const list = existing === undefined ? [] : Array.isArray(existing) ? existing : [String(existing)]
    this.res.setHeader('Set-Cookie', [...list, text])
  }
}
