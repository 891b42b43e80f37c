import { type HistogramSnapshot, quantile } from '../statistics/histogram.js'

/** A histogram as a map: percentiles are estimated from its buckets, which are cumulative. */
export function printHistogram(histogram: HistogramSnapshot) {
  const { count, sum, min, max, average, buckets } = histogram
  return {
    count,
    sum,
    min,
    max,
    average,
    p50: quantile(histogram, 0.5),
    p95: quantile(histogram, 0.95),
    p99: quantile(histogram, 0.99),
    buckets,
  }
}
