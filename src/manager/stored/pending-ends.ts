import { pause } from '../../clock.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { BackgroundWork } from '../context/background-work.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { Tombstone } from './record-store.js'

/** Ends written to one node at once. */
const BATCH = 64
/** Milliseconds between two attempts of a flush. */
const FLUSH_PAUSE = 50
/** So many ends that nodes have not taken are kept; what goes beyond is counted and logged. */
const MAX_PENDING = 100_000

/** Ends of sessions that some node has not taken yet: kept until it has, or until nobody can have the session any more. */
export class PendingEnds {
  private readonly context: ManagerContext
  private readonly writeEnd: (node: WatchedNode, tombstone: Tombstone) => Promise<void>
  private readonly byNode = new Map<WatchedNode, Map<string, Tombstone>>()
  private readonly writing = new Set<WatchedNode>()
  private readonly work: BackgroundWork
  private closed = false

  /** @param writeEnd writes one; rejects when the node has not taken it */
  constructor(context: ManagerContext, writeEnd: (node: WatchedNode, tombstone: Tombstone) => Promise<void>) {
    this.context = context
    this.writeEnd = writeEnd
    this.work = new BackgroundWork(context, (budget) => this.step(budget))
  }

  get size(): number {
    let size = 0
    for (const ends of this.byNode.values()) size += ends.size
    return size
  }

  add(tombstone: Tombstone, node: WatchedNode): void {
    if (this.closed) return
    this.context.statistics.count('tombstonesPending')
    const ends = this.byNode.get(node) ?? new Map<string, Tombstone>()
    this.byNode.set(node, ends.set(tombstone.key, tombstone))
    if (this.size > MAX_PENDING) this.dropOldest(ends)
    this.work.wake()
  }

  /**
   * Writes all that can be written. A node that is away is given as long as an operation: it may be back, with nobody having
   * noticed yet.
   */
  async flush(): Promise<void> {
    const { clock, settings } = this.context
    const deadline = clock.monotonic() + settings.operationTimeout
    for (;;) {
      this.dropGone()
      await Promise.all(Array.from(this.byNode, ([node, ends]) => this.flushTo(node, ends)))
      if (this.size === 0 || this.closed || clock.monotonic() >= deadline) return
      await pause(clock, FLUSH_PAUSE)
    }
  }

  close(): void {
    this.closed = true
    this.work.close()
    this.byNode.clear()
  }

  private step(budget: number): boolean {
    this.dropGone()
    for (const [node, ends] of this.byNode) {
      if (node.state !== 'down' && !this.writing.has(node)) void this.write(node, ends, Math.min(budget, BATCH))
    }
    return this.size > 0
  }

  private async flushTo(node: WatchedNode, ends: Map<string, Tombstone>): Promise<void> {
    this.dropExpired(ends)
    if (ends.size > 0 && node.state !== 'up') await node.check()
    for (let left = ends.size; left > 0 && node.state !== 'down'; left -= BATCH) await this.write(node, ends, BATCH)
  }

  private async write(node: WatchedNode, ends: Map<string, Tombstone>, limit: number): Promise<void> {
    this.writing.add(node)
    const due: Tombstone[] = []
    for (const tombstone of ends.values()) if (due.push(tombstone) >= limit) break
    await Promise.all(due.map((tombstone) => this.writeOne(node, ends, tombstone)))
    this.writing.delete(node)
  }

  /* It counts as pending until the node has answered. What the node did not take goes behind the others, and does not hold them up. */
  private async writeOne(node: WatchedNode, ends: Map<string, Tombstone>, tombstone: Tombstone): Promise<void> {
    const isOver =
      tombstone.deadline <= this.context.clock.now() ||
      (await this.writeEnd(node, tombstone).then(
        () => true,
        () => false,
      ))
    /* Ended once more meanwhile: that one is still to be written. */
    if (ends.get(tombstone.key) !== tombstone) return
    ends.delete(tombstone.key)
    if (!isOver) ends.set(tombstone.key, tombstone)
  }

  /* Nodes that were taken out of the configuration, and closed. */
  private dropGone(): void {
    for (const node of this.byNode.keys()) if (!this.context.placement.nodes.includes(node)) this.byNode.delete(node)
  }

  private dropExpired(ends: Map<string, Tombstone>): void {
    const now = this.context.clock.now()
    for (const [key, { deadline }] of ends) if (deadline <= now) ends.delete(key)
  }

  private dropOldest(ends: Map<string, Tombstone>): void {
    const oldest = ends.keys().next()
    if (oldest.done) return
    ends.delete(oldest.value)
    const { statistics, log, settings } = this.context
    statistics.count('endsDropped')
    const message = `more than ${MAX_PENDING} ends of sessions wait for storage nodes that are away: the oldest is given up, and that session may come back with its node`
    log.write('ends dropped', message, (m) => settings.logger.error(m))
  }
}
