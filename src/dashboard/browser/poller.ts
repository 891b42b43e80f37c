import { LoginNeededError, NoConnectionError } from './jolokia-client.js'

/** What the page knows of its connection. */
export type Connection =
  | { state: 'live' }
  | { state: 'paused' }
  | { state: 'login' }
  | { state: 'broken'; reason: string; retryIn: number }

const PAUSE = 1000
const LONGEST_PAUSE = 15_000

/** Calls `poll` again and again: not while nobody looks at the page, more and more rarely while it fails. */
export class Poller {
  private readonly poll: () => Promise<void>
  private readonly tell: (connection: Connection) => void
  private timer: number | undefined
  private polling = false
  private failures = 0
  private needsLogin = false

  constructor(poll: () => Promise<void>, tell: (connection: Connection) => void) {
    this.poll = poll
    this.tell = tell
    document.addEventListener('visibilitychange', () => this.visibilityChanged())
  }

  /** Polls now, whatever was waited for: at the start, after a login, after a change. */
  now(): void {
    this.needsLogin = false
    clearTimeout(this.timer)
    if (!this.polling) void this.run()
  }

  private visibilityChanged(): void {
    if (this.needsLogin) return
    clearTimeout(this.timer)
    if (document.hidden) this.tell({ state: 'paused' })
    else this.now()
  }

  private async run(): Promise<void> {
    this.polling = true
    try {
      await this.poll()
      this.failures = 0
      this.tell({ state: document.hidden ? 'paused' : 'live' })
      this.schedule(PAUSE)
    } catch (error) {
      this.failed(error)
    } finally {
      this.polling = false
    }
  }

  private failed(error: unknown): void {
    this.needsLogin = error instanceof LoginNeededError
    if (this.needsLogin) this.tell({ state: 'login' })
    else this.retry(error)
  }

  private retry(error: unknown): void {
    const asked = error instanceof NoConnectionError ? error.retryAfter * 1000 : 0
    const pause = Math.min(LONGEST_PAUSE, Math.max(asked, PAUSE * 2 ** this.failures++))
    this.tell({ state: 'broken', reason: error instanceof Error ? error.message : String(error), retryIn: pause })
    this.schedule(pause)
  }

  private schedule(pause: number): void {
    clearTimeout(this.timer)
    if (!document.hidden) this.timer = setTimeout(() => void this.run(), pause)
  }
}
