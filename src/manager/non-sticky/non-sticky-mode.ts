import { NodeRefusedError, SessionGoneError, StorageUnavailableError } from '../../errors.js'
import type { CopyIndex } from '../../local/copy-index.js'
import { SessionState } from '../../local/session-state.js'
import type { Renewal } from '../../node/storage-node.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { type AttributeSection, covers } from '../../record/attribute-section.js'
import type { StoredRecord } from '../../record/record-format.js'
import { type SessionId, tokenDigest } from '../../session-id/session-id.js'
import type { SaveResult } from '../../write-behind/save-queue.js'
import { isKeptInUse } from '../content/session-end.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { ManagerServices, Opened, SessionMode } from '../session-mode.js'
import { noteEarlyLoss } from '../stored/early-losses.js'
import type { Found } from '../stored/record-store.js'
import { RememberedMisses } from '../stored/remembered-misses.js'
import { type FoundSession, type LookUp, latestFirst, lookUp, unknownNode } from '../stored/session-look-up.js'
import { CopyKeeper } from './copy-keeper.js'
import { NonStickySaver } from './non-sticky-saver.js'
import { OutageWait } from './outage-wait.js'

/** Sessions taken over from sticky mode in one go. */
const MAX_VISITS = 500

/**
 * Non-sticky mode: any server serves any request. The storage has the session, on its primary node and on further ones;
 * a server has it only while requests work with it.
 */
export class NonStickyMode implements SessionMode {
  readonly storesFirst = true
  readonly hasFurtherCopies = true
  readonly route = undefined
  private readonly context: ManagerContext
  private readonly services: ManagerServices
  private readonly misses: RememberedMisses
  private readonly outage: OutageWait
  /** Sessions that sticky mode has left in memory and that wait to be taken over. */
  private entering: Iterator<SessionState> | undefined
  private copies: CopyKeeper
  private saver: NonStickySaver

  constructor(services: ManagerServices) {
    this.services = services
    this.context = services.context
    this.misses = new RememberedMisses(services.context, services.storage)
    this.outage = new OutageWait(services.context)
    this.copies = new CopyKeeper(services.context, services.storage)
    this.saver = new NonStickySaver(services, this.copies, this.outage)
  }

  /* A node that hangs costs one operation's time, the write on the next node another; one that is replaced, somewhat more. */
  get storeTimeout(): number {
    return Math.max(this.context.settings.backup.timeout, this.outage.patience)
  }

  get underReplicated(): number {
    return this.copies.underReplicated
  }

  get isBusy(): boolean {
    return this.entering !== undefined || this.copies.isBusy
  }

  open(id: SessionId, fresh = false): Opened {
    const { statistics, tokens, placement } = this.context
    if (!this.copies.known.has(id.token) && !id.isIssuedBy(tokens)) {
      statistics.count('invalidIds')
      return undefined
    }
    const found = this.find(id.token, placement.byName(id.node), fresh)
    return found instanceof Promise ? found.then((state) => state ?? this.elsewhere(id)) : found
  }

  /* Under a library's own text a session may begin on another server at any time, so a miss is not remembered. */
  async openShared(token: string): Promise<SessionState | undefined> {
    this.misses.delete(token)
    return this.find(token, undefined, true)
  }

  /* What is in the storage, as far as this server knows, and what is on its way there. */
  get held(): number {
    const { known } = this.copies
    known.sweep()
    return Math.max(known.size, this.context.local.size)
  }

  /* New sessions for everybody, while nobody can be found again: that would be worse than to say so. */
  checkAdmission(): void {
    if (this.context.settings.enabled && !this.context.placement.anyUp) throw new StorageUnavailableError()
  }

  use(state: SessionState): SessionState {
    const { local, ended, clock } = this.context
    if (state.phase !== 'live') return state
    if (ended.has(state.token, clock.now())) {
      state.end()
      return state
    }
    state.serveUnder(this.route)
    const shared = local.get(state.token)
    if (shared === undefined) local.add(state)
    if (shared === undefined || shared === state) return state
    this.bringUpToDate(shared, state)
    return shared
  }

