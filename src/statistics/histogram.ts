/** Upper bounds of the buckets, in the unit of what is recorded (milliseconds for durations, bytes for sizes). */
export const durationBounds: readonly number[] = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500]
export const sizeBounds: readonly number[] = [64, 256, 1024, 4096, 16384, 65536, 262144, 1048576]

export interface HistogramTotals {
  count: number
  sum: number
  /** How many values were at most the bound; ascending, cumulative. */
  buckets: { le: number; count: number }[]
}

/** What a histogram has seen so far. */
export interface HistogramSnapshot extends HistogramTotals {
  min: number
  max: number
  average: number
}

/** Counts values by size; fixed memory, a few nanoseconds a value. */
export class Histogram {
  private readonly bounds: readonly number[]
  private counts: number[] = []
  private count = 0
  private sum = 0
  private min = 0
  private max = 0
  /** What was seen before the last reset. */
  private earlier: { counts: number[]; count: number; sum: number }

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.earlier = { counts: this.noCounts(), count: 0, sum: 0 }
    this.clear()
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
    const { count, sum, min, max } = this
    const buckets = cumulative(this.bounds, this.counts)
    return { count, sum, min, max, average: count === 0 ? 0 : sum / count, buckets }
  }

  /** Everything since the start, whatever was reset: it never falls. */
  lifetime(): HistogramTotals {
    const { counts, count, sum } = this.earlier
    const all = this.counts.map((seen, i) => seen + (counts[i] as number))
    return { count: this.count + count, sum: this.sum + sum, buckets: cumulative(this.bounds, all) }
  }

  reset(): void {
    const { counts, count, sum } = this.earlier
    this.earlier = {
      counts: this.counts.map((seen, i) => seen + (counts[i] as number)),
      count: this.count + count,
      sum: this.sum + sum,
    }
    this.clear()
  }

  private clear(): void {
    this.counts = this.noCounts()
    this.count = 0
    this.sum = 0
    this.min = 0
    this.max = 0
  }

  private noCounts(): number[] {
    return new Array(this.bounds.length + 1).fill(0)
  }
}

function cumulative(bounds: readonly number[], counts: readonly number[]): HistogramTotals['buckets'] {
  let seen = 0
  return bounds.map((le, i) => {
    seen += counts[i] as number
    return { le, count: seen }
  })
}

/**
 * Estimates the value that a share of the values does not exceed, from 0 to 1: within the bucket where it falls, values count as
 * evenly spread. 0 when there are none.
 */
export function quantile({ count, max, buckets }: HistogramSnapshot, share: number): number {
  const rank = share * count
  let [lower, below] = [0, 0]
  for (const bucket of buckets) {
    const inside = bucket.count - below
    if (inside > 0 && bucket.count >= rank) {
      /* The bound itself stands there too, as the division may round above it. */
      return Math.min(max, bucket.le, lower + ((bucket.le - lower) * (rank - below)) / inside)
    }
    lower = bucket.le
    below = bucket.count
  }
  return max
}
