import type { Clock, Timer } from '../clock.js'
import type { RandomSource } from '../random.js'

export type HealthState = 'up' | 'suspect' | 'down'

export interface NodeHealthOptions {
  clock: Clock
  random: RandomSource
  /** One cheap round trip; rejects when the node does not work. Must be bounded in time. */
  probe: () => Promise<void>
  /** Milliseconds between two probes; asked anew each time. */
  interval: () => number
  onDown: () => void
  onUp: () => void
}

/** Failed operations in a row that mark a node down although each probe between them succeeded. */
const FAILURES_IN_A_ROW = 5
const JITTER = 0.2

/**
 * The breaker of one node. A failure alone proves little (one slow operation, one session too many): it makes the node
 * suspect and starts a probe at once; only when that fails too is the node down. Probes run in the background, outside
 * of requests, also while all is well, so that the death of a node that nobody uses at the moment is noticed.
 */
export class NodeHealth {
  state: HealthState = 'up'
  private downSince = 0
  private readonly options: NodeHealthOptions
  private failures = 0
  private quiet = true
  private probing: Promise<void> | undefined
  private timer: Timer | undefined
  private closed = false

  constructor(options: NodeHealthOptions) {
    this.options = options
  }

  /** Begins to probe, the first time at once. */
  start(): void {
    void this.check()
    this.schedule()
  }

  /** An operation got its answer. */
  succeeded(): void {
    this.quiet = false
    this.failures = 0
    if (this.state === 'suspect') this.state = 'up'
  }

  /** An operation got no usable answer. Those that fail together, as at a lost connection, count once. */
  failed(): void {
    if (this.state !== 'up' || this.closed) return
    this.failures++
    this.state = 'suspect'
    if (this.failures >= FAILURES_IN_A_ROW) this.goDown()
    else void this.check()
  }

  /** Probes until it is known whether the node is up or down. Never rejects. */
  check(): Promise<void> {
    this.probing ??= this.probe().finally(() => {
      this.probing = undefined
    })
    return this.probing
  }

  /** Milliseconds since the node went down; 0 while it is not. */
  downFor(): number {
    return this.state === 'down' ? this.options.clock.monotonic() - this.downSince : 0
  }

  close(): void {
    this.closed = true
    this.options.clock.clearTimeout(this.timer)
  }

  private async probe(): Promise<void> {
    for (let attempt = 0; attempt < 2 && !this.closed; attempt++) {
      /* A probe that was under way when an operation failed may have failed with it: it confirms nothing. */
      const before = this.state
      try {
        await this.options.probe()
        return this.probed()
      } catch {
        if (before !== 'up' && this.state !== 'up') break
        this.state = 'suspect'
      }
    }
    if (this.state !== 'down' && !this.closed) this.goDown()
  }

  private probed(): void {
    const wasDown = this.state === 'down'
    this.state = 'up'
    if (!wasDown || this.closed) return
    this.failures = 0
    this.options.onUp()
  }

  private goDown(): void {
    this.state = 'down'
    this.downSince = this.options.clock.monotonic()
    this.options.onDown()
  }

  /* Steady traffic that succeeds is proof enough. */
  private tick(): void {
    if (this.quiet || this.state !== 'up') void this.check()
    this.quiet = true
    this.schedule()
  }

  private schedule(): void {
    if (this.closed) return
    const interval = this.options.interval() * (1 - JITTER + 2 * JITTER * this.options.random.fraction())
    this.timer = this.options.clock.setTimeout(() => this.tick(), interval)
    this.timer.unref()
  }
}