  touch(state: SessionState): void {
    const { storedCopy: backup } = state
    if (backup === undefined || backup.node.state === 'down') return
    const deadline = this.services.storage.deadline(state)
    backup.node.touch(this.services.storage.key(state.keyDigest), deadline).catch(() => {})
  }

  becameIdle(state: SessionState): void {
    state.attributes.compact()
    this.letGo(state)
  }

  /* Others may have used it since; the storage knows when it ends, and is told of a request that is not over. */
  expired(state: SessionState): void {
    if (isKeptInUse(this.context, state)) {
      state.use(this.context.clock.now())
      this.touch(state)
      this.copies.seen(state, 0)
    }
    if (state.activeRequests === 0) this.context.local.remove(state)
    else this.context.local.reschedule(state)
  }

  replace(state: SessionState): Promise<AttributeSection | undefined> {
    this.copies.forget(state.token)
    return this.services.ending.replace(state)
  }

  destroy(state: SessionState, isReplaced = false): Promise<boolean> {
    this.copies.forget(state.token)
    return this.services.ending.destroy(state, isReplaced)
  }

  async expireEarly(state: SessionState): Promise<void> {
    this.copies.forget(state.token)
    await this.services.ending.expireEarly(state)
  }

  async reload(state: SessionState): Promise<SessionState> {
    if (state.phase === 'new') return state
    /* At once: what others assign while the storage is asked is not ours to drop. */
    state.attributes.replace(state.attributes.section)
    const current = await this.newest(state)
    if (current === undefined) throw new SessionGoneError()
    return current
  }

  async refresh(state: SessionState): Promise<SessionState> {
    if (state.phase === 'new') return state
    const current = await this.newest(state)
    if (current === undefined) throw new SessionGoneError()
    const shared = this.context.local.get(state.token) ?? state
    this.bringUpToDate(shared, current)
    return shared
  }

  async save(state: SessionState, attempt: number): Promise<SaveResult> {
    if (state.isLetGo) return this.handOver(state, attempt)
    const result = await this.saver.save(state, attempt)
    this.misses.delete(state.token)
    /* Sticky mode was about to store it when the mode changed. */
    if (result === 'done' && state.phase === 'live' && !this.copies.known.has(state.token)) this.rememberCopies(state)
    if (result === 'done' || result === 'rejected') this.context.clock.defer(() => this.letGo(state))
    return result
  }

  /* What was changed in a copy of a session that has been renewed, or that sticky mode had let go, belongs to it too. */
  private async handOver(state: SessionState, attempt: number): Promise<SaveResult> {
    const { content, queue, renewal, ending } = this.services
    if (state.attributes.isAssigned) content.commit(state, [])
    try {
      const found =
        state.phase === 'renewed' ? await renewal.follow(state) : await this.find(state.token, undefined, true)
      if (found === undefined) {
        await ending.endedElsewhere(state)
        return 'done'
      }
      const shared = this.use(found)
      const pending = state.pending()
      shared.receive(pending)
      state.handedOver(pending)
      queue.add(shared)
      return 'done'
    } catch {
      return attempt < this.context.settings.backup.attempts ? 'retry' : 'parked'
    }
  }

  get known(): CopyIndex {
    return this.copies.known
  }

  reprotect(): void {
    this.services.protector.retryNow()
    this.copies.checkAll()
  }

  evacuate(node: WatchedNode): void {
    this.copies.evacuate(node)
  }

  returned(node: WatchedNode): void {
    this.services.protector.retryNow()
    this.copies.returned(node)
    for (const other of this.context.placement.nodes)
      if (this.context.placement.shouldLeave(other)) this.evacuate(other)
  }

  emptied(node: WatchedNode): void {
    this.copies.emptied(node)
  }

