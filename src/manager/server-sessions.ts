import type { IncomingMessage } from 'node:http'
import type { Timer } from '../clock.js'
import type { Mode } from '../config/settings.js'
import { HttpStatusError, SessionGoneError, ShutDownError } from '../errors.js'
import { SessionState } from '../local/session-state.js'
import type { LockHold } from '../lock/session-locks.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { Attribute, AttributeRules, Guard } from '../session/attributes.js'
import { SessionId, type SessionTokens } from '../session-id/session-id.js'
import { SaveQueue, type SaveResult } from '../write-behind/save-queue.js'
import { Admission } from './admission.js'
import { SessionContent } from './content/session-content.js'
import { isEndDue, storedEnd } from './content/session-end.js'
import { SessionMerger } from './content/session-merger.js'
import type { ManagerContext } from './context/manager-context.js'
import { tellRefusal } from './context/refusals.js'
import { within } from './context/within.js'
import { NodeSet, type OpenNode } from './node-set.js'
import { NonStickyMode } from './non-sticky/non-sticky-mode.js'
import { RequestLocks } from './request-locks.js'
import { SessionDirectory } from './session-directory.js'
import type { CommitResult, SessionManager } from './session-manager.js'
import type { ManagerServices, Opened, SessionMode } from './session-mode.js'
import { StickyMode } from './sticky/sticky-mode.js'
import { PendingEnds } from './stored/pending-ends.js'
import { Protector } from './stored/protector.js'
import { RecordStore } from './stored/record-store.js'
import { SessionEnding } from './stored/session-ending.js'
import { SessionLines } from './stored/session-lines.js'
import { SessionRenewal } from './stored/session-renewal.js'

const HOUSEKEEPING_INTERVAL = 1000
/** How often word is exchanged with other servers, in rounds of housekeeping: what others have noticed is known that soon. */
const NOTES_EVERY = 15

/** Sessions looked at in one go: the event loop belongs to the requests. */
const MAX_VISITS = 2000

/** What could not be stored when a flush or a shutdown ended. */
export interface FlushReport {
  /** Sessions whose newest content no storage node has acknowledged. */
  unsaved: number
  /** Their handles, at most 100. */
  handles: string[]
  /** Ends of sessions that some storage node has not taken: there the session may come back. */
  unwrittenEnds: number
}

/** The sessions of this server, in whatever mode it is at the moment. */
export class ServerSessions implements SessionManager, ManagerServices {
  readonly context: ManagerContext
  readonly nodes: NodeSet
  readonly storage: RecordStore
  readonly lines = new SessionLines()
  readonly queue: SaveQueue
  readonly protector: Protector
  readonly content: SessionContent
  readonly merger: SessionMerger
  readonly pendingEnds: PendingEnds
  readonly ending: SessionEnding
  readonly renewal: SessionRenewal
  readonly locks: RequestLocks
  readonly directory: SessionDirectory
  private readonly admission: Admission
  private readonly modes: Record<Mode, SessionMode>
  private mode: SessionMode
  private housekeeping: Timer | undefined
  private closed = false
  private houseKept = 0
  /** What verified the ids of the sessions that this server knows. */
  private trusted: SessionTokens

  constructor(context: ManagerContext, openNode: OpenNode) {
    this.context = context
    this.trusted = context.tokens
    this.storage = new RecordStore(context)
    this.content = new SessionContent(context)
    this.merger = new SessionMerger(context, this.content)
    this.queue = new SaveQueue({
      clock: context.clock,
      random: context.random,
      save: (state, attempt) => this.save(state, attempt),
      concurrency: () => context.settings.backup.concurrency,
      maxPendingBytes: () => context.settings.backup.maxPendingBytes,
      delay: () => (this.mode.storesFirst ? 0 : context.settings.backup.delay),
      onRetry: () => context.statistics.count('backupRetries'),
    })
    this.protector = new Protector(context, this.storage, this.queue, this.merger, this.lines)
    this.pendingEnds = new PendingEnds(context, (node, tombstone) => this.ending.writeLate(node, tombstone))
    this.ending = new SessionEnding(context, this.storage, this.queue, this.protector, this.pendingEnds)
    this.renewal = new SessionRenewal(this)
    this.nodes = new NodeSet(context, openNode, this)
    context.notes.onEnded = () => void this.endOldOnes()
    this.modes = { sticky: new StickyMode(this), 'non-sticky': new NonStickyMode(this) }
    this.mode = this.modes[context.settings.mode]
    this.locks = new RequestLocks(context)
    this.directory = new SessionDirectory(this)
    this.admission = new Admission(context)
  }

