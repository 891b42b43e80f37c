/** Runs work one after the other, with a bounded number of waiters. */
export class OneAtATime {
  private last: Promise<unknown> = Promise.resolve()
  private waiting = 0
  private readonly maxWaiting: number

  constructor(maxWaiting: number) {
    this.maxWaiting = maxWaiting
  }

  /** `undefined`: too many wait already, and `work` is not run. */
  run<T>(work: () => Promise<T>): Promise<T> | undefined {
    if (this.waiting >= this.maxWaiting) return undefined
    this.waiting++
    const result = this.last.then(work).finally(() => this.waiting--)
    this.last = result.catch(() => {})
    return result
  }
}