  nodesInUse(): Set<WatchedNode> {
    return new Set(this.sessionsByNode().keys())
  }

  sessionsByNode(): ReadonlyMap<WatchedNode, number> {
    return this.copies.copiesByNode()
  }

  /* What sticky mode has in memory goes to the storage, as far as it is not there, and is remembered. */
  enter(): void {
    this.copies = new CopyKeeper(this.context, this.services.storage)
    this.saver = new NonStickySaver(this.services, this.copies, this.outage)
    this.entering = this.context.local.values()
    this.enterSome(this.entering)
  }

  stop(): void {
    this.entering = undefined
    this.copies.close()
  }

  /* In slices: they may be many, and requests are served meanwhile. What comes up before its turn is met as one that is in use here. */
  private enterSome(states: Iterator<SessionState>): void {
    if (this.entering !== states) return
    for (let visits = 0; visits < MAX_VISITS; visits++) {
      const next = states.next()
      if (next.done) {
        this.entering = undefined
        return
      }
      this.takeOver(next.value)
    }
    this.context.clock.defer(() => this.enterSome(states))
  }

  private takeOver(state: SessionState): void {
    state.serveUnder(undefined)
    if (state.isSaved) this.rememberCopies(state)
    if (this.services.queue.has(state)) this.renewLife(state)
    if (!state.isSaved && !state.isBlank) this.services.queue.add(state)
    this.letGo(state)
  }

  /** Sticky mode has stored the session, once. */
  private rememberCopies(state: SessionState): void {
    if (state.node === undefined) return
    this.copies.stored(state, state.node)
    for (const node of state.leftBehind ?? []) this.copies.leftBehind(state.token, node)
    this.copies.scheduleRepair(state.token)
  }

  /* A save, comparison or renewal was due or under way: once more, so that its end is noticed here. */
  private renewLife(state: SessionState): void {
    this.services.queue.add(state)
    if (state.isSaved) this.touch(state)
  }

  /** The session as the storage has it; one that was never stored as it is here. `undefined`: it has ended. */
  private async newest(state: SessionState): Promise<SessionState | undefined> {
    if (!state.wasStored && state.mayBeStored) await this.services.stored(state)
    if (state.phase === 'ended') return undefined
    return !state.wasStored ? state : this.find(state.token, state.node, true)
  }

  /** @param fresh the storage itself is to be asked */
  private find(token: string, hint: WatchedNode | undefined, fresh: boolean): Opened {
    const { settings, ended, local, clock } = this.context
    const now = clock.now()
    if (!settings.enabled) return local.get(token)
    if (ended.has(token, now)) return undefined
    if (this.misses.has(token)) return this.findAfterMiss(token, hint, fresh)
    if (fresh) return this.load(token, hint, true)
    const near = this.beginNear(token, hint)
    const isAtHand = near !== undefined && !(near instanceof Promise)
    return (isAtHand ? this.presentNear(token, near) : undefined) ?? this.load(token, hint, false, near)
  }

  private async findAfterMiss(
    token: string,
    hint: WatchedNode | undefined,
    fresh: boolean,
  ): Promise<SessionState | undefined> {
    return (await this.misses.mayBeThere(token, hint)) ? this.load(token, hint, fresh) : undefined
  }

  /* This server's memory may have it: then no promise is needed. Otherwise the read is under way with this. */
  private beginNear(token: string, hint: WatchedNode | undefined): Found | Promise<Found | undefined> | undefined {
    const { placement } = this.context
    const first = this.firstNode(token, hint)
    if (first?.caches !== true || placement.shouldLeave(first)) return undefined
    return this.services.storage.readCached(
      first,
      this.services.storage.key(this.digestOf(token)),
      this.renewalOf(token),
    )
  }

