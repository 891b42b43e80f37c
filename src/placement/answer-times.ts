import type { Clock } from '../clock.js'

/** Milliseconds that nobody calls late: less than a visitor feels, and a server may need them for its own housekeeping. */
const LEAST_PATIENCE = 30
/** Part of the time-out after which an answer is late, however slow the node is otherwise. */
const MOST_OF_TIMEOUT = 1 / 4
/** How much a new answer counts in the estimates. */
const MEAN_GAIN = 1 / 32
const DEVIATION_GAIN = 1 / 16
/** So many deviations above the mean are far longer than usual, as with TCP's retransmissions (RFC 6298). */
const DEVIATIONS = 4

interface Waiting {
  since: number
  resolve: (isLate: boolean) => void
}

/**
 * How fast a node answers, and whether it keeps somebody waiting for far longer than it usually does. Late is what waits while the node
 * answers nothing at all: one that answers others is busy, and who asked elsewhere then would only make more work.
 */
export class AnswerTimes {
  private readonly clock: Clock
  private readonly timeout: () => number
  /** `undefined`: there was no answer yet. */
  private mean: number | undefined
  private deviation = 0
  private pending = 0
  /** When the last answer came, or the first operation began for which there is none. */
  private quietSince = 0
  private readonly waiting = new Set<Waiting>()
  private isWatching = false

  /** @param timeout of an operation, in milliseconds; asked anew each time */
  constructor(clock: Clock, timeout: () => number) {
    this.clock = clock
    this.timeout = timeout
  }

  /** Milliseconds without any answer after which the node is late: by its own answers of late, within bounds. */
  get patience(): number {
    if (this.mean === undefined) return this.mostPatience
    const usual = this.mean + DEVIATIONS * this.deviation
    return Math.min(Math.max(usual, LEAST_PATIENCE), this.mostPatience)
  }

  /** Milliseconds for which the node has answered nothing, although it has been asked; 0: there is nothing to answer. */
  get silence(): number {
    return this.pending > 0 ? this.clock.monotonic() - this.quietSince : 0
  }

  /** Whether the node answers nothing at present, although it has been asked. */
  get isStalled(): boolean {
    return this.silence >= this.patience
  }

  /** An operation begins. @returns when */
  begin(): number {
    const now = this.clock.monotonic()
    if (this.pending === 0) this.quietSince = now
    this.pending++
    return now
  }

  /** It got its answer, after so many milliseconds. */
  answered(duration: number): void {
    this.settle()
    const sample = Math.min(duration, this.mostPatience)
    if (this.mean === undefined) {
      this.mean = sample
      this.deviation = sample / 2
      return
    }
    const error = sample - this.mean
    this.mean += error * MEAN_GAIN
    this.deviation += (Math.abs(error) - this.deviation) * DEVIATION_GAIN
  }

  /** It failed, which says nothing about how long an answer takes. */
  failed(): void {
    this.settle()
  }

  /**
   * Resolves when the work, which waits for this node, is over (`false`), or as soon as it has waited for far longer than
   * usual (`true`); it goes on then.
   */
  isLate(work: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve) => {
      const waiting = { since: this.clock.monotonic(), resolve }
      this.waiting.add(waiting)
      const over = () => {
        if (this.waiting.delete(waiting)) resolve(false)
      }
      work.then(over, over)
      if (this.isStalled) this.look()
      else this.watch()
    })
  }

  private get mostPatience(): number {
    return this.timeout() * MOST_OF_TIMEOUT
  }

  private settle(): void {
    this.pending--
    this.quietSince = this.clock.monotonic()
  }

  /* One timer for all who wait. */
  private watch(): void {
    if (this.isWatching) return
    this.isWatching = true
    this.clock
      .setTimeout(() => {
        this.isWatching = false
        if (this.waiting.size > 0) this.look()
      }, this.untilNextLook())
      .unref()
  }

  private untilNextLook(): number {
    const now = this.clock.monotonic()
    const [oldest] = this.waiting
    const late = Math.min(this.quietSince + this.patience, (oldest?.since ?? now) + this.mostPatience)
    return Math.max(1, Math.ceil(late - now))
  }

  /* Timers run before sockets are read. When this process was busy itself, the answer may have come: what has come is read first. */
  private look(): void {
    this.clock.defer(() => {
      const { isStalled, mostPatience } = this
      const now = this.clock.monotonic()
      for (const waiting of this.waiting) {
        if (!isStalled && now - waiting.since < mostPatience) continue
        this.waiting.delete(waiting)
        waiting.resolve(true)
      }
      if (this.waiting.size > 0) this.watch()
    })
  }
}
