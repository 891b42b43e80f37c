import { pause, type Timer } from '../clock.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { Engine } from './engine.js'
import type { SessionStorage, Tombstone } from './session-storage.js'

interface PendingEnd {
  tombstone: Tombstone
  node: WatchedNode
}

const TICK = 50
/** Ends written at once. */
const BATCH = 64
/** So many ends that nodes have not taken are kept; what goes beyond is counted and logged. */
const MAX_PENDING = 100_000

/** Ends of sessions that some node has not taken yet: kept until it has, or until nobody can have the session any more. */
export class PendingEnds {
  private readonly engine: Engine
  private readonly storage: SessionStorage
  private readonly ends = new Map<string, PendingEnd>()
  private timer: Timer | undefined
  private writing = false
  private closed = false

  constructor(engine: Engine, storage: SessionStorage) {
    this.engine = engine
    this.storage = storage
  }

  get size(): number {
    return this.ends.size
  }

  add(tombstone: Tombstone, node: WatchedNode): void {
    if (this.closed) return
    this.engine.statistics.count('tombstonesPending')
    this.ends.set(nameOf({ tombstone, node }), { tombstone, node })
    if (this.ends.size > MAX_PENDING) this.dropOldest()
    this.wake()
  }

  /**
   * Writes all that can be written. A node that is away is given as long as an operation: it may be back, with nobody having
   * noticed yet.
   */
  async flush(): Promise<void> {
    const { clock, settings } = this.engine
    const deadline = clock.monotonic() + settings.operationTimeout
    for (;;) {
      const nodes = new Set(Array.from(this.ends.values(), ({ node }) => node))
      await Promise.all(Array.from(nodes, (node) => (node.state === 'up' ? undefined : node.check())))
      await this.writeAll()
      if (this.ends.size === 0 || this.closed || clock.monotonic() >= deadline) return
      await pause(clock, TICK)
    }
  }

  close(): void {
    this.closed = true
    this.rest()
    this.ends.clear()
  }

  private wake(): void {
    if (this.timer !== undefined) return
    this.timer = this.engine.clock.setInterval(() => void this.tick(), TICK)
    this.timer.unref()
  }

  private rest(): void {
    this.engine.clock.clearInterval(this.timer)
    this.timer = undefined
  }

  private async writeAll(): Promise<void> {
    const due = this.due(Number.POSITIVE_INFINITY)
    for (let at = 0; at < due.length; at += BATCH) {
      await Promise.all(due.slice(at, at + BATCH).map((end) => this.write(end)))
    }
  }

  private async tick(): Promise<void> {
    if (this.writing) return
    this.writing = true
    await Promise.all(this.due(BATCH).map((end) => this.write(end)))
    this.writing = false
    if (this.ends.size === 0) this.rest()
  }

  /** Those whose node answers. What nobody needs any more goes. */
  private due(limit: number): PendingEnd[] {
    const { clock, placement } = this.engine
    const due: PendingEnd[] = []
    for (const [name, end] of this.ends) {
      if (due.length >= limit) break
      const isOver = end.tombstone.deadline <= clock.now() || !placement.nodes.includes(end.node)
      if (isOver) this.ends.delete(name)
      else if (end.node.state !== 'down') due.push(end)
    }
    return due
  }

  private async write(end: PendingEnd): Promise<void> {
    try {
      await this.storage.writeTombstone(end.node, end.tombstone)
      this.ends.delete(nameOf(end))
    } catch {
      /* The node is away again: the end stays. */
    }
  }

  private dropOldest(): void {
    const oldest = this.ends.keys().next()
    if (oldest.done) return
    this.ends.delete(oldest.value)
    const { statistics, log, settings } = this.engine
    statistics.count('endsDropped')
    const message = `more than ${MAX_PENDING} ends of sessions wait for storage nodes that are away: the oldest is given up, and that session may come back with its node`
    log.write('ends dropped', message, (m) => settings.logger.error(m))
  }
}

function nameOf({ tombstone, node }: PendingEnd): string {
  return `${node.address}/${tombstone.key}`
}
