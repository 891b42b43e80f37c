import { readFileSync, writeFileSync } from 'node:fs'
import { cpuTable, memoryTable, summaryTable } from './report.js'
import { MEMORY, scenarios } from './scenarios.js'

const PAGE = new URL('../../docs/benchmarks.md', import.meta.url)

/** Between these two lines the page is written anew by each run. */
const BEGIN = '<!-- figures: written by npm run bench -->'
const END = '<!-- end of figures -->'

/** What was measured on, with, and how much of it. */
export function describeRun({ date, node, processor, cores, packages, servers }, options) {
  const { rounds, requests, sessions, connections } = options
  const names = { ...packages, memcached: servers.memcached, Redis: servers.redis }
  const versions = Object.entries(names).map(([name, version]) => `${name} ${version}`)
  return [
    `${date.slice(0, 10)}. Node ${node}, ${cores} × ${processor}; ${versions.join(', ')}.`,
    `${rounds} rounds of ${requests} requests, ${sessions} sessions, ${connections} connections.`,
  ].join('\n')
}

/**
 * Puts the figures into the page of benchmarks; what people wrote around them stays.
 *
 * @param {{ environment: object, options: import('./options.js').Options, results: Record<string, Record<string, any>> }} run
 */
export function writeFigures({ environment, options, results }) {
  const page = readFileSync(PAGE, 'utf8')
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)]
  if (begin < 0 || end < begin) throw new Error(`${PAGE.pathname} has no place for figures: ${BEGIN} … ${END}`)
  const parts = [describeRun(environment, options), ...Object.entries(results).flatMap(sizeSection)]
  writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n\n${parts.join('\n\n')}\n\n${page.slice(end)}`)
}

function sizeSection([size, results]) {
  const cpu = Object.entries(results).filter(([name]) => name !== MEMORY)
  const details = cpu.map(
    ([name, figures]) => `#### ${size}, ${name}: ${scenarios[name].title}\n\n${cpuTable(name, figures)}`,
  )
  const memory = results[MEMORY] && [
    `#### ${size}, memory: what a session takes in the server\n\n${memoryTable(results[MEMORY])}`,
  ]
  return [`### Sessions of ${size}\n\n${summaryTable(results)}`, ...details, ...(memory ?? [])]
}
