import type { Metric, Registry } from 'prom-client'
import type { Family } from './family.js'

const contentType = 'text/plain; version=0.0.4; charset=utf-8'

/** What `/metrics` says, in the text format of Prometheus. */
export interface Metrics {
  readonly contentType: string
  render(): Promise<string>
}

/** The package is loaded at the first scrape; the registry is ours alone, so that the application's own metrics stay apart. */
export function createMetrics(families: readonly Family[]): Metrics {
  let registry: Promise<Registry> | undefined
  return {
    contentType,
    render: async () => {
      registry ??= registryOf(families)
      return (await registry).metrics()
    },
  }
}

async function registryOf(families: readonly Family[]): Promise<Registry> {
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  for (const family of families) registry.registerMetric(scraped(family))
  return registry
}

/* A registry asks its metrics for their name and for what they have, and no more. */
function scraped({ name, help, type, samples }: Family): Metric {
  const get = async () => ({ name, help, type, values: samples(), aggregator: 'sum' })
  return { name, get } as unknown as Metric
}
