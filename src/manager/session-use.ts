import type { IncomingMessage } from 'node:http'
import {
  EndNotStoredError,
  HttpStatusError,
  LockLostError,
  SessionGoneError,
  ShutDownError,
  UnstorableError,
} from '../errors.js'
import { LockedChanges } from '../local/locked-changes.js'
import type { SessionState } from '../local/session-state.js'
import type { LockHold } from '../lock/session-locks.js'
import type { Attribute, AttributeRules, Attributes } from '../session/attributes.js'
import {
  createSession,
  type DestroyOptions,
  type RegenerateOptions,
  type Session,
  type SessionHost,
} from '../session/session.js'
import { type CookieAttributes, SessionCookie } from '../session/session-cookie.js'
import { endSeen } from './content/session-end.js'
import { tellRefusal } from './context/refusals.js'
import { within } from './context/within.js'
import type { CommitResult, SessionManager } from './session-manager.js'

/** What the use of a session tells the request that it belongs to. */
export interface SessionUseScope {
  readonly req: IncomingMessage
  /** The cookie settings that apply to this request. */
  readonly cookieDefaults: CookieAttributes
  /** The session is used for the first time in this request. */
  onUse(handle: SessionUse): void
  /** The session is changed, or something was handed out that can be changed inside. */
  onPossibleChange(): void
  /** The session's cookie settings were looked at, and may be changed. */
  onCookieUse(): void
  /** The session is locked, and has to be unlocked when the response ends. */
  onLock(): void
  /** The request is not to count as a use of its session. @throws TypeError when that is not told apart. */
  leaveOut?(): void
  readonly isPassive?: boolean
  /** The visitor came without a session. */
  readonly isNewcomer?: boolean
  /** Whether the visitor can still be told another id. */
  readonly canTellId?: boolean
  /** Ends what else the request's cookies lead to; never rejects. @returns whether every node has taken it. */
  endOthers?(): Promise<boolean>
  /** The request has another session now, or none. */
  onReplace(handle: SessionUse | undefined): void
}

const none: Attribute[] = []
/** From so many on, what was handed out is looked up in a set. */
const MANY = 16
/* `locking.onTimeout: proceed`: what is changed is merged, as without locks. */
const withoutLock: LockHold = { signal: new AbortController().signal, release: () => Promise.resolve() }

/** One request's or job's use of a session: remembers which attributes it was handed, and commits their changes. */
export class SessionUse implements SessionHost {
  /** `undefined`: there is no session yet. */
  state: SessionState | undefined
  readonly session: Session
  private readonly manager: SessionManager
  private readonly scope: SessionUseScope | undefined
  private handedOut: Attribute[] = none
  /** What was handed out of copies that were let go, as the session has been renewed since. */
  private earlier: { state: SessionState; handedOut: Attribute[] }[] | undefined
  private manyHandedOut: { list: Attribute[]; known: Set<Attribute> } | undefined
  private ownCookie: SessionCookie | undefined
  /** The session's cookie settings when this handle looked at them: what is the same since is not its to write. */
  private cookieSeen = ''
  /** Counted among the session's active requests. */
  private counted = false
  /** Counted as a request, and not as a job that has changed the session. */
  private countedAsRequest = true
  private cookieSettingsChanged = false
  private over: boolean
  private hasChanged = false
  private unserializable: Error | undefined
  /** The session's lock, while this request or job has it. */
  locked: LockHold | undefined
  /** Under way, when the cookie's age has ended the session. */
  ending: Promise<unknown> | undefined
  /** How many of the application's calls want it. */
  private lockUses = 0
  /** What is changed while this request or job has the lock. */
  private lockedChanges: LockedChanges | undefined

  constructor(manager: SessionManager, state: SessionState | undefined, scope: SessionUseScope | undefined) {
    this.manager = manager
    this.state = state
    this.scope = scope
    this.over = scope === undefined
    this.session = createSession(this)
  }

  get id(): string {
    return this.ensureState().id
  }

  get req(): unknown {
    return this.scope?.req
  }

