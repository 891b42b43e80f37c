import { attribute, defineMBean, type MBean, operation } from '../admin/mbean/mbean.js'
import { long, map, nothing } from '../admin/mbean/value-type.js'
import { type CounterName, counterMeanings, type HistogramName, histogramMeanings } from '../statistics/statistics.js'
import type { Managed } from './managed.js'
import { printHistogram } from './print-histogram.js'

/** Every counter and histogram. */
export function statisticsBean({ manager }: Managed): MBean {
  const { statistics } = manager.context
  const counters = (Object.keys(counterMeanings) as CounterName[]).map((name) => [
    capitalised(name),
    attribute({
      type: long(),
      description: `Counter: ${counterMeanings[name]}.`,
      read: () => statistics.counters[name],
    }),
  ])
  const histograms = (Object.keys(histogramMeanings) as HistogramName[]).map((name) => [
    capitalised(name),
    attribute({
      type: map(),
      description: `${name === 'recordSize' ? 'Histogram in bytes' : 'Histogram in milliseconds'}: ${histogramMeanings[name]}.`,
      read: () => printHistogram(statistics.histogram(name)),
    }),
  ])
  return defineMBean({
    name: 'holdfast:type=Statistics',
    description: 'What has happened since the start, or the last reset.',
    attributes: Object.fromEntries([...counters, ...histograms]),
    operations: {
      reset: operation({
        description: 'Counters and histograms begin anew. Those under /metrics go on.',
        returns: nothing(),
        invoke: () => statistics.reset(),
      }),
    },
  })
}

function capitalised(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}
