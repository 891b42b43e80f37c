import { LearnedRequests } from './learned-requests.js'
import type { LockSettings } from './lock-settings.js'

const defaultCapacity = 1000

/** Which requests need the lock of their session before they begin. */
export class LockPolicy {
  private readonly settings: () => Pick<LockSettings, 'mode' | 'pattern'>
  private readonly learned: LearnedRequests

  /**
   * @param settings asked at each use, so that the mode may change
   * @param capacity patterns that `auto` remembers. Default: 1000.
   */
  constructor(settings: () => Pick<LockSettings, 'mode' | 'pattern'>, capacity = defaultCapacity) {
    this.settings = settings
    this.learned = new LearnedRequests(capacity)
  }

  /** @param url path and query, as the client sent them (`req.originalUrl`) */
  needsLock(method: string | undefined, url: string): boolean {
    const { mode, pattern } = this.settings()
    if (mode === 'all') return true
    if (mode === 'uri') return pattern?.test(url) !== false
    return mode === 'auto' && !this.learned.onlyReads(method ?? '', url)
  }

  /** Patterns of requests that `auto` lets pass without a lock. */
  get learnedPatterns(): number {
    return this.learned.size
  }

  /** What a request turned out to do; of use in the mode `auto` only, which forgets nothing while another is set. */
  learn(method: string | undefined, url: string, wrote: boolean): void {
    if (this.settings().mode === 'auto') this.learned.learn(method ?? '', url, wrote)
  }
}
