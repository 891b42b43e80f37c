import type { HistogramTotals } from '../../statistics/histogram.js'

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  labels?: Labels
  value: number
  /** Of a histogram's parts, the family's name with an ending. */
  metricName?: string
}

/** One metric with all its samples, made when somebody scrapes: nothing is counted twice for it. */
export interface Family {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  samples(): Sample[]
}

export function counter(name: string, help: string, samples: () => Sample[] | number): Family {
  return { name, help, type: 'counter', samples: () => listOf(samples()) }
}

export function gauge(name: string, help: string, samples: () => Sample[] | number | boolean): Family {
  return { name, help, type: 'gauge', samples: () => listOf(samples()) }
}

/** @param scale from the unit of what was recorded to the base unit of the metric. */
export function histogram(
  name: string,
  help: string,
  scale: number,
  totals: () => { labels?: Labels; totals: HistogramTotals }[],
): Family {
  return { name, help, type: 'histogram', samples: () => totals().flatMap((one) => partsOf(name, scale, one)) }
}

function listOf(samples: Sample[] | number | boolean): Sample[] {
  return Array.isArray(samples) ? samples : [{ value: Number(samples) }]
}

function partsOf(name: string, scale: number, { labels = {}, totals }: { labels?: Labels; totals: HistogramTotals }) {
  const bucket = (le: string, value: number) => ({ metricName: `${name}_bucket`, labels: { le, ...labels }, value })
  return [
    ...totals.buckets.map(({ le, count }) => bucket(String(inBaseUnit(le, scale)), count)),
    bucket('+Inf', totals.count),
    { metricName: `${name}_sum`, labels, value: totals.sum * scale },
    { metricName: `${name}_count`, labels, value: totals.count },
  ]
}

/* Without the digits that binary fractions add: the bound is part of the series' name. */
function inBaseUnit(bound: number, scale: number): number {
  return Number((bound * scale).toPrecision(12))
}