  /** `undefined`: there is something about it that has to be looked into. */
  private presentNear(token: string, found: Found): SessionState | undefined {
    const { record } = found
    if (record?.kind !== 'session' || found.outdated || this.isDoubtful(found as FoundSession)) return undefined
    const started = this.context.clock.monotonic()
    const state = this.stateFrom(token, found as FoundSession)
    if (state === undefined) return undefined
    state.keepDigest(this.digestOf(token))
    this.context.statistics.record('load', this.context.clock.monotonic() - started)
    return this.asShared(state)
  }

  /* While a failover is under way nobody answers; requests that can wait for its end need not fail. */
  private async load(
    token: string,
    hint: WatchedNode | undefined,
    fresh: boolean,
    near?: Found | Promise<Found | undefined>,
  ): Promise<SessionState | undefined> {
    const { deadline } = this.outage
    for (let begun = near; ; begun = undefined) {
      try {
        return await this.loadOnce(token, hint, fresh, begun)
      } catch (error) {
        if (!mayPass(error) || !(await this.outage.forNode(deadline))) throw error
      }
    }
  }

  private async loadOnce(
    token: string,
    hint: WatchedNode | undefined,
    fresh: boolean,
    begun: Found | Promise<Found | undefined> | undefined,
  ): Promise<SessionState | undefined> {
    const { statistics, placement } = this.context
    const started = this.context.clock.monotonic()
    const digest = this.digestOf(token)
    const key = this.services.storage.key(digest)
    const pending = this.pendingHere(token)
    const first = this.firstNode(token, hint)
    const answer =
      first === undefined || first.state === 'down' ? 'failed' : await this.readInTime(first, token, key, fresh, begun)
    const isUsable = typeof answer === 'object' && !placement.shouldLeave(answer.node) && !this.isDoubtful(answer)
    const state = isUsable
      ? this.presentFrom(token, answer, first)
      : await this.loadFromCopies(token, key, first, answer, pending)
    if (state === undefined) return undefined
    state.keepDigest(digest)
    statistics.record('load', this.context.clock.monotonic() - started)
    return typeof answer === 'object' && answer.outdated ? this.renewForm(state) : this.asShared(state)
  }

  /** As `readFirst`; where that takes far longer than usual, from a further copy. Whoever wants to know what the storage says now waits. */
  private async readInTime(
    first: WatchedNode,
    token: string,
    key: string,
    fresh: boolean,
    begun: Found | Promise<Found | undefined> | undefined,
  ): Promise<FoundSession | 'absent' | 'failed'> {
    const reading = this.readFirst(first, token, key, fresh, begun)
    if (fresh || this.context.settings.backup.replicas < 2 || !(await first.isLate(reading))) return reading
    const standIn = this.copies.standIn(token, first)
    if (standIn === undefined) return reading
    this.context.statistics.count('hedgedReads')
    const copy = this.readStandIn(standIn, token, key)
    const answer = await Promise.race([reading, copy.then((found) => found ?? reading)])
    if (typeof answer === 'object' && answer.node === standIn)
      void reading.then((late) => this.meetLate(token, answer, late))
    return answer
  }

  /** A further copy that may stand for the first one; `undefined`: there is none, or it may have missed something. Never rejects. */
  private async readStandIn(node: WatchedNode, token: string, key: string): Promise<FoundSession | undefined> {
    try {
      const found = sessionOrAbsent(await this.readRenewing(node, token, key))
      if (found === 'absent' || this.context.placement.shouldLeave(node)) return undefined
      return found.record.kind === 'tombstone' || !this.isDoubtful(found) ? found : undefined
    } catch {
      return undefined
    }
  }

  /* The first node's answer comes when the request has gone on with a further copy: what that one lacks is brought to all copies. */
  private meetLate(token: string, used: FoundSession, late: FoundSession | 'absent' | 'failed'): void {
    if (typeof late === 'object' && late.record.kind === 'tombstone') this.acceptTombstone(token, late.record)
    else if (typeof late !== 'object' || !covers(used.record.attributes, late.record.attributes))
      this.copies.scheduleRepair(token)
  }

