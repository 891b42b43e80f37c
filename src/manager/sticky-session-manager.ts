import type { IncomingMessage } from 'node:http'
import { SessionGoneError, StorageUnavailableError, TooManySessionsError } from '../errors.js'
import { SessionState } from '../local/session-state.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { Attribute, AttributeRules } from '../session/attributes.js'
import { parseSessionId, sameRoute, tokenOf } from '../session-id/session-id.js'
import { SaveQueue } from '../write-behind/save-queue.js'
import type { Engine } from './engine.js'
import { NodeSet, type OpenNode } from './node-set.js'
import { Protector } from './protector.js'
import { SessionContent } from './session-content.js'
import { SessionEnding } from './session-ending.js'
import { SessionLoader } from './session-loader.js'
import type { CommitResult, SessionManager } from './session-manager.js'
import { SessionSaver } from './session-saver.js'
import { SessionStorage } from './session-storage.js'
import { within } from './within.js'

/** Milliseconds before a verification that came to nothing is tried again. */
const VERIFY_AGAIN_AFTER = 1000
const HOUSEKEEPING_INTERVAL = 1000

/** What could not be stored when a flush or a shutdown ended. */
export interface FlushReport {
  /** Sessions whose newest content no storage node has acknowledged. */
  unsaved: number
  /** Their handles, at most 100. */
  handles: string[]
}

/**
 * Sticky mode: the live session is in this server's memory, its backup in a storage node. Requests of a trusted
 * session cost no storage operation; the rest of the work happens beside them.
 */
export class StickySessionManager implements SessionManager {
  readonly engine: Engine
  readonly nodes: NodeSet
  private readonly storage: SessionStorage
  private readonly saver: SessionSaver
  private readonly loader: SessionLoader
  private readonly queue: SaveQueue
  private readonly protector: Protector
  private readonly content: SessionContent
  private readonly ending: SessionEnding
  private housekeeping: NodeJS.Timeout | undefined
  private closed = false

  constructor(engine: Engine, openNode: OpenNode) {
    this.engine = engine
    this.storage = new SessionStorage(engine)
    this.content = new SessionContent(engine)
    this.saver = new SessionSaver(engine, this.storage, {
      endedElsewhere: (state) => this.ending.endedElsewhere(state),
      ownedElsewhere: (state, owner) => this.ending.ownedElsewhere(state, owner),
      needsSaving: (state) => this.queue.add(state),
      commit: (state) => void this.content.commit(state, []),
    })
    this.loader = new SessionLoader(engine, this.storage, this.saver)
    this.queue = new SaveQueue({
      clock: engine.clock,
      save: (state, attempt) => this.save(state, attempt),
      concurrency: () => engine.settings.backup.concurrency,
      maxPendingBytes: () => engine.settings.backup.maxPendingBytes,
      delay: () => engine.settings.backup.delay,
      onRetry: () => engine.statistics.count('backupRetries'),
    })
    this.protector = new Protector(engine, this.storage, this.queue)
    this.ending = new SessionEnding(engine, this.storage, this.queue, this.protector)
    this.nodes = new NodeSet(engine, openNode, {
      leave: (node) => this.protector.evacuate(node),
      returned: (node) => this.nodeReturned(node),
      emptied: (node) => this.protector.refill(node),
    })
  }

  /** Opens the nodes and starts the background work. */
  start(): void {
    this.nodes.apply()
    this.engine.local.startSweeping((state) => this.ending.expire(state))
    this.housekeeping = setInterval(() => this.keepHouse(), HOUSEKEEPING_INTERVAL)
    this.housekeeping.unref()
  }

  get isClosed(): boolean {
    return this.closed
  }

  get rules(): AttributeRules {
    return this.engine.rules
  }

