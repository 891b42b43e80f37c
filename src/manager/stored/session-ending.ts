import type { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { type AttributeSection, emptySection, joinSections } from '../../record/attribute-section.js'
import type { StoredRecord } from '../../record/record-format.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { SaveQueue } from '../../write-behind/save-queue.js'
import type { Engine } from '../context/engine.js'
import type { PendingEnds } from './pending-ends.js'
import type { Protector } from './protector.js'
import type { RecordStore, Tombstone } from './record-store.js'

/** How long late requests for an ended session are answered from memory, in milliseconds. */
const REMEMBER_ENDED = 60_000
/** How often an end may be overtaken by changes that it is to take along. */
const MAX_ROUNDS = 8

/** The ways in which a session leaves this server's memory: destroyed, expired, ended or owned elsewhere. */
export class SessionEnding {
  private readonly engine: Engine
  private readonly storage: RecordStore
  private readonly queue: SaveQueue
  private readonly protector: Protector
  private readonly pending: PendingEnds

  constructor(engine: Engine, storage: RecordStore, queue: SaveQueue, protector: Protector, pending: PendingEnds) {
    this.engine = engine
    this.storage = storage
    this.queue = queue
    this.protector = protector
    this.pending = pending
  }

  /**
   * Ends a session on every node; resolves when each has answered, or can't.
   * @returns whether all have taken the end. What one has not is written when it answers again.
   */
  async destroy(given: SessionState): Promise<boolean> {
    const state = this.currentOf(given)
    const ended = await this.endEverywhere(state, 'sessionsDestroyed')
    if (ended === undefined) return true
    this.engine.events.emitSession('destroyed', state, { elsewhere: false })
    return ended
  }

  /**
   * Ends a session on every node, for another one that takes its place.
   * @returns its attributes, with all that others have stored of it until it was ended; `undefined`: it had ended before.
   */
  async replace(given: SessionState): Promise<AttributeSection | undefined> {
    const state = this.currentOf(given)
    const { phase, mayBeStored } = state
    if (phase === 'ended') return undefined
    const section = joinSections(state.section, given.pending())
    this.end(state)
    if (phase === 'new') return section
    const { statistics, clock, events, placement } = this.engine
    const started = clock.monotonic()
    const tombstone = this.tombstoneOf(state)
    const stored = mayBeStored ? await Promise.all(placement.nodes.map((node) => this.replaceOn(node, tombstone))) : []
    statistics.record('delete', clock.monotonic() - started)
    if (stored.includes(undefined)) return undefined
    statistics.count('sessionsDestroyed')
    events.emitSession('destroyed', state, { elsewhere: false })
    return (stored as AttributeSection[]).reduce(joinSections, section)
  }

  /**
   * Ends a session before its time as if that were over. Unlike one that expires by itself it may be in the memory of other
   * servers, which must not bring it back: so it is ended everywhere.
   */
  async expireEarly(given: SessionState): Promise<void> {
    const state = this.currentOf(given)
    if ((await this.endEverywhere(state, 'sessionsExpired')) === undefined) return
    this.engine.events.emitSession('expired', state)
  }

  /** @returns whether every node has taken the end; `undefined`: there was nothing to end. */
  private async endEverywhere(
    state: SessionState,
    counter: 'sessionsDestroyed' | 'sessionsExpired',
  ): Promise<boolean | undefined> {
    const { statistics, clock } = this.engine
    const { phase, mayBeStored } = state
    if (phase === 'ended') return undefined
    this.end(state)
    if (phase === 'new') return undefined
    statistics.count(counter)
    const started = clock.monotonic()
    const isDurable = !mayBeStored || (await this.bury(this.tombstoneOf(state), this.engine.placement.nodes))
    statistics.record('delete', clock.monotonic() - started)
    return isDurable
  }

  /* Whoever ends an older copy, of a socket say, ends the session that requests work with here. */
  private currentOf(given: SessionState): SessionState {
    const current = this.engine.local.get(given.token) ?? given
    if (current !== given) this.forget(given)
    return current
  }

  /** A copy that was let go, of a session that has been ended by now. */
  forget(state: SessionState): void {
    this.leaveMemory(state)
  }

  /**
   * A tombstone was found in the storage; or a session that another server owned can't be found there any more.
   * Resolves when copies of the session that other nodes still have, ours of a moment ago among them, are ended too.
   */
  async endedElsewhere(state: SessionState): Promise<void> {
    if (state.phase === 'ended') return
    const { phase } = state
    this.end(state)
    if (phase !== 'lost') this.engine.statistics.count('sessionsReleased')
    if (phase !== 'new') this.engine.events.emitSession('destroyed', state, { elsewhere: true })
    await this.endCopies(this.tombstoneOf(state))
  }

  /** A tombstone was found of a session that is not in this server's memory: what other nodes still have of it ends too. */
  endCopiesOf(token: string, { idleTimeout }: StoredRecord): Promise<void> {
    const key = this.storage.key(tokenDigest(token))
    return this.endCopies({ key, idleTimeout, deadline: this.storage.tombstoneDeadline(idleTimeout) })
  }

  /** All sessions of its time have ended, so nothing has to be written. */
  endedAltogether(state: SessionState): void {
    const { phase } = state
    if (phase === 'ended') return
    this.end(state)
    this.engine.statistics.count('sessionsDestroyed')
    if (phase !== 'new') this.engine.events.emitSession('destroyed', state, { elsewhere: true })
  }

  /** Another server owns the session. */
  ownedElsewhere(state: SessionState): void {
    if (!state.lose()) return
    this.engine.local.remove(state)
    this.protector.forget(state)
    this.engine.statistics.count('sessionsReleased')
    this.engine.events.emitSession('released', state, { owner: state.owner })
  }

  /**
   * The stored copy goes too, if it is still the one that this server has written: another may have taken over. One that is being written
   * goes when it is there: see `takeBack`.
   */
  expire(state: SessionState): void {
    const { backup } = state
    const { ended, expired, clock, events, statistics } = this.engine
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
    const removal = isOurs ? backup.node.delete(this.storage.key(state.keyDigest), backup.token) : undefined
    const forget = () => ended.delete(state.token)
    void Promise.allSettled([removal, underWay]).then(forget)
  }

  private end(state: SessionState): void {
    this.leaveMemory(state)
    this.engine.ended.add(state.token, this.engine.clock.now() + REMEMBER_ENDED)
  }

  private leaveMemory(state: SessionState): void {
    state.end()
    this.engine.local.remove(state)
    this.queue.drop(state)
    this.protector.forget(state)
  }

  private tombstoneOf({ keyDigest, idleTimeout }: SessionState): Tombstone {
    return {
      key: this.storage.key(keyDigest),
      idleTimeout,
      deadline: this.storage.tombstoneDeadline(idleTimeout),
    }
  }

  /* Most nodes have the tombstone already, or nothing: they are asked before anything is written. */
  private async endCopies(tombstone: Tombstone): Promise<void> {
    const { nodes } = this.engine.placement
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

  /**
   * The tombstone replaces exactly what was read: whatever others store before it is read, and what comes after it is refused.
   * @returns what was there; `undefined`: the session had been ended. Never rejects.
   */
  private async replaceOn(node: WatchedNode, tombstone: Tombstone): Promise<AttributeSection | undefined> {
    let section = emptySection
    try {
      for (let round = 0; round < MAX_ROUNDS; round++) {
        const found = await this.storage.readTwice(node, tombstone.key)
        if (found?.record?.kind === 'tombstone') return undefined
        if (found?.record !== undefined) section = joinSections(section, found.record.attributes)
        if (await this.storage.writeTombstone(node, tombstone, found?.token ?? 'absent')) return section
      }
      await this.storage.writeTombstone(node, tombstone)
    } catch {
      this.pending.add(tombstone, node)
    }
    return section
  }

  /** @returns whether all of these nodes have taken it. */
  private async bury(tombstone: Tombstone, nodes: readonly WatchedNode[]): Promise<boolean> {
    const answers = await Promise.all(nodes.map((node) => this.buryOn(node, tombstone)))
    return !answers.includes(false)
  }

  private async buryOn(node: WatchedNode, tombstone: Tombstone): Promise<boolean> {
    try {
      await this.storage.writeTombstone(node, tombstone)
      return true
    } catch {
      this.pending.add(tombstone, node)
      return false
    }
  }
}
