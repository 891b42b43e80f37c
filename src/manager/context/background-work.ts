import type { Timer } from '../../clock.js'
import type { ManagerContext } from './manager-context.js'

const TICK = 50

/**
 * Does work in the background bit by bit, at the rate of `backup.protectRate`, for as long as there is some. The process need not wait
 * for it.
 */
export class BackgroundWork {
  private readonly context: ManagerContext
  private readonly step: (budget: number) => boolean
  private timer: Timer | undefined
  private closed = false

  /** @param step does at most so much, and tells whether there is more. */
  constructor(context: ManagerContext, step: (budget: number) => boolean) {
    this.context = context
    this.step = step
  }

  /** There is something to do. */
  wake(): void {
    if (this.timer !== undefined || this.closed) return
    this.timer = this.context.clock.setInterval(() => this.tick(), TICK)
    this.timer.unref()
  }

  close(): void {
    this.closed = true
    this.rest()
  }

  private tick(): void {
    const budget = Math.max(1, Math.round((this.context.settings.backup.protectRate * TICK) / 1000))
    if (!this.step(budget)) this.rest()
  }

  private rest(): void {
    this.context.clock.clearInterval(this.timer)
    this.timer = undefined
  }
}