  private presentFrom(token: string, found: FoundSession, first: WatchedNode | undefined): SessionState | undefined {
    const state = this.stateFrom(token, found)
    if (state === undefined || first === undefined || found.node === first) return state
    state.relocate(first)
    this.saver.relocate(state, found.node)
    state.found(found.node, found.fence, 0, found.record)
    return state
  }

  /* Written under a key that is on its way out. */
  private renewForm(state: SessionState): SessionState {
    const shared = this.use(state)
    shared.rewrite()
    this.services.queue.add(shared)
    return shared
  }

  /* Requests that work with the session here have changes that nobody else knows yet: who comes later sees them. */
  private asShared(state: SessionState): SessionState {
    const shared = this.context.local.get(state.token)
    if (shared === undefined || shared === state) return state
    this.bringUpToDate(shared, state)
    return shared
  }

  private async readFirst(
    node: WatchedNode,
    token: string,
    key: string,
    fresh: boolean,
    begun: Found | Promise<Found | undefined> | undefined,
  ): Promise<FoundSession | 'absent' | 'failed'> {
    const { clock, settings, placement } = this.context
    const renewal = this.renewalOf(token)
    const near = !fresh && node.caches && !placement.shouldLeave(node)
    let first = begun
    const read = async () => {
      const answer = first ?? (near ? this.services.storage.readCached(node, key, renewal) : undefined)
      first = undefined
      return sessionOrAbsent(
        answer === undefined
          ? await this.readRenewing(node, token, key)
          : await this.unlessDoubtful(answer, node, token, key),
      )
    }
    const started = clock.monotonic()
    try {
      return await read()
    } catch (error) {
      /* That is how it is set up, and nobody else could be asked. */
      if (error instanceof NodeRefusedError && this.context.placement.size === 1)
        throw new StorageUnavailableError({ cause: error })
      /* A connection that broke is no reason to move away from a node that works; one that does not answer was waited for. */
      if (clock.monotonic() - started > settings.operationTimeout / 2) return 'failed'
    }
    await node.check()
    return node.state === 'up' ? read().catch(() => 'failed' as const) : 'failed'
  }

  /* Whoever has a doubt gets what the storage says now, before other copies are compared with it. */
  private async unlessDoubtful(
    answer: Found | Promise<Found | undefined>,
    node: WatchedNode,
    token: string,
    key: string,
  ): Promise<Found | undefined> {
    const found = await answer
    if (found?.record === undefined || !this.isDoubtful(found as FoundSession)) return found
    return this.readRenewing(node, token, key)
  }

  /* How long a session that is not known here lives is read first: to renew it as others do might be to cut its life. */
  private async readRenewing(node: WatchedNode, token: string, key: string): Promise<Found | undefined> {
    const { storage } = this.services
    if (this.copies.known.has(token)) return storage.readTwice(node, key, this.renewalOf(token).to)
    const found = await storage.readTwice(node, key)
    if (found?.record?.kind === 'session') this.renewIfDue(node, key, found.record)
    return found
  }

  private renewIfDue(
    node: WatchedNode,
    key: string,
    { accessedAt, idleTimeout, absoluteDeadline }: StoredRecord,
  ): void {
    const { clock, settings } = this.context
    const now = clock.now()
    if (idleTimeout === 0 || now - accessedAt <= idleTimeout * settings.backup.touchAfter) return
    const deadline = this.services.storage.deadline({ accessedAt: now, idleTimeout, absoluteDeadline })
    node.touch(key, deadline).catch(() => {})
  }

  /** Who is asked first. */
  private firstNode(token: string, hint: WatchedNode | undefined): WatchedNode | undefined {
    return hint ?? this.copies.known.get(token)?.primary ?? this.context.placement.choose(token)
  }

  private digestOf(token: string): string {
    const known = this.copies.known.get(token)
    if (known === undefined) return tokenDigest(token)
    if (known.digest === '') known.digest = tokenDigest(token)
    return known.digest
  }

