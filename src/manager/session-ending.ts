import type { SessionState } from '../local/session-state.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { SaveQueue } from '../write-behind/save-queue.js'
import type { Engine } from './engine.js'
import type { Protector, Tombstone } from './protector.js'
import type { SessionStorage } from './session-storage.js'

/** How long late requests for an ended session are answered from memory, in milliseconds. */
const REMEMBER_ENDED = 60_000

/** The ways in which a session leaves this server's memory: destroyed, expired, ended or owned elsewhere. */
export class SessionEnding {
  private readonly engine: Engine
  private readonly storage: SessionStorage
  private readonly queue: SaveQueue
  private readonly protector: Protector

  constructor(engine: Engine, storage: SessionStorage, queue: SaveQueue, protector: Protector) {
    this.engine = engine
    this.storage = storage
    this.queue = queue
    this.protector = protector
  }

  /**
   * Ends a session everywhere; resolves when the storage has answered, or can't.
   * @param places nodes that may have a copy, beside those that the session itself knows of.
   */
  async destroy(state: SessionState, places: readonly WatchedNode[] = []): Promise<void> {
    if (!(await this.endEverywhere(state, places, 'sessionsDestroyed'))) return
    this.engine.events.emitSession('destroyed', state, { elsewhere: false })
  }

  /**
   * Ends a session before its time as if that were over. Unlike one that expires by itself it may be in the memory of other
   * servers, which must not bring it back: so it is ended everywhere.
   * @param places see `destroy`.
   */
  async expireEarly(state: SessionState, places: readonly WatchedNode[] = []): Promise<void> {
    if (!(await this.endEverywhere(state, places, 'sessionsExpired'))) return
    this.engine.events.emitSession('expired', state)
  }

  /** @returns whether there was anything to end. */
  private async endEverywhere(
    state: SessionState,
    places: readonly WatchedNode[],
    counter: 'sessionsDestroyed' | 'sessionsExpired',
  ): Promise<boolean> {
    const { statistics } = this.engine
    const { phase } = state
    if (phase === 'ended') return false
    const mayBeStored = state.savedVersion > 0 || state.sent
    this.end(state)
    if (phase === 'new') return false
    statistics.count(counter)
    const started = this.engine.clock.monotonic()
    if (mayBeStored) await this.bury(state, places)
    statistics.record('delete', this.engine.clock.monotonic() - started)
    return true
  }

  /** A copy that was let go, of a session that has been ended by now. */
  forget(state: SessionState): void {
    this.leaveMemory(state)
  }

  /** A tombstone was found in the storage; or a session that another server owned can't be found there any more. */
  endedElsewhere(state: SessionState): void {
    if (state.phase === 'ended') return
    const { phase } = state
    this.end(state)
    if (phase !== 'lost') this.engine.statistics.count('sessionsReleased')
    if (phase !== 'new') this.engine.events.emitSession('destroyed', state, { elsewhere: true })
  }

  /** Another server owns the session. */
  ownedElsewhere(state: SessionState, owner: string): void {
    if (state.phase !== 'live') return
    state.phase = 'lost'
    this.engine.local.remove(state)
    this.protector.forget(state)
    this.engine.statistics.count('sessionsReleased')
    this.engine.events.emitSession('released', state, { owner })
  }

  /** The stored copy goes too, if it is still the one that this server has written: another may have taken over. */
  expire(state: SessionState): void {
    const { backup } = state
    this.leaveMemory(state)
    this.engine.statistics.count('sessionsExpired')
    this.engine.events.emitSession('expired', state)
    /* Version 0: what stands there could not be read, and may be another server's newer copy. */
    if (backup === undefined || backup.version === 0 || backup.node.state === 'down') return
    /* Until its copy is gone nobody who comes back may find it there. */
    const { ended, clock } = this.engine
    ended.add(state.token, clock.now() + REMEMBER_ENDED)
    const forget = () => ended.delete(state.token)
    backup.node.delete(this.storage.key(state.keyDigest), backup.token).then(forget, forget)
  }

  private end(state: SessionState): void {
    this.leaveMemory(state)
    this.engine.ended.add(state.token, this.engine.clock.now() + REMEMBER_ENDED)
  }

  private leaveMemory(state: SessionState): void {
    state.phase = 'ended'
    this.engine.local.remove(state)
    this.queue.drop(state)
    this.protector.forget(state)
  }

  /** Puts a tombstone wherever a copy may be: nobody brings the session back before every copy has expired. */
  private async bury(state: SessionState, alsoOn: readonly WatchedNode[]): Promise<void> {
    const tombstone: Tombstone = {
      key: this.storage.key(state.keyDigest),
      version: state.version + 1,
      deadline: this.storage.tombstoneDeadline(state.idleTimeout),
    }
    const places = new Set<WatchedNode>([...alsoOn, ...(state.leftBehind ?? [])])
    if (state.node !== undefined) places.add(state.node)
    if (state.backup !== undefined) places.add(state.backup.node)
    const answers = await Promise.all([...places].map((node) => this.buryOn(node, tombstone)))
    if (answers.includes(true)) return
    const substitute = this.engine.placement.choose(state.token)
    if (substitute !== undefined && !places.has(substitute)) await this.buryOn(substitute, tombstone)
    else if (places.size === 0) this.protector.keepTombstone(tombstone, undefined)
  }

  private async buryOn(node: WatchedNode, tombstone: Tombstone): Promise<boolean> {
    try {
      await this.storage.writeTombstone(node, tombstone)
      return true
    } catch {
      this.protector.keepTombstone(tombstone, node)
      return false
    }
  }
}