  /** Opens the nodes and starts the background work. */
  start(): void {
    this.nodes.apply()
    this.context.local.startSweeping((state) => this.mode.expired(state))
    this.housekeeping = this.context.clock.setInterval(() => this.keepHouse(), HOUSEKEEPING_INTERVAL)
    this.housekeeping.unref()
  }

  /** The mode in force. */
  get currentMode(): SessionMode {
    return this.mode
  }

  get isClosed(): boolean {
    return this.closed
  }

  get rules(): AttributeRules {
    return this.context.rules
  }

  get storesFirst(): boolean {
    return this.mode.storesFirst
  }

  get storeTimeout(): number {
    return this.mode.storeTimeout
  }

  open(id: SessionId, fresh?: boolean): Opened {
    const { notes, settings } = this.context
    if (!notes.isKnown && settings.enabled) return notes.exchange().then(() => this.openKnowing(id, fresh))
    return this.openKnowing(id, fresh)
  }

  async openShared(token: string): Promise<SessionState | undefined> {
    if (!this.context.notes.isKnown) await this.context.notes.exchange()
    const state = this.unlessEnded(await this.mode.openShared(token))
    return state ?? (this.isLate(token) ? this.openShared(this.context.tokens.successorOf(token)) : undefined)
  }

  /** Ends every session that was created before, on all servers, also those that no server has in its memory. @returns whether all nodes have that. */
  endAllBefore(time: number): Promise<boolean> {
    return this.context.notes.endBefore(time)
  }

  create(req: IncomingMessage | undefined, isNewcomer = false): SessionState {
    const { settings, tokens } = this.context
    const text = settings.genid === undefined ? undefined : settings.genid(req as IncomingMessage)
    const token = tokens.issue(text)
    /* Two visitors would have one session. */
    if (text !== undefined && (this.context.local.get(token) ?? this.mode.known?.get(token)) !== undefined) {
      throw new TypeError(
        'genid gave a text again that is the id of a session already; it has to give another one each time',
      )
    }
    const state = this.createAs(token)
    if (isNewcomer) this.content.noteNewcomer(state)
    return state
  }

  createAs(token: string): SessionState {
    const { settings, clock, placement, notes } = this.context
    const now = clock.now()
    const times = { createdAt: now, accessedAt: now, idleTimeout: settings.idleTimeout }
    const absoluteDeadline = storedEnd(this.context, times, now)
    const state = new SessionState(token, this.mode.route, { ...times, absoluteDeadline }, notes.era)
    const node = settings.enabled ? placement.choose(token) : undefined
    if (node !== undefined) state.settle(node)
    return state
  }

  admit(state: SessionState): void {
    if (state.phase !== 'new') return
    this.checkAdmission(state)
    const { local, statistics, events, clock } = this.context
    state.admit(clock.now())
    local.add(state)
    statistics.count('sessionsCreated')
    events.emitSession('created', state)
  }

  use(state: SessionState): SessionState {
    return this.mode.use(this.renewal.here(state) ?? state)
  }

  commit(
    state: SessionState,
    handedOut: readonly Attribute[],
    cookie = state.cookie,
    guard?: Guard,
    onUnserializable?: (error: Error) => void,
  ): CommitResult {
    if (this.unlessEnded(state) === undefined || state.phase === 'ended') {
      if (this.content.commit(state, handedOut)) this.reportLost(state)
      return 'ended'
    }
    const newCookie = this.content.setCookie(state, cookie)
    if (!this.content.commit(state, handedOut, guard, onUnserializable) && (!newCookie || state.phase === 'new'))
      return 'unchanged'
    if (state.phase === 'new') this.admit(state)
    if (this.closed) this.reportLate(state)
    else if (this.renewal.handOn(state)) return 'changed'
    else if (this.context.settings.enabled) this.queue.add(state)
    return 'changed'
  }

