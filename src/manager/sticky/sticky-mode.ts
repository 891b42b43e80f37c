import { SessionGoneError, StorageUnavailableError } from '../../errors.js'
import type { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import type { AttributeSection } from '../../record/attribute-section.js'
import { SessionId } from '../../session-id/session-id.js'
import type { SaveResult } from '../../write-behind/save-queue.js'
import { isKeptInUse } from '../content/session-end.js'
import type { ManagerContext } from '../context/manager-context.js'
import { within } from '../context/within.js'
import type { ManagerServices, Opened, SessionMode } from '../session-mode.js'
import { RememberedMisses } from '../stored/remembered-misses.js'
import { StickyLoader } from './sticky-loader.js'
import { StickySaver } from './sticky-saver.js'

/** Milliseconds before a verification that came to nothing is tried again. */
const VERIFY_AGAIN_AFTER = 1000

/**
 * Sticky mode: the live session is in this server's memory, its backup in a storage node. Requests of a trusted
 * session cost no storage operation; the rest of the work happens beside them.
 */
export class StickyMode implements SessionMode {
  readonly hasFurtherCopies = false
  private readonly context: ManagerContext
  private readonly services: ManagerServices
  private readonly saver: StickySaver
  private readonly loader: StickyLoader
  private readonly misses: RememberedMisses
  private readonly verifying = new Map<SessionState, Promise<void>>()

  constructor(services: ManagerServices) {
    this.services = services
    this.context = services.context
    this.saver = new StickySaver(services)
    this.misses = new RememberedMisses(services.context, services.storage)
    this.loader = new StickyLoader(services, this.saver)
  }

  get storesFirst(): boolean {
    return this.context.settings.backup.mode === 'sync'
  }

  get storeTimeout(): number {
    return this.context.settings.backup.timeout
  }

  get route(): string | undefined {
    return this.context.settings.route
  }

  open(id: SessionId, fresh = false): Opened {
    const { local, clock } = this.context
    const state = local.get(id.token)
    if (state === undefined) return this.openElsewhere(id)
    const now = clock.now()
    if (state.expiresAt <= now) return this.openExpired(state, id)
    const { settings } = this.context
    const { node } = state
    state.use(now)
    if (!settings.enabled) return this.hit(state)
    /* Another route in our id: another server has had the session since, and may have stored it anywhere. */
    if (id.route !== state.route) return this.openForeign(state, id)
    const trusted = now - state.verifiedAt < settings.trustFor || !state.wasStored
    if (node === undefined || !node.isUsable) {
      return trusted ? this.openWithoutNode(state) : this.openAfter(() => this.compare(state), state, id)
    }
    if (this.isDoubtful(state, node)) return this.openAfter(() => this.compare(state), state, id)
    if (fresh && state.wasStored) return this.openAfter(() => this.compare(state), state, id)
    if (!trusted) return this.openAfter(() => this.verify(state), state, id)
    if (this.needsTouch(state, now)) this.services.queue.add(state)
    return this.hit(state)
  }

  async openShared(token: string): Promise<SessionState | undefined> {
    const { local, clock, settings } = this.context
    const state = local.get(token)
    /* Under a library's own text a session may begin on another server at any time, so a miss is not remembered. */
    this.misses.delete(token)
    if (state === undefined) return this.openElsewhere(bareId(token))
    const now = clock.now()
    if (state.expiresAt <= now) {
      this.services.ending.expire(state)
      return undefined
    }
    state.use(now)
    if (!settings.enabled) return this.hit(state)
    if (this.needsTouch(state, now)) this.services.queue.add(state)
    return this.openForeign(state, bareId(token))
  }

  get held(): number {
    return this.context.local.size
  }

  checkAdmission(): void {}

  use(state: SessionState): SessionState {
    return this.isOurs(state) ? state : this.adopt(state)
  }

  touch(state: SessionState): void {
    const now = this.context.clock.now()
    const trusted = now - state.verifiedAt < this.context.settings.trustFor || !state.wasStored
    if (!trusted || this.needsTouch(state, now)) this.services.queue.add(state)
  }

  becameIdle(state: SessionState): void {
    state.attributes.compact()
  }

  expired(state: SessionState): void {
    if (isKeptInUse(this.context, state)) this.keepInUse(state)
    else this.services.ending.expire(state)
  }

  replace(state: SessionState): Promise<AttributeSection | undefined> {
    return this.services.ending.replace(state)
  }

  destroy(state: SessionState, isReplaced = false): Promise<boolean> {
    return this.services.ending.destroy(state, isReplaced)
  }

  expireEarly(state: SessionState): Promise<void> {
    return this.services.ending.expireEarly(state)
  }

  async reload(state: SessionState): Promise<SessionState> {
    if (state.phase === 'ended') throw new SessionGoneError()
    if (state.phase === 'new') return state
    /* At once: what others assign while the storage is asked is not ours to drop. */
    state.attributes.replace(state.attributes.section)
    const current = await this.open(state.sessionId)
    if (current === undefined) {
      if (state.phase === 'lost') await this.services.ending.endedElsewhere(state)
      throw new SessionGoneError()
    }
    return current
  }

  async refresh(state: SessionState): Promise<SessionState> {
    if (state.phase === 'new') return state
    /* With a lock others may have had it on any node. */
    await this.compare(state)
    if (state.phase === 'live') return state
    const current = state.phase === 'lost' ? await this.open(state.sessionId) : undefined
    if (current === undefined) throw new SessionGoneError()
    return current
  }

  async save(state: SessionState, attempt: number): Promise<SaveResult> {
    /* The saver puts what such a one has on top of the session that is here. */
    if (!this.isOurs(state) && this.adopt(state) !== state) state.lose()
    const result = await this.saver.save(state, attempt)
    if (result === 'done' && state.leftBehind !== undefined) this.services.protector.cleanUpAfter(state)
    return result
  }

  readonly known = undefined

  reprotect(): void {
    const { protector } = this.services
    protector.retryNow()
    protector.protectAll()
    for (const node of this.context.placement.nodes) {
      protector.evacuate(node)
      if (node.state === 'up') protector.cleanUp(node)
    }
  }

  evacuate(node: WatchedNode): void {
    this.services.protector.evacuate(node)
  }

  returned(node: WatchedNode): void {
    const { placement } = this.context
    this.services.protector.retryNow()
    this.services.protector.cleanUp(node)
    for (const other of placement.nodes) if (placement.shouldLeave(other)) this.evacuate(other)
  }

  emptied(node: WatchedNode): void {
    this.services.protector.refill(node)
  }

  nodesInUse(): Set<WatchedNode> {
    return new Set(this.sessionsByNode().keys())
  }

  sessionsByNode(): ReadonlyMap<WatchedNode, number> {
    return this.context.local.tally.byNode
  }

  readonly underReplicated = 0
  readonly isBusy = false

  enter(): void {
    for (const state of [...this.context.local.values()]) {
      this.adopt(state)
      /* A save under way goes on with further copies: what it leaves behind is looked after by another one. */
      if (this.services.queue.has(state) || (!state.isSaved && !state.isBlank)) this.services.queue.add(state)
    }
  }

  stop(): void {}

  private isOurs(state: SessionState): boolean {
    return state.phase !== 'live' || (this.context.local.get(state.token) === state && state.route === this.route)
  }

  /**
   * Takes in what a request or a job was given in non-sticky mode. It may be older than what other servers have written since, and
   * there are further copies, which nobody keeps up to date from now on.
   * @returns the state that all requests here share.
   */
  private adopt(state: SessionState): SessionState {
    const { local, placement } = this.context
    const existing = local.get(state.token)
    if (existing !== undefined && existing !== state) return existing
    if (existing === undefined) local.add(state)
    state.serveUnder(this.route)
    state.doubt()
    for (const node of placement.nodes) if (node !== state.node) state.leaveBehind(node)
    return state
  }

  /* The stored copy lives on too. */
  private keepInUse(state: SessionState): void {
    state.use(this.context.clock.now())
    this.context.local.reschedule(state)
    if (this.context.settings.enabled) this.services.queue.add(state)
  }

  private hit(state: SessionState): SessionState {
    this.context.statistics.count('localHits')
    return state
  }

  /* The stored copy outlives the idle timeout by a share of it; once that share is used up its life is renewed. */
  private needsTouch(state: SessionState, now: number): boolean {
    const { storedCopy: backup } = state
    if (backup === undefined || state.idleTimeout === 0) return false
    /* Not known: another server has written it. */
    if (backup.deadline === 0) return true
    if (backup.deadline === state.absoluteDeadline) return false
    return backup.deadline - now < state.idleTimeout
  }

  /** The node of a session died, or there was none: the id follows the backup within this request. */
  private openWithoutNode(state: SessionState): SessionState {
    const target = this.context.placement.choose(state.token)
    if (target !== undefined) {
      this.saver.relocate(state, target)
      this.services.queue.add(state)
    }
    return this.hit(state)
  }

  /* With another route in our id, it is this copy that nobody has used for so long: another server has had the session since. */
  private openExpired(state: SessionState, id: SessionId): Opened {
    if (id.route === state.route) {
      if (isKeptInUse(this.context, state)) {
        this.keepInUse(state)
        return this.open(id)
      }
      this.services.ending.expire(state)
      return undefined
    }
    this.services.ending.forget(state)
    return this.openElsewhere(id)
  }

  /** The local copy may be outdated: the storage is asked, within bounds; without an answer it goes on from memory. */
  private async openAfter(
    verify: () => Promise<void>,
    state: SessionState,
    id: SessionId,
  ): Promise<SessionState | undefined> {
    const { settings, statistics } = this.context
    const underWay = this.verifying.get(state)
    const alreadyWaitedFor = underWay !== undefined && state.node?.state !== 'up'
    const verification = underWay ?? verify().finally(() => this.verifying.delete(state))
    if (underWay === undefined) this.verifying.set(state, verification)
    const done = !alreadyWaitedFor && (await within(this.context.clock, verification, settings.backup.timeout))
    if (!done) {
      statistics.count('verificationTimeouts')
      state.goOnUncertain()
    }
    return this.openVerified(state, id)
  }

  /**
   * The visitor comes back from another server: unless storage says otherwise, the copy here is outdated.
   * @throws StorageUnavailableError when the newer copy may be where nobody answers at the moment.
   */
  private async openForeign(state: SessionState, id: SessionId): Promise<SessionState | undefined> {
    const { settings, placement } = this.context
    /* A save under way must not meet the comparison half-way. */
    if (this.services.queue.has(state))
      await within(this.context.clock, this.services.queue.settled(state), settings.operationTimeout)
    try {
      if (state.phase === 'live') await this.loader.verifyEverywhere(state, id.node)
    } catch (error) {
      const isLasting = placement.nodes.every((node) => node.state === 'down' && !node.failedRecently())
      if (error instanceof StorageUnavailableError && !isLasting) throw error
      /* Nobody can tell, and this has lasted: the session goes on from here. */
    }
    return this.openVerified(state, id)
  }

  private openVerified(
    state: SessionState,
    id: SessionId,
  ): SessionState | undefined | Promise<SessionState | undefined> {
    if (state.phase === 'ended') return undefined
    if (state.phase !== 'live') return this.openElsewhere(id)
    if (!state.node?.isUsable) this.openWithoutNode(state)
    return state
  }

  /* A node that was away may have missed that the session went on elsewhere. While it does not answer, nothing can be found out. */
  private isDoubtful(state: SessionState, node: WatchedNode): boolean {
    return node.state === 'up' && state.wasStored && this.context.notes.isDoubtful(state.era, node)
  }

  private async compare(state: SessionState): Promise<void> {
    const { queue } = this.services
    const { node } = state
    const settled = queue.settled(state)
    try {
      /* A save that hangs must not keep an end from being found. */
      if (node !== undefined && queue.has(state) && (!node.isUsable || (await node.isLate(settled))))
        await this.saver.askOthers(state, node)
      await settled
      if (state.phase === 'live') await this.loader.compare(state)
    } catch {
      /* Nobody can tell: the session goes on from memory, and is compared at its next use. */
      state.goOnUncertain()
    }
  }

  /* Content that is not stored yet is compared by the fenced write that stores it. */
  private async verify(state: SessionState): Promise<void> {
    const { node } = state
    const verifying = state.isSaved
      ? this.services.lines.run(state, () => this.saver.verify(state, true))
      : this.services.stored(state)
    /* The breaker has been told; the session goes on from memory. */
    const settled = verifying.then(
      (isStored) => isStored !== false,
      () => false,
    )
    const hasAnswer = node === undefined || (!(await node.isLate(settled)) && (await settled))
    if (!hasAnswer && ((await this.saver.askOthers(state, node)) || !(await settled))) state.goOnUncertain()
    this.postponeVerification(state)
  }

  /* Where storage did not confirm the copy, not every request waits for another try. */
  private postponeVerification(state: SessionState): void {
    const { clock, settings } = this.context
    const soonest = clock.now() - settings.trustFor + Math.min(settings.trustFor, VERIFY_AGAIN_AFTER)
    state.postponeVerification(soonest)
  }

  private openElsewhere(id: SessionId): undefined | Promise<SessionState | undefined> {
    const { statistics, tokens, ended, expired, clock, settings } = this.context
    if (!id.isIssuedBy(tokens)) {
      statistics.count('invalidIds')
      return undefined
    }
    const now = clock.now()
    if (!settings.enabled || ended.has(id.token, now)) return undefined
    if (id.route === this.route && expired.has(id.token, now)) return undefined
    return this.misses.has(id.token) ? this.loadAfterMiss(id) : this.load(id)
  }

  private async loadAfterMiss(id: SessionId): Promise<SessionState | undefined> {
    const hint = this.context.placement.byName(id.node)
    return (await this.misses.mayBeThere(id.token, hint)) ? this.load(id) : undefined
  }

  private async load({ token, node }: SessionId): Promise<SessionState | undefined> {
    const loaded = await this.loader.load(token, node)
    if (loaded === undefined) this.misses.add(token)
    return this.takeIn(loaded)
  }

  /* Several requests may have waited for the same look-up. */
  private takeIn(state: SessionState | undefined): SessionState | undefined {
    if (state === undefined || state.phase !== 'live') return undefined
    const { local, ended, clock } = this.context
    const existing = local.get(state.token)
    if (existing !== undefined) return existing
    if (ended.has(state.token, clock.now())) return undefined
    local.add(state)
    if (!state.isSaved) this.services.queue.add(state)
    this.services.protector.cleanUpAfter(state)
    return state
  }
}

/* It names no place. */
function bareId(token: string): SessionId {
  return new SessionId(token, undefined, undefined)
}
