import { pauseInBackground } from '../../clock.js'
import type { Engine } from '../context/engine.js'

/** Requests that wait at once; further ones are told at once that there is no storage. */
const MAX_WAITING = 10_000
/** Milliseconds between two looks at the nodes. */
const LOOK_AGAIN = 50

/**
 * What requests do that need storage while no node is up: for a moment, as a failover of Redis or a switch behind
 * a proxy takes, they wait. In an outage that lasts they don't.
 */
export class OutageWait {
  private readonly engine: Engine
  private looking: Promise<unknown> | undefined
  private waiting = 0

  constructor(engine: Engine) {
    this.engine = engine
  }

  /** When a wait that begins now is given up, on the monotonic clock. */
  get deadline(): number {
    return this.engine.clock.monotonic() + this.patience
  }

  /** Milliseconds: one time-out for the operation that fails, one for the probe that does, three for another to take over and be found. */
  get patience(): number {
    return 5 * this.engine.settings.operationTimeout
  }

  /**
   * An operation has failed for which there is no other node. Waits until one is up, if none is and that is new; for a moment, if
   * the only one is up: a part of it may be away, as a master of a cluster.
   * @returns whether another attempt is worth while.
   */
  async forNode(deadline: number): Promise<boolean> {
    if (this.engine.clock.monotonic() >= deadline || this.waiting >= MAX_WAITING) return false
    if (this.isUp && this.engine.placement.size > 1) return false
    this.engine.statistics.count('outageWaits')
    this.waiting++
    try {
      return await this.lookUntil(deadline)
    } finally {
      this.waiting--
    }
  }

  private async lookUntil(deadline: number): Promise<boolean> {
    const { placement } = this.engine
    while ((placement.failedRecently() || this.isUp) && this.engine.clock.monotonic() < deadline) {
      this.looking ??= this.look().finally(() => {
        this.looking = undefined
      })
      await Promise.race([this.looking, pauseInBackground(this.engine.clock, deadline - this.engine.clock.monotonic())])
      if (this.isUp) return true
    }
    return false
  }

  private get isUp(): boolean {
    return this.engine.placement.nodes.some((node) => node.state === 'up' && !node.draining)
  }

  /* One look for all who wait; a node that hangs doesn't hold up the look at the others. */
  private look(): Promise<unknown> {
    const checks = this.engine.placement.nodes.map((node) => node.check())
    return Promise.race(checks).then(() => pauseInBackground(this.engine.clock, LOOK_AGAIN))
  }
}
