/** Something that ends at some time; the time may move while it is in the wheel. */
export interface Expiring {
  /** Milliseconds since the epoch; Infinity: never. */
  readonly expiresAt: number
  /** For the wheel alone: the bucket that the item stands in, 0 when it is in none. */
  wheelBucket: number
}

/**
 * Finds what has expired without looking at everything: items stand in buckets by the time that they end as it was when
 * they were put there. Use of an item moves its end but not the item; only when its old bucket is due does it go to
 * the bucket of its new end. So a use costs nothing, and an item is looked at about once in its idle time.
 */
export class ExpiryWheel<T extends Expiring> {
  private readonly buckets = new Map<number, Set<T>>()
  private readonly width: number
  private swept: number
  /** The last sweep has not looked at everything that is due. */
  isBehind = false

  /** @param width milliseconds that share one bucket: how late an end may be noticed. */
  constructor(width: number, now: number) {
    this.width = width
    this.swept = this.indexOf(now)
  }

  add(item: T): void {
    this.remove(item)
    this.put(item, this.swept)
  }

  remove(item: T): void {
    const bucket = this.buckets.get(item.wheelBucket)
    bucket?.delete(item)
    if (bucket?.size === 0) this.buckets.delete(item.wheelBucket)
    item.wheelBucket = 0
  }

  /** Takes out and returns what has ended by now; looks at `limit` items at most, and `isBehind` tells when there are more. */
  sweep(now: number, limit = Number.POSITIVE_INFINITY): T[] {
    const until = this.indexOf(now)
    const expired: T[] = []
    let looked = 0
    this.isBehind = false
    for (const index of this.dueBuckets(until)) {
      const bucket = this.buckets.get(index)
      if (bucket === undefined) continue
      for (const item of bucket) {
        if (looked === limit) {
          this.isBehind = true
          return expired
        }
        looked++
        bucket.delete(item)
        item.wheelBucket = 0
        if (item.expiresAt <= now) expired.push(item)
        else this.put(item, index)
      }
      this.buckets.delete(index)
      this.swept = Math.max(this.swept, index)
    }
    this.swept = Math.max(this.swept, until - 1)
    return expired
  }

  /* Into a bucket that is swept after this one. */
  private put(item: T, after: number): void {
    if (item.expiresAt === Number.POSITIVE_INFINITY) return
    const index = Math.max(this.indexOf(item.expiresAt), after + 1)
    let bucket = this.buckets.get(index)
    if (bucket === undefined) {
      bucket = new Set()
      this.buckets.set(index, bucket)
    }
    bucket.add(item)
    item.wheelBucket = index
  }

  /* After a long pause there are more ticks than buckets: then the buckets are walked instead. */
  private dueBuckets(until: number): number[] {
    if (until - this.swept > this.buckets.size) return [...this.buckets.keys()].filter((index) => index <= until)
    const due: number[] = []
    for (let index = this.swept + 1; index <= until; index++) due.push(index)
    return due
  }

  private indexOf(time: number): number {
    return Math.ceil(time / this.width)
  }
}
