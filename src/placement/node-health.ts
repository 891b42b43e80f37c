import type { Clock, Timer } from '../clock.js'
import { refusesWrites } from '../errors.js'
import type { RandomSource } from '../random.js'

/**
 * `suspect`: an operation failed, and a probe is under way. `read-only`: reads are answered, writes are refused for now or as the node is
 * set up.
 */
export type HealthState = 'up' | 'suspect' | 'read-only' | 'down'

export interface NodeHealthOptions {
  clock: Clock
  random: RandomSource
  /**
   * One cheap round trip; rejects when the node does not work, with a `NodeRefusedError` that `refuses` writes when it answers reads
   * all the same. Must be bounded in time.
   */
  probe: () => Promise<void>
  /** Milliseconds between two probes; asked anew each time. */
  interval: () => number
  onDown: (reason: Error) => void
  onReadOnly: (reason: Error) => void
  /** It was down or read-only, and works again. */
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
  private lastFailed = 0
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
  failed(reason: Error): void {
    if (this.closed) return
    if (this.state === 'read-only') void this.check()
    if (this.state !== 'up') return
    this.failures++
    this.state = 'suspect'
    if (this.failures >= FAILURES_IN_A_ROW) this.goDown(reason)
    else void this.check()
  }

  /** The node has answered that it takes no writes. That needs no second opinion; whether it still is so, probes tell. */
  refusedWrites(reason: Error): void {
    if (this.closed || this.state === 'down' || this.state === 'read-only') return
    this.becomeReadOnly(reason)
    void this.check()
  }

  /** Probes until it is known whether the node is up or down. Never rejects. */
  check(): Promise<void> {
    this.probing ??= this.options.clock
      .inBackground(() => this.probe())
      .finally(() => {
        this.probing = undefined
      })
    return this.probing
  }

  /** Milliseconds since the node went down; 0 while it is not. */
  downFor(): number {
    return this.state === 'down' ? this.options.clock.monotonic() - this.downSince : 0
  }

  /** Milliseconds for which it is known to have been down, as of the last probe's start: a process that stood still has not asked meanwhile. */
  knownDownFor(): number {
    return this.state === 'down' ? this.lastFailed - this.downSince : 0
  }

  close(): void {
    this.closed = true
    this.options.clock.clearTimeout(this.timer)
  }

  private async probe(): Promise<void> {
    let reason: unknown
    for (let attempt = 0; attempt < 2 && !this.closed; attempt++) {
      /* A probe that was under way when an operation failed may have failed with it: it confirms nothing. */
      const before = this.state
      const asked = this.options.clock.monotonic()
      try {
        await this.options.probe()
        return this.probed()
      } catch (error) {
        this.lastFailed = asked
        if (refusesWrites(error)) return this.becomeReadOnly(error)
        reason = error
        if (isInDoubt(before) && this.state !== 'up') break
        if (this.state !== 'read-only') this.state = 'suspect'
      }
    }
    if (this.state !== 'down' && !this.closed) this.goDown(reason as Error)
  }

  private probed(): void {
    const wasAway = this.state === 'down' || this.state === 'read-only'
    this.state = 'up'
    if (!wasAway || this.closed) return
    this.failures = 0
    this.options.onUp()
  }

  private becomeReadOnly(reason: Error): void {
    if (this.state === 'read-only' || this.closed) return
    this.state = 'read-only'
    this.options.clock.inBackground(() => this.options.onReadOnly(reason))
  }

  private goDown(reason: Error): void {
    this.state = 'down'
    this.downSince = this.options.clock.monotonic()
    this.lastFailed = this.downSince
    this.options.clock.inBackground(() => this.options.onDown(reason))
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

function isInDoubt(state: HealthState): boolean {
  return state === 'suspect' || state === 'down'
}
