import { LearnedRequests } from './learned-requests.js'
import type { LockSettings } from './lock-settings.js'
import { pathOf } from './request-pattern.js'

const defaultCapacity = 1000

/** Which requests need the lock of their session before they begin. */
export class LockPolicy {
  private readonly settings: () => Pick<LockSettings, 'mode' | 'pattern' | 'except'>
  private readonly learned: LearnedRequests
  private caseless: { of: RegExp; pattern: RegExp } | undefined

  /**
   * @param settings asked at each use, so that the mode may change
   * @param capacity patterns that `auto` remembers. Default: 1000.
   */
  constructor(settings: () => Pick<LockSettings, 'mode' | 'pattern' | 'except'>, capacity = defaultCapacity) {
    this.settings = settings
    this.learned = new LearnedRequests(capacity)
  }

  /** @param url path and query, as the client sent them (`req.originalUrl`) */
  needsLock(method: string | undefined, url: string): boolean {
    const { mode, pattern, except } = this.settings()
    if (except?.test(pathOf(url)) === true) return false
    if (mode === 'all') return true
    if (mode === 'uri') return pattern === undefined || this.matches(pattern, url)
    return mode === 'auto' && !this.learned.onlyReads(method ?? '', url)
  }

  /** Whether a pattern matches any spelling of the URL that an application may route alike; one lock too many does no harm. */
  private matches(pattern: RegExp, url: string): boolean {
    if (this.caseless?.of !== pattern) {
      const flags = pattern.flags.includes('i') ? pattern.flags : `${pattern.flags}i`
      this.caseless = { of: pattern, pattern: new RegExp(pattern.source, flags) }
    }
    const { pattern: caseless } = this.caseless
    return spellings(url).some((spelling) => caseless.test(spelling))
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

/**
 * What Express and others route alike is matched alike, as the visitor chooses the spelling: with a query and without, with a slash at the
 * end and without, in absolute form, with a fragment, with backslashes.
 */
function spellings(url: string): string[] {
  const relative = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#\\]*/i, '')
  const path = pathOf(relative)
  const bare = path.replaceAll('\\', '/').replace(/\/+$/, '')
  const rest = relative.slice(path.length)
  return [url, relative, path, bare, `${bare}/`, bare + rest, `${bare}/${rest}`]
}
