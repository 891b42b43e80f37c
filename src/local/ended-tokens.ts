/** Tokens of sessions that were destroyed a moment ago: late requests are answered without asking the storage. Bounded. */
export class EndedTokens {
  private readonly until = new Map<string, number>()
  private readonly limit: number

  constructor(limit = 10_000) {
    this.limit = limit
  }

  add(token: string, until: number): void {
    this.until.delete(token)
    this.until.set(token, until)
    if (this.until.size <= this.limit) return
    const oldest = this.until.keys().next()
    if (!oldest.done) this.until.delete(oldest.value)
  }

  has(token: string, now: number): boolean {
    const until = this.until.get(token)
    if (until === undefined) return false
    if (until > now) return true
    this.until.delete(token)
    return false
  }
}