  initialize(state: SessionState): void {
    this.content.initialize(state)
  }

  touch(state: SessionState): void {
    const { settings, clock } = this.context
    const now = clock.now()
    if (state.phase === 'live' && state.expiresAt <= now) {
      this.mode.expired(state)
      return
    }
    state.use(now)
    if (state.phase === 'live' && settings.enabled) this.mode.touch(state)
  }

  setDeadline(state: SessionState, deadline: number | undefined): void {
    const news = this.content.setDeadline(state, deadline)
    if (news && state.phase === 'live' && this.context.settings.enabled) this.queue.add(state)
  }

  cameBack(state: SessionState): void {
    if (state.phase !== 'live' || !this.content.isNewcomer(state)) return
    const shared = this.mode.use(state)
    this.content.keep(shared)
    if (this.context.settings.enabled) this.queue.add(shared)
  }

  count(state: SessionState, usedAt: number): void {
    if (state.phase !== 'live' || state.isBlank || !isEndDue(this.context, state, usedAt)) return
    const shared = this.mode.use(state)
    if (shared.phase !== 'live' || !isEndDue(this.context, shared, usedAt)) return
    this.content.moveEnd(shared, usedAt)
    if (this.context.settings.enabled) this.queue.add(shared)
  }

  expire(state: SessionState): void {
    if (state.phase === 'live') this.ending.expire(state)
  }

  async stored(given: SessionState): Promise<boolean> {
    const state = this.renewal.here(given) ?? given
    if (!this.context.settings.enabled || state.phase === 'new' || state.isBlank) return true
    if (!isKept(state) && !this.queue.has(state)) this.queue.add(state)
    await this.queue.settled(state)
    if (state.phase === 'renewed' && this.renewal.here(state) !== undefined) return this.stored(state)
    return isKept(state)
  }

  isStored(given: SessionState): boolean {
    const state = this.renewal.here(given) ?? given
    if (state.phase === 'new' || state.phase === 'ended' || state.isBlank) return true
    return isKept(state) && !(this.mode.hasFurtherCopies && this.queue.has(state))
  }

  get hasRoom(): boolean {
    return this.queue.hasRoom
  }

  room(): Promise<void> {
    return this.queue.room()
  }

  release(state: SessionState, isRequest = true): void {
    state.leave(isRequest)
    if (state.activeRequests === 0) this.mode.becameIdle(state)
  }

  destroy(state: SessionState, isReplaced = false): Promise<boolean> {
    return this.mode.destroy(state, isReplaced)
  }

  isRenewalDue(state: SessionState): boolean {
    return this.renewal.isDue(state)
  }

  async renew(state: SessionState): Promise<SessionState> {
    if (!state.isLetGo) return this.renewal.renew(this.mode.use(state))
    const renewed = await this.renewal.follow(state)
    return renewed ?? this.renewal.renew(this.mode.use(await this.mode.refresh(state)))
  }

  async replace(state: SessionState, successor: SessionState): Promise<void> {
    const values = state.attributes.memoryOnlyValues()
    const section = await this.mode.replace(state)
    if (section === undefined) return
    successor.inherit(section, this.context.stamp(successor.idleTimeout), this.context.owner)
    for (const [name, value] of values) if (!successor.attributes.has(name)) successor.attributes.set(name, value)
  }

  reload(state: SessionState): Promise<SessionState> {
    return this.following(state, (current) => this.mode.reload(current))
  }

  needsLock(method: string | undefined, url: string): boolean {
    return this.context.settings.locking.mode !== 'none' && this.locks.policy.needsLock(method, url)
  }