  open(id: string): SessionState | undefined | Promise<SessionState | undefined> {
    const { local, clock } = this.engine
    const state = local.get(tokenOf(id))
    if (state === undefined) return this.openElsewhere(id)
    const now = clock.now()
    if (state.expiresAt <= now) {
      this.ending.expire(state)
      return undefined
    }
    const { settings } = this.engine
    const { node } = state
    state.accessedAt = now
    if (!settings.enabled) return this.hit(state)
    /* Another route in our id: another server has had the session since, and may have stored it anywhere. */
    if (id !== state.id && !sameRoute(id, state.id)) return this.openForeign(state, id)
    if (node === undefined || !node.isUsable) return this.openWithoutNode(state)
    const trusted = now - state.verifiedAt < settings.trustFor || state.savedVersion === 0
    if (!trusted) return this.openAfterVerification(state, id)
    if (this.needsTouch(state, now)) this.queue.add(state)
    return this.hit(state)
  }

  async openShared(token: string): Promise<SessionState | undefined> {
    const { local, clock, settings } = this.engine
    const state = local.get(token)
    if (state === undefined) return this.openElsewhere(token)
    const now = clock.now()
    if (state.expiresAt <= now) {
      this.ending.expire(state)
      return undefined
    }
    state.accessedAt = now
    if (!settings.enabled) return this.hit(state)
    if (this.needsTouch(state, now)) this.queue.add(state)
    return this.openForeign(state, token)
  }

  create(req: IncomingMessage | undefined): SessionState {
    const { settings, tokens } = this.engine
    const text = settings.genid === undefined ? undefined : settings.genid(req as IncomingMessage)
    return this.createAs(tokens.issue(text))
  }

  createAs(token: string): SessionState {
    const { settings, clock, placement } = this.engine
    const now = clock.now()
    const state = new SessionState(token, settings.route, {
      createdAt: now,
      accessedAt: now,
      idleTimeout: settings.idleTimeout,
      absoluteDeadline: settings.absoluteTimeout === 0 ? 0 : now + settings.absoluteTimeout,
    })
    if (settings.enabled) state.node = placement.choose(state.token)
    return state
  }

  admit(state: SessionState): void {
    if (state.phase !== 'new') return
    const { settings, local, statistics, events } = this.engine
    if (settings.maxActiveSessions > 0 && local.size >= settings.maxActiveSessions) {
      statistics.count('sessionsRejected')
      throw new TooManySessionsError(settings.maxActiveSessions)
    }
    state.phase = 'live'
    state.verifiedAt = this.engine.clock.now()
    local.add(state)
    statistics.count('sessionsCreated')
    events.emitSession('created', state)
  }

  commit(state: SessionState, handedOut: readonly Attribute[], cookie = state.cookie): CommitResult {
    if (state.phase === 'ended') return 'ended'
    const newCookie = this.content.setCookie(state, cookie)
    if (!this.content.commit(state, handedOut) && (!newCookie || state.phase === 'new')) return 'unchanged'
    if (state.phase === 'new') this.admit(state)
    if (this.engine.settings.enabled) this.queue.add(state)
    return 'changed'
  }

  touch(state: SessionState): void {
    const { settings, clock } = this.engine
    const now = clock.now()
    if (state.phase === 'live' && state.expiresAt <= now) {
      this.ending.expire(state)
      return
    }
    state.accessedAt = now
    if (state.phase !== 'live' || !settings.enabled) return
    const trusted = now - state.verifiedAt < settings.trustFor || state.savedVersion === 0
    if (!trusted || this.needsTouch(state, now)) this.queue.add(state)
  }

  setDeadline(state: SessionState, deadline: number | undefined): void {
    const news = this.content.setDeadline(state, deadline)
    if (news && state.phase === 'live' && this.engine.settings.enabled) this.queue.add(state)
  }

  expire(state: SessionState): void {
    if (state.phase === 'live') this.ending.expire(state)
  }

  async stored(state: SessionState): Promise<boolean> {
    if (!this.engine.settings.enabled || state.phase === 'new') return true
    if (!state.isSaved && !this.queue.has(state)) this.queue.add(state)
    await this.queue.settled(state)
    return state.isSaved
  }

  get hasRoom(): boolean {
    return this.queue.hasRoom
  }

  room(): Promise<void> {
    return this.queue.room()
  }

  release(state: SessionState): void {
    state.activeRequests--
    if (state.activeRequests === 0) state.attributes.compact()
  }

