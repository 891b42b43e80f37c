/** Upper bounds of the buckets, in the unit of what is recorded (milliseconds for durations, bytes for sizes). */
export const durationBounds: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500]
export const sizeBounds: readonly number[] = [64, 256, 1024, 4096, 16384, 65536, 262144, 1048576]

/** What a histogram has seen so far. */
export interface HistogramSnapshot {
  count: number
  sum: number
  min: number
  max: number
  average: number
  /** How many values were at most the bound; ascending, cumulative. */
  buckets: { le: number; count: number }[]
}

/** Counts values by size; fixed memory, a few nanoseconds a value. */
export class Histogram {
  private readonly bounds: readonly number[]
  private counts: number[] = []
  private count = 0
  private sum = 0
  private min = 0
  private max = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.reset()
  }

  record(value: number): void {
    if (this.count === 0 || value < this.min) this.min = value
    if (value > this.max) this.max = value
    this.count++
    this.sum += value
    let i = 0
    while (i < this.bounds.length && value > (this.bounds[i] as number)) i++
    this.counts[i] = (this.counts[i] as number) + 1
  }

  snapshot(): HistogramSnapshot {
    let seen = 0
    const buckets = this.bounds.map((le, i) => {
      seen += this.counts[i] as number
      return { le, count: seen }
    })
    const { count, sum, min, max } = this
    return { count, sum, min, max, average: count === 0 ? 0 : sum / count, buckets }
  }

  reset(): void {
    this.counts = new Array(this.bounds.length + 1).fill(0)
    this.count = 0
    this.sum = 0
    this.min = 0
    this.max = 0
  }
}