  lock(id: SessionId): Promise<LockHold | undefined> {
    return this.locks.take(id)
  }

  learn(method: string | undefined, url: string, wrote: boolean): void {
    this.locks.policy.learn(method, url, wrote)
  }

  refresh(state: SessionState): Promise<SessionState> {
    return this.following(state, (current) => this.mode.refresh(current))
  }

  /** Tries to store everything that is pending, for at most `timeout` milliseconds. */
  async flush(timeout: number): Promise<FlushReport> {
    this.protector.unparkAll()
    await within(this.context.clock, Promise.all([this.queue.idle(), this.pendingEnds.flush()]), timeout)
    return this.report()
  }

  /** Stores what is pending, for at most `timeout` milliseconds, and stops everything. */
  async close(timeout: number): Promise<FlushReport> {
    const report = await this.flush(timeout)
    this.closed = true
    this.context.clock.clearInterval(this.housekeeping)
    this.locks.close()
    this.mode.stop()
    this.queue.close()
    this.protector.close()
    this.pendingEnds.close()
    this.context.notes.close()
    this.context.local.close()
    await this.nodes.close()
    return report
  }

  /** To be called after the settings were replaced. */
  settingsChanged(wasEnabled: boolean): void {
    const { settings, tokens } = this.context
    if (tokens !== this.trusted) void this.forgetUnsigned(tokens)
    const mode = this.modes[settings.mode]
    if (mode !== this.mode) {
      this.mode.stop()
      this.mode = mode
      mode.enter()
    }
    this.nodes.apply()
    if (!wasEnabled && settings.enabled) this.protector.protectAll()
  }

  figures() {
    return {
      activeSessions: this.context.local.size,
      pendingBackups: this.queue.size,
      pendingBytes: this.queue.pendingBytes,
      oldestPendingAge: this.queue.oldestAge,
      unprotectedSessions: this.protector.unprotected,
      lockWaiters: this.locks.waiting,
      locksHeld: this.locks.held,
      underReplicatedSessions: this.mode.underReplicated,
      knownSessions: this.mode.known?.size ?? 0,
      protecting: this.protector.isBusy || this.mode.isBusy,
    }
  }

  /** Sessions whose copies are, or belong, on each node; as far as this server knows. In non-sticky mode it walks what is remembered. */
  sessionsByNode(): ReadonlyMap<WatchedNode, number> {
    return this.mode.sessionsByNode()
  }

  private checkAdmission(state: SessionState): void {
    try {
      this.mode.checkAdmission()
      this.admission.check(this.mode.held, this.content.isFirstVisit(state))
    } catch (error) {
      if (error instanceof HttpStatusError) tellRefusal(this.context, error)
      throw error
    }
  }

  private openKnowing(id: SessionId, fresh: boolean | undefined): Opened {
    if (this.isLate(id.token)) return this.openRenewed(id, fresh)
    const opened = this.mode.open(id, fresh)
    if (opened instanceof Promise) return opened.then((state) => this.unlessEnded(state) ?? this.openRenewed(id, fresh))
    return this.unlessEnded(opened) ?? this.openRenewed(id, fresh)
  }

  /* Whoever comes with an id that was renewed a moment ago gets the session that it goes on as. */
  private openRenewed({ token }: SessionId, fresh: boolean | undefined): Opened {
    if (!this.isLate(token)) return undefined
    const next = this.context.tokens.successorOf(token)
    const opened = this.openKnowing(new SessionId(next, undefined, this.mode.route), fresh)
    const unlessReplaced = (state: SessionState | undefined) => state ?? this.ending.alsoReplaced(token, next)
    return opened instanceof Promise ? opened.then(unlessReplaced) : unlessReplaced(opened)
  }

  private isLate(token: string): boolean {
    const { renewed, clock } = this.context
    return !renewed.isEmpty && renewed.has(token, clock.now())
  }

