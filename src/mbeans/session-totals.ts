import type { WatchedNode } from '../placement/watched-node.js'
import type { Managed } from './managed.js'

interface Count {
  byNode: ReadonlyMap<WatchedNode, number>
  activeRequests: number
  bytes: number
}

/** Milliseconds that one count serves: one that reads all attributes of all nodes causes one walk, not one for each. */
const MAX_AGE = 200

/** Figures of which some need a walk over the sessions that are remembered: made when somebody asks, at most five times a second. */
export class SessionTotals {
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
    const { activeRequests, bytes } = manager.context.local.tally
    return { byNode: manager.sessionsByNode(), activeRequests, bytes }
  }
}