  get expiresAt(): Date | undefined {
    if (this.state === undefined) return undefined
    const end = endSeen(this.manager.context, this.state, this.scope?.isPassive !== false)
    return Number.isFinite(end) ? new Date(end) : undefined
  }

  passive(): void {
    this.scope?.leaveOut?.()
  }

  get rules(): AttributeRules {
    return this.manager.rules
  }

  get cookie(): SessionCookie {
    if (this.ownCookie === undefined) {
      const defaults = this.scope?.cookieDefaults ?? this.manager.context.settings.cookie
      this.cookieSeen = this.state?.cookie ?? ''
      this.ownCookie = new SessionCookie(defaults, this.cookieSeen)
      if (!this.counted) this.use()
      this.scope?.onCookieUse()
    }
    return this.ownCookie
  }

  /** Whether the browser should be told of other cookie settings than the session had. */
  get cookieChanged(): boolean {
    return this.cookieSettingsChanged
  }

  attributesToRead(): Attributes | undefined {
    if (!this.counted) this.use()
    return this.state?.attributes
  }

  attributesToWrite(): Attributes {
    if (this.manager.isClosed) throw new ShutDownError()
    const state = this.ensureState()
    if (state.phase === 'new') this.manager.admit(state)
    if (this.over) this.hold(state)
    else if (!this.counted) this.use()
    this.scope?.onPossibleChange()
    return this.ensureState().attributes
  }

  changing(name: string): void {
    this.lockedChanges?.touched.add(name)
  }

  handOut(attribute: Attribute): void {
    this.scope?.onPossibleChange()
    if (this.handedOut === none) this.handedOut = [attribute]
    else if (!this.wasHandedOut(attribute)) this.handedOut.push(attribute)
  }

  /* Of many, a set knows sooner. */
  private wasHandedOut(attribute: Attribute): boolean {
    const { handedOut } = this
    if (handedOut.length < MANY) return handedOut.includes(attribute)
    if (this.manyHandedOut?.list !== handedOut) this.manyHandedOut = { list: handedOut, known: new Set(handedOut) }
    const { known } = this.manyHandedOut
    if (known.has(attribute)) return true
    known.add(attribute)
    return false
  }

  unreadable(attribute: Attribute, error: unknown): void {
    const { context } = this.manager
    const { log, settings, statistics, events } = context
    statistics.count('unreadableRecords')
    const reason = error instanceof Error ? error : new Error(String(error))
    if (this.state !== undefined)
      events.emitSession('attributeFailed', this.state, { attribute: attribute.name, error: reason })
    log.write(
      'unreadable attribute',
      `attribute ${JSON.stringify(attribute.name)} can't be read: ${reason.message}`,
      (m) => settings.logger.error(m),
    )
  }

  /** Takes what this request changed as the session's content. */
  commit(): CommitResult {
    const { state } = this
    if (state === undefined) return 'unchanged'
    const cookie = this.newCookieSettings(state)
    if (cookie !== undefined && this.isOutOfAge) {
      this.ending ??= this.manager.destroy(state)
      return 'ended'
    }
    for (const before of this.earlier ?? []) this.manager.commit(before.state, before.handedOut)
    const result = this.manager.commit(state, this.handedOut, cookie, this.lockedChanges, (error) => {
      this.unserializable = error
    })
    if (result === 'changed') this.hasChanged = true
    return result
  }

  /** Why something that was changed by this handle can't be stored at all; `undefined`: nothing is known of the kind. */
  get unstorable(): UnstorableError | undefined {
    const reason = this.unserializable ?? (this.hasChanged ? this.state?.unstorable : undefined)
    const isToFail = this.manager.context.settings.backup.onUnstorable === 'fail'
    return reason !== undefined && isToFail ? new UnstorableError(reason) : undefined
  }

  /** Whether the application has given the cookie an end that is not in the future: that ends the session. */
  get isOutOfAge(): boolean {
    const age = this.ownCookie?.originalMaxAge
    return typeof age === 'number' && age <= 0
  }