  /** What is done with a session, or with what it goes on as when it turns out to have been renewed. @throws SessionGoneError */
  private async following(
    state: SessionState,
    work: (state: SessionState) => Promise<SessionState>,
  ): Promise<SessionState> {
    try {
      if (!state.isLetGo) return await work(state)
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error
      const next = await this.renewal.follow(state)
      if (next === undefined) throw error
      return next
    }
    const next = await this.renewal.follow(state)
    if (next !== undefined) return next
    if (state.phase === 'renewed') throw new SessionGoneError()
    return work(state)
  }

  private unlessEnded(state: SessionState | undefined): SessionState | undefined {
    if (state === undefined || !this.context.notes.hasEnded(state.createdAt)) return state
    this.ending.endedAltogether(state)
    return undefined
  }

  /* Ids under a secret that was taken out lead nowhere any more, here as on servers that start now. */
  private async forgetUnsigned(tokens: SessionTokens): Promise<void> {
    this.trusted = tokens
    let visits = 0
    for (const state of this.context.local.values()) {
      if (!tokens.verify(state.token)) this.ending.forget(state)
      if (++visits % MAX_VISITS === 0) await this.breathe()
    }
    for (const { token } of this.mode.known?.values() ?? []) {
      if (!tokens.verify(token)) this.mode.known?.delete(token)
      if (++visits % MAX_VISITS === 0) await this.breathe()
    }
  }

  private async endOldOnes(): Promise<void> {
    let visits = 0
    for (const state of this.context.local.values()) {
      this.unlessEnded(state)
      if (++visits % MAX_VISITS === 0) await this.breathe()
    }
  }

  /** Lets the requests that wait come first. */
  private breathe(): Promise<void> {
    return new Promise((resolve) => this.context.clock.defer(resolve))
  }

  private async save(state: SessionState, attempt: number): Promise<SaveResult> {
    const { statistics, settings } = this.context
    const started = this.context.clock.monotonic()
    const result = await this.lines.run(state, () => this.mode.save(state, attempt))
    if (result === 'done') statistics.record('backup', this.context.clock.monotonic() - started)
    if (result === 'parked' && state.phase !== 'ended' && settings.enabled) this.protector.park(state)
    return result
  }

  private keepHouse(): void {
    this.houseKept++
    if (this.houseKept % NOTES_EVERY === 0) void this.context.notes.exchange()
    const draining = this.nodes.draining
    if (draining.length === 0 || this.protector.isBusy || this.mode.isBusy) return
    const inUse = this.mode.nodesInUse()
    /* With other nodes another number of copies is complete. */
    if (this.nodes.retire((node) => !inUse.has(node))) this.mode.reprotect()
    for (const node of draining) if (inUse.has(node)) this.mode.evacuate(node)
  }

  private reportLost(state: SessionState): void {
    const { events, statistics, log, settings } = this.context
    const error = new SessionGoneError()
    statistics.count('changesLost')
    events.emitSession('changeLost', state, { error })
    const message = `session ${state.handle} was changed by a request that was not over when it ended: the change leads nowhere`
    log.write('change lost', message, (m) => settings.logger.warn(m))
  }

  private reportLate(state: SessionState): void {
    const { events, settings, statistics } = this.context
    const error = new ShutDownError()
    statistics.count('backupFailures')
    events.emitSession('backupFailed', state, { node: undefined, error })
    settings.logger.error(`session ${state.handle} was changed after the shutdown, and the change is not stored`)
  }

  private async report(): Promise<FlushReport> {
    const handles: string[] = []
    let unsaved = 0
    const unwrittenEnds = this.pendingEnds.size
    if (!this.context.settings.enabled) return { unsaved, handles, unwrittenEnds }
    let visits = 0
    for (const state of this.context.local.values()) {
      if (++visits % MAX_VISITS === 0) await this.breathe()
      if (state.isSaved || state.isBlank) continue
      unsaved++
      if (handles.length < 100) handles.push(state.handle)
    }
    return { unsaved, handles, unwrittenEnds }
  }
}

/* A copy that was let go has handed its changes to whoever owns the session now. */
function isKept(state: SessionState): boolean {
  return state.isLetGo ? state.isHandedOver : state.isSaved
}
