import type { Timer } from '../../clock.js'
import type { Engine } from './engine.js'

const TICK = 50

/**
 * Does work in the background bit by bit, at the rate of `backup.protectRate`, for as long as there is some. The process need not wait
 * for it.
 */
export class BackgroundWork {
  private readonly engine: Engine
  private readonly step: (budget: number) => boolean
  private timer: Timer | undefined
  private closed = false

  /** @param step does at most so much, and tells whether there is more. */
  constructor(engine: Engine, step: (budget: number) => boolean) {
    this.engine = engine
    this.step = step
  }

  /** There is something to do. */
  wake(): void {
    if (this.timer !== undefined || this.closed) return
    this.timer = this.engine.clock.setInterval(() => this.tick(), TICK)
    this.timer.unref()
  }

  close(): void {
    this.closed = true
    this.rest()
  }

  private tick(): void {
    const budget = Math.max(1, Math.round((this.engine.settings.backup.protectRate * TICK) / 1000))
    if (!this.step(budget)) this.rest()
  }

  private rest(): void {
    this.engine.clock.clearInterval(this.timer)
    this.timer = undefined
  }
}
