import { requestPattern } from './request-pattern.js'

/**
 * So many requests in a row must have written nothing. One alone says little: the first visit of a page has often nothing to
 * write yet. Three cost three requests with a lock for each pattern and server; what is learnt wrongly all the same costs a
 * conflict, which the fenced write finds, and is forgotten by it.
 */
const enough = 3

const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Which requests only read, by method and pattern of the path; at most `capacity` patterns, those used last. */
export class LearnedRequests {
  private readonly capacity: number
  /** Requests in a row that wrote nothing, up to `enough`; in the order of last use. */
  private readonly streaks = new Map<string, number>()

  constructor(capacity: number) {
    this.capacity = capacity
  }

  /** `false` for what is unknown, and for methods that are meant to write. */
  onlyReads(method: string, url: string): boolean {
    const pattern = learnable(method, url)
    return pattern !== undefined && this.streaks.get(pattern) === enough
  }

  /** Patterns that are known to read only. Walks all that are remembered. */
  get size(): number {
    let size = 0
    for (const streak of this.streaks.values()) if (streak === enough) size++
    return size
  }

  learn(method: string, url: string, wrote: boolean): void {
    const pattern = learnable(method, url)
    if (pattern === undefined) return
    const streak = this.streaks.get(pattern) ?? 0
    this.streaks.delete(pattern)
    if (wrote) return
    this.streaks.set(pattern, Math.min(streak + 1, enough))
    this.forgetOldest()
  }

  private forgetOldest(): void {
    if (this.streaks.size <= this.capacity) return
    const oldest = this.streaks.keys().next()
    if (!oldest.done) this.streaks.delete(oldest.value)
  }
}

function learnable(method: string, url: string): string | undefined {
  return safeMethods.has(method) ? requestPattern(method, url) : undefined
}