  async destroy(state: SessionState): Promise<void> {
    if (state.phase !== 'lost') return this.ending.destroy(state)
    const current = await this.findCurrent(state)
    await this.ending.destroy(current)
    if (current !== state) this.ending.forget(state)
  }

  async reload(state: SessionState): Promise<SessionState> {
    if (state.phase === 'ended') throw new SessionGoneError()
    if (state.phase === 'new') return state
    const current = await this.open(state.id)
    if (current === undefined) {
      if (state.phase === 'lost') this.ending.endedElsewhere(state)
      throw new SessionGoneError()
    }
    current.attributes.replace(current.attributes.section)
    return current
  }

  /** Tries to store everything that is pending, for at most `timeout` milliseconds. */
  async flush(timeout: number): Promise<FlushReport> {
    this.protector.unparkAll()
    await within(this.queue.idle(), timeout)
    return this.report()
  }

  /** Stores what is pending, for at most `timeout` milliseconds, and stops everything. */
  async close(timeout: number): Promise<FlushReport> {
    const report = await this.flush(timeout)
    this.closed = true
    clearInterval(this.housekeeping)
    this.queue.close()
    this.protector.close()
    this.engine.local.close()
    await this.nodes.close()
    return report
  }

  /** To be called after the settings were replaced. */
  settingsChanged(wasEnabled: boolean): void {
    this.nodes.apply()
    if (!wasEnabled && this.engine.settings.enabled) this.protector.protectAll()
  }

  figures() {
    return {
      activeSessions: this.engine.local.size,
      pendingBackups: this.queue.size,
      pendingBytes: this.queue.pendingBytes,
      oldestPendingAge: this.queue.oldestAge,
      unprotectedSessions: this.protector.unprotected,
      protecting: this.protector.isBusy,
    }
  }

  /** Local sessions whose backup is, or belongs, on each node; by id. Walks all sessions. */
  sessionsByNode(): Record<string, number> {
    const counts: Record<string, number> = {}
    for (const node of this.engine.placement.nodes) counts[node.id ?? ''] = 0
    for (const { node } of this.engine.local.values()) {
      if (node !== undefined) counts[node.id ?? ''] = (counts[node.id ?? ''] ?? 0) + 1
    }
    return counts
  }

  /* Another server has had the session since: its copy, wherever it is, is the one that counts. */
  private async findCurrent(state: SessionState): Promise<SessionState> {
    try {
      return (await this.open(state.id)) ?? state
    } catch {
      return state
    }
  }

  private hit(state: SessionState): SessionState {
    this.engine.statistics.count('localHits')
    return state
  }

  /* The stored copy outlives the idle timeout by a share of it; once that share is used up its life is renewed. */
  private needsTouch(state: SessionState, now: number): boolean {
    const { backup } = state
    if (backup === undefined || backup.deadline === 0 || state.idleTimeout === 0) return false
    if (backup.deadline === state.absoluteDeadline) return false
    return backup.deadline - now < state.idleTimeout
  }

  /** The node of a session died, or there was none: the id follows the backup within this request. */
  private openWithoutNode(state: SessionState): SessionState {
    const target = this.engine.placement.choose(state.token)
    if (target !== undefined) {
      this.saver.relocate(state, target)
      this.queue.add(state)
    }
    return this.hit(state)
  }

  /** The local copy may be outdated: the storage is asked, within bounds; without an answer it goes on from memory. */
  private async openAfterVerification(state: SessionState, id: string): Promise<SessionState | undefined> {
    const { settings, statistics } = this.engine
    const alreadyWaitedFor = state.verifying !== undefined && state.node?.state !== 'up'
    state.verifying ??= this.verify(state).finally(() => {
      state.verifying = undefined
    })
    const done = !alreadyWaitedFor && (await within(state.verifying, settings.backup.timeout))
    if (!done) statistics.count('verificationTimeouts')
    return this.openVerified(state, id)
  }

