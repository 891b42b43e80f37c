import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { counterName } from '../../src/mbeans/metrics/families.js'
import { counterMeanings } from '../../src/statistics/statistics.js'
import type { AppServer } from '../support/app-server.js'
import { Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { AdminClient, openAdmin } from './admin-client.js'
import { type ParsedFamily, parseMetrics } from './metrics-text.js'

let cluster: Cluster
let server: AppServer
let client: AdminClient

beforeAll(async () => {
  cluster = await Cluster.of('n1', 'n2')
  server = await cluster.server('a', { admin: openAdmin })
  client = new AdminClient(server)
})

afterAll(() => cluster.close())

async function scrape(): Promise<Map<string, ParsedFamily>> {
  return parseMetrics(await client.metrics())
}

async function valueOfMetric(name: string): Promise<number | undefined> {
  return (await scrape()).get(name)?.samples[0]?.value
}

describe('the metrics', () => {
  it('are in the text format, with the content type of Prometheus', async () => {
    const answer = await fetch(`${client.url}/metrics`)
    expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(parseMetrics(await answer.text()).size).toBeGreaterThan(60)
  })

  it('are named by the conventions', async () => {
    for (const [name, { type, help }] of await scrape()) {
      expect(name).toMatch(/^holdfast_[a-z]+(_[a-z]+)*$/)
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(name).not.toMatch(/_(sum|count|bucket|milliseconds|ms)$/)
      if (type === 'histogram') expect(name).toMatch(/_(seconds|bytes)$/)
      expect(help.length).toBeGreaterThan(10)
    }
  })

  it('have every counter from the start, each with the meaning that the statistics give it', async () => {
    const families = await scrape()
    for (const [name, meaning] of Object.entries(counterMeanings)) {
      expect(families.get(counterName(name))).toMatchObject({ type: 'counter', help: meaning })
      expect(families.get(counterName(name))?.samples).toHaveLength(1)
    }
  })

  it('have no labels but a few with few values', async () => {
    const families = await scrape()
    const labels = new Map<string, Set<string>>()
    for (const { samples } of families.values()) {
      for (const sample of samples) {
        for (const [key, value] of Object.entries(sample.labels))
          labels.set(key, (labels.get(key) ?? new Set()).add(value))
      }
    }
    expect([...labels.keys()].sort()).toEqual(['le', 'mode', 'node', 'state', 'version'])
    expect(labels.get('node')).toEqual(new Set(['n1', 'n2']))
    expect(labels.get('mode')).toEqual(new Set(['sticky', 'non-sticky']))
    expect(labels.get('state')).toEqual(new Set(['starting', 'ready', 'draining']))
  })

  it('have histograms whose buckets rise to the count', async () => {
    await new Visitor().post(server.url, { n: 1 })
    await client.exec('SessionManager', 'flush', 5000)
    const histograms = [...(await scrape()).values()].filter(({ type }) => type === 'histogram')
    expect(histograms).toHaveLength(10)
    for (const { name, samples } of histograms) {
      const series = groupByNode(samples)
      for (const parts of series.values()) {
        const buckets = parts.filter((part) => part.name === `${name}_bucket`)
        const bounds = buckets.map(({ labels }) => Number(labels.le?.replace('Inf', 'Infinity')))
        expect(bounds).toEqual([...bounds].sort((a, b) => a - b))
        expect(bounds.at(-1)).toBe(Number.POSITIVE_INFINITY)
        const counts = buckets.map(({ value }) => value)
        expect(counts).toEqual([...counts].sort((a, b) => a - b))
        expect(counts.at(-1)).toBe(parts.find((part) => part.name === `${name}_count`)?.value)
      }
    }
    expect(histograms.find(({ name }) => name === 'holdfast_record_size_bytes')?.samples.at(-1)?.value).toBeGreaterThan(
      0,
    )
  })

  it('count in seconds', async () => {
    const { samples } = (await scrape()).get('holdfast_backup_duration_seconds') as ParsedFamily
    const bounds = samples.flatMap(({ labels }) => labels.le ?? [])
    expect(bounds).toEqual(
      '0.0001 0.00025 0.0005 0.001 0.0025 0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 +Inf'.split(' '),
    )
    const started = await valueOfMetric('holdfast_start_timestamp_seconds')
    expect(Math.abs(Date.now() / 1000 - (started as number))).toBeLessThan(600)
  })

  it('go on when the statistics are reset', async () => {
    await new Visitor().post(server.url, { n: 1 })
    await client.exec('SessionManager', 'flush', 5000)
    const before = await scrape()
    await client.exec('Statistics', 'reset')
    expect(await client.read('Statistics', 'SessionsCreated')).toBe(0)
    const after = await scrape()
    for (const [name, { type, samples }] of before) {
      if (type === 'gauge') continue
      samples.forEach(({ value }, index) => {
        expect(after.get(name)?.samples[index]?.value).toBeGreaterThanOrEqual(value)
      })
    }
    await new Visitor().post(server.url, { n: 1 })
    const name = 'holdfast_sessions_created_total'
    expect(await valueOfMetric(name)).toBe((before.get(name)?.samples[0]?.value as number) + 1)
  })
})

function groupByNode(samples: ParsedFamily['samples']): Map<string | undefined, ParsedFamily['samples']> {
  const groups = new Map<string | undefined, ParsedFamily['samples']>()
  for (const sample of samples) groups.set(sample.labels.node, [...(groups.get(sample.labels.node) ?? []), sample])
  return groups
}

describe('the examples', () => {
  const examples = fileURLToPath(new URL('../../examples', import.meta.url))
  const read = (...path: string[]) => readFileSync(join(examples, ...path), 'utf8')

  it('have a scrape configuration that asks for our metrics with a credential from a file', () => {
    const { scrape_configs: jobs } = parse(read('prometheus', 'prometheus.yml'))
    expect(jobs[0]).toMatchObject({ metrics_path: '/metrics', authorization: { credentials_file: expect.any(String) } })
  })

  it('use only metrics that there are', async () => {
    const known = new Set<string>()
    for (const [name, { samples }] of await scrape()) {
      known.add(name)
      for (const sample of samples) known.add(sample.name)
    }
    const files = ['prometheus', 'grafana'].flatMap((folder) =>
      readdirSync(join(examples, folder)).map((f) => [folder, f]),
    )
    const used = files.flatMap((path) => read(...path).match(/\bholdfast_[a-z_]+/g) ?? [])
    expect(used.length).toBeGreaterThan(20)
    expect(used.filter((name) => !known.has(name))).toEqual([])
  })

  it('have a dashboard with panels that each ask for something', () => {
    const dashboard = JSON.parse(read('grafana', 'holdfast-dashboard.json'))
    expect(dashboard).toMatchObject({ title: 'Holdfast', schemaVersion: expect.any(Number) })
    expect(dashboard.panels.length).toBeGreaterThan(8)
    const ids = dashboard.panels.map(({ id }: { id: number }) => id)
    expect(new Set(ids).size).toBe(ids.length)
    for (const panel of dashboard.panels) {
      expect(panel.title.length).toBeGreaterThan(3)
      expect(panel.targets.length).toBeGreaterThan(0)
      for (const { expr } of panel.targets) expect(expr).toContain('holdfast_')
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24)
    }
  })
})
