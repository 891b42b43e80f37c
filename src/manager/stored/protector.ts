import type { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { covers } from '../../record/attribute-section.js'
import type { SaveQueue } from '../../write-behind/save-queue.js'
import type { SessionMerger } from '../content/session-merger.js'
import { BackgroundWork } from '../context/background-work.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { RecordStore } from './record-store.js'
import type { SessionLines } from './session-lines.js'
import type { FoundSession } from './session-look-up.js'

/** One walk over all local sessions; yields for each whether something had to be done. */
interface Walk {
  name: string
  sessions: Iterator<SessionState>
  visit: (state: SessionState) => boolean
}

/** Milliseconds between two attempts at a session that no node could take although one is up. */
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000
/** Sessions looked at in one tick: most need nothing, and the event loop belongs to the requests. */
const MAX_VISITS = 2000

/**
 * Keeps idle sessions protected: when a node goes down its sessions are backed up elsewhere, when one returns empty they are
 * stored again, when none was up they are stored as soon as one is. In the background, at a bounded rate.
 */
export class Protector {
  private readonly context: ManagerContext
  private readonly storage: RecordStore
  private readonly queue: SaveQueue
  private readonly merger: SessionMerger
  private readonly lines: SessionLines
  /** With the time before which they are not tried again. */
  private readonly parked = new Map<SessionState, number>()
  private readonly walks = new Map<string, Walk>()
  private readonly work: BackgroundWork

  constructor(
    context: ManagerContext,
    storage: RecordStore,
    queue: SaveQueue,
    merger: SessionMerger,
    lines: SessionLines,
  ) {
    this.lines = lines
    this.context = context
    this.storage = storage
    this.queue = queue
    this.merger = merger
    this.work = new BackgroundWork(context, (budget) => this.step(budget))
  }

  /** Sessions that no storage node has, as none could take them. */
  get unprotected(): number {
    return this.parked.size
  }

  /** Walks over the local sessions that are not done. */
  get isBusy(): boolean {
    return this.walks.size > 0
  }

  /** A session that can't be stored now: when a node can take it, it is. */
  park(state: SessionState): void {
    const { clock, placement } = this.context
    const pause = state.failed(FIRST_PAUSE, LONGEST_PAUSE)
    this.parked.set(state, placement.anyUp ? clock.now() + pause : 0)
    this.work.wake()
  }

  forget(state: SessionState): void {
    this.parked.delete(state)
  }

  /**
   * Moves everything off a node that is down or being drained, or a failover node that is not needed any more, as far as
   * there is another; to be called again when there is.
   */
  evacuate(node: WatchedNode): void {
    const { placement } = this.context
    this.walk(`evacuate ${node.address}`, (state) => {
      if (state.node !== node || !placement.shouldLeave(node) || !placement.anyUp) return false
      this.queue.add(state)
      return true
    })
  }

  /** Stores everything again whose only copy was on a node that has lost it. */
  refill(node: WatchedNode): void {
    this.walk(`refill ${node.address}`, (state) => {
      if (state.storedCopy?.node !== node) return false
      state.forgetStored()
      this.context.statistics.count('restores')
      this.context.events.emitSession('restored', state, { node: node.id })
      this.queue.add(state)
      return true
    })
  }

  /** Stores every session that no node has. */
  protectAll(): void {
    this.walk('protect all', (state) => {
      if (state.isSaved || state.isBlank) return false
      this.queue.add(state)
      return true
    })
  }

  /** Removes older copies that stayed behind on a node while it was away. */
  cleanUp(node: WatchedNode): void {
    this.walk(`clean up ${node.address}`, (state) => {
      if (!state.leftBehind?.has(node)) return false
      void this.lines.run(state, () => this.removeOlder(state, node))
      return true
    })
  }

  /** A node has returned: parked sessions need not wait longer. */
  retryNow(): void {
    for (const state of this.parked.keys()) this.parked.set(state, 0)
    this.work.wake()
  }

  /** Removes the older copies that one session has left behind, where that is possible now. */
  cleanUpAfter(state: SessionState): void {
    for (const node of state.leftBehind ?? [])
      if (node.state === 'up') void this.lines.run(state, () => this.removeOlder(state, node))
  }

  /** Puts parked sessions back into the queue, without regard to the rate; for a flush. */
  unparkAll(): void {
    if (!this.context.placement.anyUp) return
    this.retryNow()
    for (const state of this.takeParked(Number.POSITIVE_INFINITY)) this.queue.add(state)
  }

  close(): void {
    this.work.close()
    this.walks.clear()
    this.parked.clear()
  }

  private walk(name: string, visit: (state: SessionState) => boolean): void {
    this.walks.set(name, { name, sessions: this.context.local.values(), visit })
    this.work.wake()
  }

  /** @returns whether there is more to do. */
  private step(limit: number): boolean {
    if (!this.queue.hasRoom) return true
    let budget = limit
    for (const walk of this.walks.values()) budget = this.advance(walk, budget)
    if (this.context.placement.anyUp) for (const state of this.takeParked(budget)) this.queue.add(state)
    return this.walks.size + this.parked.size > 0
  }

  private advance(walk: Walk, budget: number): number {
    let left = budget
    for (let visits = 0; left > 0 && visits < MAX_VISITS; visits++) {
      const next = walk.sessions.next()
      if (next.done) {
        this.walks.delete(walk.name)
        return left
      }
      if (walk.visit(next.value)) left--
    }
    return left
  }

  private takeParked(limit: number): SessionState[] {
    const taken: SessionState[] = []
    const now = this.context.clock.now()
    for (const [state, notBefore] of this.parked) {
      if (taken.length >= limit) break
      if (notBefore <= now) taken.push(state)
    }
    for (const state of taken) this.parked.delete(state)
    return taken.filter((state) => state.phase === 'live' || state.isLetGo)
  }

  /* The copy is removed only as it was seen: a newer one that somebody writes meanwhile stays. */
  private async removeOlder(state: SessionState, node: WatchedNode): Promise<void> {
    if (state.node === node) {
      state.cleanedUp(node)
      return
    }
    try {
      const key = this.storage.key(state.keyDigest)
      const found = await this.storage.read(node, key)
      if (found?.record?.kind === 'session' && !(await this.replaces(state, found as FoundSession))) return
      state.cleanedUp(node)
    } catch {
      /* It stays noted; the next return of the node is the next try. */
    }
  }

  /* What is stored counts, not what waits for its turn. What the other copy has beyond it is taken first. */
  private async replaces(state: SessionState, { node, fence, record }: FoundSession): Promise<boolean> {
    const { storedCopy: backup } = state
    if (state.phase !== 'live' || backup?.section === undefined) return false
    if (covers(backup.section, record.attributes)) {
      return this.storage.removeCopy(node, record.key, fence, [backup.node])
    }
    if (this.merger.absorb(state, record)) this.queue.add(state)
    return false
  }
}