  private renewalOf(token: string): Renewal {
    const { clock, settings } = this.context
    const known = this.copies.known.get(token)
    const idleTimeout = known?.idleTimeout ?? settings.idleTimeout
    const absoluteDeadline = known?.absoluteDeadline ?? 0
    return this.services.storage.renewal({ accessedAt: clock.now(), idleTimeout, absoluteDeadline })
  }

  /* A node that was away may have missed that the session went on, or ended, elsewhere. */
  private isDoubtful({ node, record }: FoundSession): boolean {
    return this.context.notes.isDoubtful(record.era, node)
  }

  private async loadFromCopies(
    token: string,
    key: string,
    first: WatchedNode | undefined,
    answer: FoundSession | 'absent' | 'failed',
    pending: SessionState | undefined,
  ): Promise<SessionState | undefined> {
    const { storage } = this.services
    const { placement } = this.context
    const seen = await this.compare(token, key, first, answer)
    const copies = this.mayBeMoving(token, seen) ? await lookUp(storage, placement.readable(token), key) : seen
    if (copies.tombstone !== undefined) return this.acceptTombstone(token, copies.tombstone)
    const newest = copies.sessions[0]
    /* It may have been stored, and let go, while the nodes were asked. */
    if (newest === undefined) return pending?.phase === 'live' ? pending : this.rememberMiss(token, copies)
    const state = this.stateFrom(token, newest)
    if (state === undefined) return undefined
    return this.settle(state, first, copies)
  }

  /*
   * Another server moves it, perhaps, so that it was on neither node when that one was asked. With several copies that takes more than
   * one move, so only those are looked for again that this server knows.
   */
  private mayBeMoving(token: string, { sessions, tombstone, failed }: LookUp): boolean {
    const { placement, settings } = this.context
    if (sessions.length > 0 || tombstone !== undefined || failed.length > 0 || placement.size === 1) return false
    return settings.backup.replicas === 1 || this.copies.known.has(token)
  }

  /** All nodes that can be read, each asked once. */
  private async compare(
    token: string,
    key: string,
    first: WatchedNode | undefined,
    answer: FoundSession | 'absent' | 'failed',
  ): Promise<LookUp> {
    const { placement } = this.context
    const others = placement.readable(token).filter((node) => node !== first)
    const none: LookUp = { sessions: [], tombstone: undefined, failed: [], era: this.services.storage.era }
    const copies = others.length === 0 && answer !== 'failed' ? none : await lookUp(this.services.storage, others, key)
    if (answer === 'failed' && first !== undefined) copies.failed.push(first)
    if (typeof answer !== 'object') return copies
    if (answer.record.kind === 'tombstone') copies.tombstone = answer.record
    else copies.sessions.push(answer)
    copies.sessions.sort(latestFirst)
    return copies
  }

  /** A session that is on its way to the storage for the first time, or that the storage has lost while it was being changed. */
  private pendingHere(token: string): SessionState | undefined {
    const { local, clock } = this.context
    const here = local.get(token)
    if (here === undefined || here.phase !== 'live' || here.isSaved || here.isBlank) return undefined
    const now = clock.now()
    if (here.expiresAt <= now) return undefined
    here.use(now)
    return here
  }

  private acceptTombstone(token: string, tombstone: StoredRecord): undefined {
    this.copies.forget(token)
    const here = this.context.local.get(token)
    if (here !== undefined) void this.services.ending.endedElsewhere(here, tombstone)
    else void this.services.ending.endCopiesOf(token, tombstone)
    return undefined
  }

  /** @throws StorageUnavailableError when it may be on a node that only others have in their configuration */
  private async elsewhere({ token, node }: SessionId): Promise<undefined> {
    const { ended, clock, notes } = this.context
    if (!ended.has(token, clock.now()) && (await notes.isUsedElsewhere(node))) throw unknownNode(this.context, node)
    return undefined
  }