  async save(): Promise<void> {
    const state = this.ensureState()
    if (state.phase === 'new') this.manager.admit(state)
    if (this.commit() === 'changed' && this.manager.isClosed) throw new ShutDownError()
    if (this.ending !== undefined) return void (await this.ending)
    /* Whoever saves a session that has nothing in it wants it to be there. */
    this.manager.initialize(state)
    if (this.over) this.uncount()
    const { statistics } = this.manager.context
    if (!(await within(this.manager.context.clock, this.manager.stored(state), this.manager.storeTimeout)))
      statistics.count('backupTimeouts')
    if (this.over && state.activeRequests === 0) state.attributes.compact()
    if (state.phase === 'lost' && this.state === state) this.follow(this.manager.context.local.get(state.token))
    const error = this.refusal ?? this.unstorable
    if (error !== undefined) throw error
  }

  /** Why nothing of what was changed under the lock counts; `undefined`: all of it does, as far as is known. */
  get refusal(): LockLostError | undefined {
    if (this.lockedChanges?.isRefused !== true) return undefined
    return new LockLostError('the session was changed by somebody else while this request had its lock')
  }

  async reload(): Promise<void> {
    const { state } = this
    /* Nobody has it anywhere: what was put in so far stays. */
    if (state === undefined || state.isBlank) throw new SessionGoneError()
    /* The changes of others are not ours to drop. */
    if (state.activeRequests > (this.counted ? 1 : 0)) this.manager.commit(state, none)
    const current = await this.manager.reload(state)
    this.follow(current)
    this.scope?.onReplace(this)
  }

  async destroy({ durable }: DestroyOptions): Promise<void> {
    const { state } = this
    this.scope?.onReplace(undefined)
    if (state === undefined) return
    const areDurable = await Promise.all([this.manager.destroy(state), this.scope?.endOthers?.()])
    if (areDurable.includes(false) && durable === true) throw this.refused(new EndNotStoredError())
  }

  async regenerate(options: RegenerateOptions): Promise<void> {
    const old = this.state
    const next = new SessionUse(this.manager, undefined, this.scope)
    next.over = this.over
    /* Outside of a request nobody takes the new session object: this one goes on with the new session. */
    if (this.scope === undefined) next.ensureState()
    const ends = this.scope?.endOthers?.()
    if (options.keep === true && old !== undefined) await this.handOnTo(next, old)
    else if (old !== undefined) await this.manager.destroy(old, true)
    await ends
    if (this.scope === undefined) this.follow(next.state)
    else this.scope.onReplace(next)
    if (options.keep === true) await next.save()
  }

  async renewId(): Promise<void> {
    const { state } = this
    if (this.scope?.canTellId !== true)
      throw new TypeError('session.renewId() needs a request whose response has not begun: it has to tell the new id')
    if (state === undefined) return
    this.commit()
    const next = await this.manager.renew(state)
    if (next === state) return
    const earlier = [...(this.earlier ?? []), { state, handedOut: this.handedOut }]
    this.follow(next)
    this.earlier = earlier
    this.scope.onReplace(this)
  }

  /** The request goes on with a new session; this one stays as it is. @throws TooManySessionsError */
  leave(): void {
    this.scope?.onReplace(new SessionUse(this.manager, undefined, this.scope))
  }

  async lock(): Promise<LockHold> {
    this.lockUses++
    try {
      if (this.locked === undefined) await this.takeLock()
    } catch (error) {
      this.lockUses--
      throw error
    }
    return this.lockUse()
  }

  /** The request has the lock from its beginning to its end. */
  keepLock(hold: LockHold): void {
    this.locked = hold
    this.lockUses++
    this.guard()
  }

  async unlock(): Promise<void> {
    const hold = this.locked
    if (hold === undefined) return
    this.lockUses = 0
    await this.letGoOf(hold)
  }

  touch(): void {
    const { state } = this
    if (state !== undefined) {
      this.manager.touch(state)
      if (this.manager.context.settings.activity !== undefined)
        this.manager.count(state, this.manager.context.clock.now())
    }
    this.cookie.resetMaxAge()
  }

