import type { WatchedNode } from '../placement/watched-node.js'
import type { Managed } from './managed.js'

interface Count {
  byNode: ReadonlyMap<WatchedNode, number>
  activeRequests: number
  bytes: number
}

/** Milliseconds that one count serves: one that reads all attributes of all nodes causes one walk, not one for each. */
const MAX_AGE = 200

/** Figures that need a walk over all sessions in memory: made when somebody asks, at most five times a second. */
export class Census {
  private readonly managed: Managed
  private count: Count | undefined
  private madeAt = 0

  constructor(managed: Managed) {
    this.managed = managed
  }

  get current(): Count {
    const now = performance.now()
    if (this.count === undefined || now - this.madeAt > MAX_AGE) {
      this.count = this.walk()
      this.madeAt = now
    }
    return this.count
  }

  private walk(): Count {
    const { manager } = this.managed
    let [activeRequests, bytes] = [0, 0]
    for (const state of manager.engine.local.values()) {
      activeRequests += state.activeRequests
      bytes += state.attributes.section.length
    }
    return { byNode: manager.sessionsByNode(), activeRequests, bytes }
  }
}
