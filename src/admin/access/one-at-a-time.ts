/** Runs work one after the other, with a bounded number of waiters. */
export class OneAtATime {
  private last: Promise<unknown> = Promise.resolve()
  private readonly waiting = new Map<string, number>()
  private total = 0
  private readonly maxWaiting: number
  private readonly maxWaitingEach: number

  /** @param maxWaitingEach of these, how many of one client. Default: all. */
  constructor(maxWaiting: number, maxWaitingEach = maxWaiting) {
    this.maxWaiting = maxWaiting
    this.maxWaitingEach = maxWaitingEach
  }

  /** `undefined`: too many wait already, and `work` is not run. */
  run<T>(work: () => Promise<T>, client = ''): Promise<T> | undefined {
    const ofClient = this.waiting.get(client) ?? 0
    if (this.total >= this.maxWaiting || ofClient >= this.maxWaitingEach) return undefined
    this.total++
    this.waiting.set(client, ofClient + 1)
    const result = this.last.then(work).finally(() => this.leave(client))
    this.last = result.catch(() => {})
    return result
  }

  private leave(client: string): void {
    this.total--
    const left = (this.waiting.get(client) ?? 1) - 1
    if (left === 0) this.waiting.delete(client)
    else this.waiting.set(client, left)
  }
}