  /**
   * The visitor comes back from another server: unless storage says otherwise, the copy here is outdated.
   * @throws StorageUnavailableError when the newer copy may be where nobody answers at the moment.
   */
  private async openForeign(state: SessionState, id: string): Promise<SessionState | undefined> {
    const { settings, placement } = this.engine
    const node = parseSessionId(id)?.node
    /* A save under way must not meet the comparison half-way. */
    if (this.queue.has(state)) await within(this.queue.settled(state), settings.operationTimeout)
    try {
      if (state.phase === 'live') {
        await this.loader.verifyEverywhere(state, node === undefined ? undefined : placement.byName(node))
      }
    } catch (error) {
      if (error instanceof StorageUnavailableError && placement.failedRecently()) throw error
      /* Nobody can tell, and this has lasted: the session goes on from here. */
    }
    return this.openVerified(state, id)
  }

  private openVerified(state: SessionState, id: string): SessionState | undefined | Promise<SessionState | undefined> {
    if (state.phase === 'ended') return undefined
    if (state.phase !== 'live') return this.openElsewhere(id)
    if (!state.node?.isUsable) this.openWithoutNode(state)
    return state
  }

  /* Content that is not stored yet is compared by the fenced write that stores it. */
  private async verify(state: SessionState): Promise<void> {
    try {
      if (state.isSaved) await this.saver.verify(state, true)
      else await this.stored(state)
    } catch {
      /* The breaker has been told; the session goes on from memory. */
    }
    this.restUnverified(state)
  }

  /* Where storage did not confirm the copy, not every request waits for another try. */
  private restUnverified(state: SessionState): void {
    const { clock, settings } = this.engine
    const soonest = clock.now() - settings.trustFor + Math.min(settings.trustFor, VERIFY_AGAIN_AFTER)
    if (state.verifiedAt < soonest) state.verifiedAt = soonest
  }

  private openElsewhere(id: string): undefined | Promise<SessionState | undefined> {
    const { statistics, tokens, ended, clock, settings, placement } = this.engine
    const parts = parseSessionId(id)
    if (parts === undefined || !tokens.verify(parts.token)) {
      statistics.count('invalidIds')
      return undefined
    }
    if (!settings.enabled || ended.has(parts.token, clock.now())) return undefined
    const hint = parts.node === undefined ? undefined : placement.byName(parts.node)
    return this.loader.load(parts.token, hint).then((state) => this.takeIn(state))
  }

  /* Several requests may have waited for the same look-up. */
  private takeIn(state: SessionState | undefined): SessionState | undefined {
    if (state === undefined || state.phase !== 'live') return undefined
    const { local, ended, clock } = this.engine
    const existing = local.get(state.token)
    if (existing !== undefined) return existing
    if (ended.has(state.token, clock.now())) return undefined
    local.add(state)
    if (!state.isSaved) this.queue.add(state)
    this.protector.cleanUpAfter(state)
    return state
  }

  private async save(state: SessionState, attempt: number) {
    const { statistics } = this.engine
    const started = performance.now()
    const result = await this.saver.save(state, attempt)
    if (result === 'done') statistics.record('backup', performance.now() - started)
    if (result === 'parked' && state.phase !== 'ended' && this.engine.settings.enabled) this.protector.park(state)
    if (result === 'done' && state.leftBehind !== undefined) this.protector.cleanUpAfter(state)
    return result
  }

  private nodeReturned(node: WatchedNode): void {
    this.protector.hurry()
    this.protector.cleanUp(node)
    for (const other of this.engine.placement.nodes) {
      if (this.engine.placement.shouldLeave(other)) this.protector.evacuate(other)
    }
  }

  private keepHouse(): void {
    const draining = this.nodes.draining
    if (draining.length === 0 || this.protector.isBusy) return
    const inUse = new Set<WatchedNode>()
    for (const state of this.engine.local.values()) if (state.node !== undefined) inUse.add(state.node)
    void this.nodes.retire((node) => !inUse.has(node))
    for (const node of draining) if (inUse.has(node)) this.protector.evacuate(node)
  }

  private report(): FlushReport {
    const handles: string[] = []
    let unsaved = 0
    if (!this.engine.settings.enabled) return { unsaved, handles }
    for (const state of this.engine.local.values()) {
      if (state.isSaved || state.version === 0) continue
      unsaved++
      if (handles.length < 100) handles.push(state.handle)
    }
    return { unsaved, handles }
  }
}
