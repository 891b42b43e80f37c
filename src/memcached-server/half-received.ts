/** One who has sent a part of a request. */
export interface Sender {
  /** Gives it up. */
  abandon(): void
}

/**
 * What all connections together have received of requests that are not complete. It counts towards the memory limit of the items, and has a
 * limit of its own, so that nobody empties the store by half of many requests: beyond it, who began first is given up.
 */
export class HalfReceived {
  /** In the order in which they began. */
  private readonly bytesOf = new Map<Sender, number>()
  private readonly limit: number
  private sum = 0

  constructor(limit: number) {
    this.limit = limit
  }

  get bytes(): number {
    return this.sum
  }

  /** Notes how much a sender has waiting now; 0: nothing. */
  note(sender: Sender, bytes: number): void {
    this.sum += bytes - (this.bytesOf.get(sender) ?? 0)
    if (bytes === 0) this.bytesOf.delete(sender)
    else this.bytesOf.set(sender, bytes)
    while (this.sum > this.limit) {
      const [oldest] = this.bytesOf.keys()
      if (oldest === undefined) return
      this.note(oldest, 0)
      oldest.abandon()
    }
  }
}
