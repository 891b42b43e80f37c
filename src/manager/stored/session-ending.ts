import { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { type AttributeSection, emptySection, joinSections } from '../../record/attribute-section.js'
import type { StoredRecord } from '../../record/record-format.js'
import type { Sequel } from '../../record/session-facts.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { SaveQueue } from '../../write-behind/save-queue.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { PendingEnds } from './pending-ends.js'
import type { Protector } from './protector.js'
import type { RecordStore, Tombstone } from './record-store.js'

/** How long late requests for an ended session are answered from memory, in milliseconds. */
const REMEMBER_ENDED = 60_000
/** Milliseconds within which requests that were sent with an id before another one took its place have come. */
const LATE = 10_000
/** How often an end may be overtaken by changes that it is to take along. */
const MAX_ROUNDS = 8

/** What an end has met where it was written. */
interface Met {
  /** All nodes have taken it. */
  isDurable: boolean
  /** What was there of the session. */
  section: AttributeSection
  /** The session had been ended before. */
  wasEnded: boolean
  /** It had been renewed before. */
  wasRenewed: boolean
}

const nothingMet: Met = { isDurable: true, section: emptySection, wasEnded: false, wasRenewed: false }

/** The ways in which a session leaves this server's memory: destroyed, expired, ended, renewed or owned elsewhere. */
export class SessionEnding {
  private readonly context: ManagerContext
  private readonly storage: RecordStore
  private readonly queue: SaveQueue
  private readonly protector: Protector
  private readonly pending: PendingEnds

  constructor(
    context: ManagerContext,
    storage: RecordStore,
    queue: SaveQueue,
    protector: Protector,
    pending: PendingEnds,
  ) {
    this.context = context
    this.storage = storage
    this.queue = queue
    this.protector = protector
    this.pending = pending
  }

  /**
   * Ends a session on every node; resolves when each has answered, or can't.
   * @param isReplaced its visitor gets another one
   * @returns whether all have taken the end. What one has not is written when it answers again.
   */
  async destroy(given: SessionState, isReplaced = false): Promise<boolean> {
    const state = this.currentOf(given)
    const met = await this.endEverywhere(state, 'sessionsDestroyed', isReplaced ? 'replaced' : undefined)
    if (met === undefined) return true
    this.context.events.emitSession('destroyed', state, { elsewhere: false })
    return met.isDurable
  }

  /**
   * Ends a session on every node, for another one that takes its place.
   * @returns its attributes, with all that others have stored of it until it was ended; `undefined`: it had ended before.
   */
  async replace(given: SessionState): Promise<AttributeSection | undefined> {
    const state = this.currentOf(given)
    const section = joinSections(state.section, given.pending())
    if (state.phase === 'ended') return undefined
    const met = await this.endEverywhere(state, 'sessionsDestroyed', 'replaced')
    if (met === undefined) return section
    if (met.wasEnded) return undefined
    this.context.events.emitSession('destroyed', state, { elsewhere: false })
    return joinSections(section, met.section)
  }

  /**
   * Ends a session before its time as if that were over. Unlike one that expires by itself it may be in the memory of other
   * servers, which must not bring it back: so it is ended everywhere.
   */
  async expireEarly(given: SessionState): Promise<void> {
    const state = this.currentOf(given)
    if ((await this.endEverywhere(state, 'sessionsExpired')) === undefined) return
    this.context.events.emitSession('expired', state)
  }

  /**
   * The session goes on under the token that follows from its own, and stands there in the storage: whoever has the old one is led to it
   * from now on, for a while.
   * @returns what every node had of it, and whether it had ended.
   */
  renewed(state: SessionState): Promise<Met> {
    const { context } = this
    const sequel = this.sequelOf('renewed')
    state.renew()
    state.handedOver(state.section)
    this.leaveMap(state)
    this.queue.drop(state)
    context.renewed.add(state.token, sequel.until)
    return this.buryOnAll(this.tombstoneOf(state.token, state.idleTimeout, sequel), context.placement.nodes)
  }

  /** Whoever comes late for a session that went on as another one comes late for that one too, when it has been replaced. */
  alsoReplaced(token: string, next: string): undefined {
    const { replaced, clock } = this.context
    const now = clock.now()
    if (replaced.has(next, now)) replaced.add(token, now + LATE)
  }

  /** Writes an end on a node that had not taken it at first. @throws NodeUnreachableError, NodeRefusedError */
  async writeLate(node: WatchedNode, tombstone: Tombstone): Promise<void> {
    await this.meet(tombstone, await this.replaceOn(node, tombstone))
  }

  /** @returns what it has met; `undefined`: there was nothing to end. */
  private async endEverywhere(
    state: SessionState,
    counter: 'sessionsDestroyed' | 'sessionsExpired',
    kind?: Sequel['kind'],
  ): Promise<Met | undefined> {
    const { statistics, clock } = this.context
    const { phase, mayBeStored } = state
    const sequel = kind && this.sequelOf(kind)
    this.end(state, sequel)
    if (phase === 'ended') return undefined
    if (phase === 'new') return undefined
    statistics.count(counter)
    const started = clock.monotonic()
    const tombstone = this.tombstoneOf(state.token, state.idleTimeout, sequel)
    const met = mayBeStored || phase === 'renewed' ? await this.bury(tombstone) : nothingMet
    statistics.record('delete', clock.monotonic() - started)
    return met
  }

  /* Whoever ends an older copy, of a socket say, ends the session that requests work with here. */
  private currentOf(given: SessionState): SessionState {
    const current = this.context.local.get(given.token) ?? given
    if (current !== given) this.forget(given)
    return current
  }

  /** A copy that was let go, of a session that has been ended by now. */
  forget(state: SessionState): void {
    this.leaveMemory(state)
  }

  /**
   * A tombstone was found in the storage; or (without one) a session that another server owned can't be found there any more.
   * Resolves when copies of the session that other nodes still have, ours of a moment ago among them, are ended too.
   */
  async endedElsewhere(state: SessionState, tombstone?: StoredRecord): Promise<void> {
    if (state.phase === 'ended') return
    const { phase, token, idleTimeout } = state
    const sequel = tombstone?.sequel
    this.noteEnd(token, sequel)
    if (sequel?.kind === 'renewed') this.goesOnElsewhere(state)
    else {
      this.end(state, sequel)
      if (!(phase === 'lost' || phase === 'renewed')) this.context.statistics.count('sessionsReleased')
      if (phase !== 'new') this.context.events.emitSession('destroyed', state, { elsewhere: true })
    }
    await this.endCopies(this.tombstoneOf(token, idleTimeout, sequel))
  }

  /** A tombstone was found of a session that is not in this server's memory: what other nodes still have of it ends too. */
  async endCopiesOf(token: string, { idleTimeout, sequel }: StoredRecord): Promise<void> {
    this.noteEnd(token, sequel)
    await this.endCopies(this.tombstoneOf(token, idleTimeout, sequel))
  }

  /** All sessions of its time have ended, so nothing has to be written. */
  endedAltogether(state: SessionState): void {
    const { phase } = state
    if (phase === 'ended') return
    this.end(state)
    this.context.statistics.count('sessionsDestroyed')
    if (phase !== 'new') this.context.events.emitSession('destroyed', state, { elsewhere: true })
  }

  /** Another server owns the session. */
  ownedElsewhere(state: SessionState): void {
    if (!state.lose()) return
    this.leaveMap(state)
    this.context.statistics.count('sessionsReleased')
    this.context.events.emitSession('released', state, { owner: state.owner })
  }

  /**
   * The stored copy goes too, if it is still the one that this server has written: another may have taken over. One that is being written
   * goes when it is there: see `takeBack`.
   */
  expire(state: SessionState): void {
    const { storedCopy: backup } = state
    const { ended, expired, clock, events, statistics } = this.context
    /* Until its copies are gone nobody who comes back may find them. */
    const until = clock.now() + REMEMBER_ENDED
    ended.add(state.token, until)
    expired.add(state.token, until)
    const underWay = this.queue.running(state)
    this.leaveMemory(state)
    statistics.count('sessionsExpired')
    events.emitSession('expired', state)
    /* What could not be read may be another server's newer copy. */
    const isOurs = backup?.section !== undefined && backup.node.state !== 'down'
    const removal = isOurs ? backup.node.delete(this.storage.key(state.keyDigest), backup.fence) : undefined
    const forget = () => ended.delete(state.token)
    void Promise.allSettled([removal, underWay]).then(forget)
  }

  private end(state: SessionState, sequel?: Sequel): void {
    this.leaveMemory(state)
    this.noteEnd(state.token, sequel)
  }

  private leaveMemory(state: SessionState): void {
    state.end()
    this.leaveMap(state)
    this.queue.drop(state)
  }

  private leaveMap(state: SessionState): void {
    this.context.local.remove(state)
    this.protector.forget(state)
  }

  /* Another server has renewed it: what was changed here belongs to it too. */
  private goesOnElsewhere(state: SessionState): void {
    if (state.renew()) this.context.statistics.count('sessionsReleased')
    this.leaveMap(state)
    if (!state.isHandedOver) this.queue.add(state)
  }

  /** What a node had of a session that has been renewed belongs to it too. */
  private handOn(token: string, idleTimeout: number, section: AttributeSection): void {
    const { clock } = this.context
    const now = clock.now()
    const times = { createdAt: now, accessedAt: now, idleTimeout, absoluteDeadline: 0 }
    const copy = new SessionState(token, undefined, times)
    copy.receive(section)
    copy.renew()
    this.queue.add(copy)
  }

  /* From now on requests that come with the token are answered from memory. */
  private noteEnd(token: string, sequel: Sequel | undefined): void {
    const { ended, renewed, replaced, clock } = this.context
    const now = clock.now()
    const isLate = sequel !== undefined && sequel.until > now
    if (isLate && sequel.kind === 'renewed') {
      renewed.add(token, sequel.until)
      return
    }
    renewed.delete(token)
    ended.add(token, now + REMEMBER_ENDED)
    if (isLate) replaced.add(token, sequel.until)
  }

  private sequelOf(kind: Sequel['kind']): Sequel {
    return { kind, until: this.context.clock.now() + LATE }
  }

  private tombstoneOf(token: string, idleTimeout: number, sequel: Sequel | undefined): Tombstone {
    const key = this.storage.key(tokenDigest(token))
    return { token, key, idleTimeout, deadline: this.storage.tombstoneDeadline(idleTimeout), sequel }
  }

  /* Most nodes have the tombstone already, or nothing: they are asked before anything is written. */
  private async endCopies(tombstone: Tombstone): Promise<void> {
    const { nodes } = this.context.placement
    const hasCopy = await Promise.all(nodes.map((node) => this.mayHaveCopy(node, tombstone.key)))
    await this.bury(
      tombstone,
      nodes.filter((_, i) => hasCopy[i]),
    )
  }

  private async mayHaveCopy(node: WatchedNode, key: string): Promise<boolean> {
    try {
      const found = await this.storage.read(node, key)
      return found !== undefined && found.record?.kind !== 'tombstone'
    } catch {
      return true
    }
  }

  /** Never rejects. @returns what was met on these nodes, and on all of them of the session that it goes on as, if that ends too. */
  private async bury(tombstone: Tombstone, nodes: readonly WatchedNode[] = this.context.placement.nodes): Promise<Met> {
    return this.meet(tombstone, await this.buryOnAll(tombstone, nodes))
  }

  private async buryOnAll(tombstone: Tombstone, nodes: readonly WatchedNode[]): Promise<Met> {
    const answers = await Promise.all(nodes.map((node) => this.buryOn(node, tombstone)))
    return answers.reduce(both, nothingMet)
  }

  private async buryOn(node: WatchedNode, tombstone: Tombstone): Promise<Met> {
    try {
      return await this.replaceOn(node, tombstone)
    } catch {
      this.pending.add(tombstone, node)
      return { ...nothingMet, isDurable: false }
    }
  }

  /**
   * The tombstone replaces exactly what was read: whatever others store before it is read, and what comes after it is refused. In the place of
   * another one it says nothing new, unless that one leads to a session that has ended now.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  private async replaceOn(node: WatchedNode, tombstone: Tombstone): Promise<Met> {
    let met = nothingMet
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const found = await this.storage.readTwice(node, tombstone.key)
      met = both(met, metIn(found?.record))
      const isToldAlready = met.wasEnded || (met.wasRenewed && tombstone.sequel?.kind === 'renewed')
      if (isToldAlready) return met
      if (await this.storage.writeTombstone(node, tombstone, found?.fence ?? 'absent')) return met
    }
    await this.storage.writeTombstone(node, tombstone)
    return met
  }

  /** An end and a renewal that were under way at once, or what was stored before the renewal was known. */
  private async meet(tombstone: Tombstone, met: Met): Promise<Met> {
    const { token, idleTimeout, sequel } = tombstone
    const isRenewal = sequel?.kind === 'renewed'
    if (isRenewal && !met.wasEnded && met.section !== emptySection) this.handOn(token, idleTimeout, met.section)
    if (isRenewal ? !met.wasEnded : !met.wasRenewed) return met
    return both(met, await this.endSuccessor(tombstone))
  }

  private async endSuccessor({ token, idleTimeout, sequel }: Tombstone): Promise<Met> {
    const { tokens, local, events } = this.context
    const next = tokens.successorOf(token)
    const end = sequel?.kind === 'renewed' ? undefined : sequel
    const state = local.get(next)
    const section = state?.section ?? emptySection
    if (state === undefined) this.noteEnd(next, end)
    else {
      this.end(state, end)
      events.emitSession('destroyed', state, { elsewhere: false })
    }
    const met = await this.bury(this.tombstoneOf(next, idleTimeout, end))
    return { ...met, section: joinSections(section, met.section) }
  }
}

function both(a: Met, b: Met): Met {
  return {
    isDurable: a.isDurable && b.isDurable,
    section: joinSections(a.section, b.section),
    wasEnded: a.wasEnded || b.wasEnded,
    wasRenewed: a.wasRenewed || b.wasRenewed,
  }
}

function metIn(record: StoredRecord | undefined): Met {
  if (record === undefined) return nothingMet
  if (record.kind === 'session') return { ...nothingMet, section: record.attributes }
  const isRenewed = record.sequel?.kind === 'renewed'
  return { ...nothingMet, wasEnded: !isRenewed, wasRenewed: isRenewed }
}
