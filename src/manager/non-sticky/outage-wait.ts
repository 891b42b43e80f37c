import { pauseInBackground } from '../../clock.js'
import type { ManagerContext } from '../context/manager-context.js'

/** Requests that wait at once; further ones are told at once that there is no storage. */
const MAX_WAITING = 10_000
/** Milliseconds between two looks at the nodes. */
const LOOK_AGAIN = 50

/**
 * What requests do that need storage while no node is up: for a moment, as a failover of Redis or a switch behind
 * a proxy takes, they wait. In an outage that lasts they don't.
 */
export class OutageWait {
  private readonly context: ManagerContext
  private looking: Promise<unknown> | undefined
  private waiting = 0

  constructor(context: ManagerContext) {
    this.context = context
  }

  /** When a wait that begins now is given up, on the monotonic clock. */
  get deadline(): number {
    return this.context.clock.monotonic() + this.patience
  }

  /** Milliseconds: one time-out for the operation that fails, one for the probe that does, three for another to take over and be found. */
  get patience(): number {
    return 5 * this.context.settings.operationTimeout
  }

  /**
   * An operation has failed for which there is no other node. Waits until one is up, if none is and that is new; for a moment, if
   * the only one is up: a part of it may be away, as a master of a cluster.
   * @returns whether another attempt is worth while.
   */
  async forNode(deadline: number): Promise<boolean> {
    if (this.context.clock.monotonic() >= deadline || this.waiting >= MAX_WAITING) return false
    if (this.isUp && this.context.placement.size > 1) return false
    this.context.statistics.count('outageWaits')
    this.waiting++
    try {
      return await this.lookUntil(deadline)
    } finally {
      this.waiting--
    }
  }

  private async lookUntil(deadline: number): Promise<boolean> {
    const { placement } = this.context
    while ((placement.failedRecently() || this.isUp) && this.context.clock.monotonic() < deadline) {
      this.looking ??= this.look().finally(() => {
        this.looking = undefined
      })
      await Promise.race([
        this.looking,
        pauseInBackground(this.context.clock, deadline - this.context.clock.monotonic()),
      ])
      if (this.isUp) return true
    }
    return false
  }

  private get isUp(): boolean {
    return this.context.placement.nodes.some((node) => node.state === 'up' && !node.draining)
  }

  /* One look for all who wait; a node that hangs doesn't hold up the look at the others. */
  private look(): Promise<unknown> {
    const checks = this.context.placement.nodes.map((node) => node.check())
    return Promise.race(checks).then(() => pauseInBackground(this.context.clock, LOOK_AGAIN))
  }
}