  /* A copy may be where nobody answers: to say "no such session" would log the visitor out for good. */
  private async rememberMiss(token: string, copies: LookUp): Promise<undefined> {
    const { statistics, placement, notes } = this.context
    /* A node that answers over a new connection may have lost what it had. */
    await notes.settled()
    if (copies.failed.length > 0 || placement.failedRecently() || placement.returnedRecently())
      throw new StorageUnavailableError()
    statistics.count('unknownIds')
    this.misses.add(token)
    this.copies.forget(token)
    return undefined
  }

  /** A session as its record says; `undefined`: it has ended. */
  private stateFrom(token: string, found: FoundSession): SessionState | undefined {
    const { node, record } = found
    if (record.kind === 'tombstone') return this.acceptTombstone(token, record)
    const now = this.context.clock.now()
    if (record.absoluteDeadline !== 0 && record.absoluteDeadline <= now) return undefined
    const renewed = this.copies.known.get(token)
    const state = SessionState.fromRecord(token, this.route, record, now)
    state.settle(node)
    state.found(node, found.fence, 0, record)
    state.confirm(now)
    const asKnown = renewed?.idleTimeout ?? this.context.settings.idleTimeout
    if (asKnown !== record.idleTimeout || (renewed?.absoluteDeadline ?? 0) !== record.absoluteDeadline)
      this.touch(state)
    /* A server in sticky mode has written it, to one node only; or a node with a further copy has missed something since. */
    if (renewed === undefined && record.owner !== '') this.copies.scheduleRepair(token)
    else if (this.context.notes.isBehind(record.era)) this.copies.compareIfBehind(state, record.era)
    this.copies.seen(state, record.accessedAt)
    return state
  }

  /** Where the session is from now on, after it was not found in its place or its place is to be left. */
  private settle(state: SessionState, first: WatchedNode | undefined, copies: LookUp): SessionState {
    const { placement, statistics, events } = this.context
    const found = state.node as WatchedNode
    const target =
      [first, found].find((node) => node?.state === 'up' && !placement.shouldLeave(node)) ??
      placement.choose(state.token)
    if (target === undefined) return state
    const there = copies.sessions.find(({ node }) => node === target)
    for (const { record } of copies.sessions) state.take(record.attributes, record.createdAt)
    if (first !== undefined) state.relocate(first)
    if (target === state.node) {
      if (there === undefined) {
        void noteEarlyLoss(this.context, target, state.era)
        statistics.count('restores')
        events.emitSession('restored', state, { node: target.id })
      }
    } else this.saver.relocate(state, target)
    if (there !== undefined) state.found(target, there.fence, 0, there.record)
    if (copies.failed.length === 0) state.compared(copies.era)
    this.copies.scheduleRepair(state.token)
    if (state.isSaved) return state
    const shared = this.use(state)
    this.services.queue.add(shared)
    return shared
  }

  private bringUpToDate(shared: SessionState, current: SessionState): void {
    if (covers(shared.base, current.section)) return
    this.services.merger.absorb(shared, { attributes: current.section, createdAt: current.createdAt })
    shared.moveWith(current)
    shared.use(current.accessedAt)
  }

  /** The storage has the session, or can't have it as it is, and nobody works with it here. */
  private letGo(state: SessionState): void {
    const { local, settings } = this.context
    if (state.activeRequests > 0 || !settings.enabled || this.services.queue.has(state)) return
    /* What can't be stored as it is would otherwise stay here for ever, and be seen on this server alone. */
    if (state.isSaved || state.unstorable !== undefined || state.isBlank || state.phase === 'ended') local.remove(state)
  }
}

/** Whether the storage may answer soon: a node that is set up so that it refuses will go on to do so. */
function mayPass(error: unknown): boolean {
  return error instanceof StorageUnavailableError && !(error.cause instanceof NodeRefusedError)
}

function sessionOrAbsent(found: Found | undefined): FoundSession | 'absent' {
  return found?.record === undefined ? 'absent' : (found as FoundSession)
}