  /** The session, made when there was none. It is not admitted by this. */
  ensureState(): SessionState {
    if (this.state === undefined) {
      this.state = this.manager.create(this.scope?.req, this.scope?.isNewcomer)
      if (this.counted) this.state.enter(this.countedAsRequest)
    }
    return this.state
  }

  /** The request is over. */
  release(): void {
    this.uncount()
    this.over = true
  }

  private async takeLock(): Promise<void> {
    const state = this.ensureState()
    const hold = await this.manager.lock(state.sessionId).catch((error) => {
      throw this.refused(error)
    })
    this.locked = hold ?? withoutLock
    this.scope?.onLock()
    try {
      const current = await this.manager.refresh(state)
      if (current !== this.state) this.follow(current)
      if (hold !== undefined) this.guard()
    } catch (error) {
      this.locked = undefined
      await hold?.release()
      throw error
    }
  }

  /* What was changed under the lock is stored before others get it. */
  private lockUse(): LockHold {
    const hold = this.locked as LockHold
    let released = false
    const release = async () => {
      if (released) return
      released = true
      this.lockUses--
      if (this.lockUses > 0 || this.locked !== hold) return
      await this.letGoOf(hold)
    }
    return { signal: hold.signal, release }
  }

  /** The request is over: the next one gets the lock when what this one has changed can be read. Never rejects. */
  async endLock(): Promise<void> {
    const hold = this.locked
    if (hold === undefined) return
    const { state } = this
    if (state?.phase === 'live') await this.manager.stored(state)
    this.unguard()
    await hold.release()
  }

  private async letGoOf(hold: LockHold): Promise<void> {
    try {
      if (this.state?.phase === 'live') await this.save()
    } finally {
      this.locked = undefined
      this.unguard()
      await hold.release()
    }
  }

  /* What is changed from now on is checked against what was read under the lock. */
  private guard(): void {
    this.unguard()
    const { state } = this
    if (state === undefined) return
    this.lockedChanges = new LockedChanges(state.section)
    state.guard(this.lockedChanges)
  }

  private unguard(): void {
    if (this.lockedChanges !== undefined) this.state?.unguard(this.lockedChanges)
    this.lockedChanges = undefined
  }

  private use(): void {
    if (this.over) return
    this.counted = true
    this.countedAsRequest = true
    if (this.state !== undefined) {
      const used = this.state
      this.state = this.manager.use(used)
      this.state.enter()
      if (this.lockedChanges !== undefined && used !== this.state) {
        used.unguard(this.lockedChanges)
        this.guard()
      }
    }
    this.scope?.onUse(this)
  }

  /* What was changed outside of a request counts as use until it is saved: nobody else's reload drops it. */
  private hold(state: SessionState): void {
    if (this.counted) return
    this.counted = true
    this.countedAsRequest = false
    state.enter(false)
  }

  private newCookieSettings(state: SessionState): string | undefined {
    const cookie = this.ownCookie?.overrides()
    if (cookie === undefined || cookie === this.cookieSeen) return undefined
    this.cookieSeen = cookie
    if (cookie !== state.cookie) this.cookieSettingsChanged = true
    return cookie
  }

  private follow(state: SessionState | undefined): void {
    if (state === undefined) return
    const isGuarded = this.lockedChanges !== undefined
    this.unguard()
    this.uncount()
    this.handedOut = none
    this.earlier = undefined
    this.ownCookie = undefined
    this.state = state
    if (isGuarded) this.guard()
  }

  private uncount(): void {
    if (!this.counted) return
    this.counted = false
    if (this.state !== undefined) this.manager.release(this.state, this.countedAsRequest)
  }

  /* What the application does not catch becomes the answer. */
  private refused<T>(error: T): T {
    if (error instanceof HttpStatusError) tellRefusal(this.manager.context, error)
    return error
  }

  /* Nothing ends before it is sure that the new session can begin. */
  private async handOnTo(next: SessionUse, old: SessionState): Promise<void> {
    next.attributesToWrite()
    this.commit()
    await this.manager.replace(old, next.ensureState())
  }
}
