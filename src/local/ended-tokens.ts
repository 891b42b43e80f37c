/** Tokens that are known to lead nowhere for a time: they are answered without asking the storage. Bounded. */
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

  get isEmpty(): boolean {
    return this.until.size === 0
  }

  delete(token: string): void {
    this.until.delete(token)
  }

  has(token: string, now: number): boolean {
    const until = this.until.get(token)
    if (until === undefined) return false
    if (until > now) return true
    this.until.delete(token)
    return false
  }
}
