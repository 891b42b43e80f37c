import { MEMORY, scenarios } from './scenarios.js'
import { MEMORY_REFERENCE, REFERENCE, subjects } from './subjects.js'

/**
 * @typedef {import('./measure-cpu.js').CpuFigures} CpuFigures
 * @typedef {import('./measure-memory.js').MemoryFigures} MemoryFigures
 */

/** The highest share of MemoryStore's memory that a session may take. */
const MEMORY_TARGET = 1

const CPU_HEADINGS = [
  'subject',
  'CPU µs/request',
  'over bare',
  'quartiles',
  'share',
  'target',
  'requests/s',
  'p50 ms',
  'p99 ms',
  'storage ops',
  'writes',
]

/** @param {string} name @param {string} size @param {CpuFigures[]} figures */
export function cpuReport(name, size, figures) {
  return `## ${size}, ${name}: ${scenarios[name].title}\n\n${cpuTable(name, figures)}\n`
}

/** @param {string} name @param {CpuFigures[]} figures */
export function cpuTable(name, figures) {
  const rows = figures.map((row) => cpuRow(row, shareOfReference(row, figures), scenarios[name].targets))
  return table(CPU_HEADINGS, rows)
}

/** All shares of one size at a glance. @param {string} size @param {Record<string, any>} results by scenario */
export function summary(size, results) {
  return `## ${size}: share of what express-session with connect-redis costs\n\n${summaryTable(results)}`
}

/** @param {Record<string, CpuFigures[]>} results by scenario */
export function summaryTable(results) {
  const names = Object.keys(results).filter((name) => name !== MEMORY)
  const subjectsShown = (results[names[0]] ?? []).map(({ subject }) => subject)
  const rows = subjectsShown.filter(hasShare).map((subject) => [
    subject,
    ...names.map((name) => {
      const row = results[name].find((other) => other.subject === subject)
      const share = shareOfReference(row, results[name])
      const target = targetOf(subject, scenarios[name].targets)
      if (share === undefined) return ''
      return target === undefined ? percent(share) : `${percent(share)} (≤ ${percent(target)})`
    }),
  ])
  return table(['subject', ...names], rows)
}

/**
 * What the subject costs over bare Express, as a share of what express-session with connect-redis costs.
 *
 * @param {CpuFigures} row @param {CpuFigures[]} figures @returns {number | undefined}
 */
export function shareOfReference(row, figures) {
  const reference = figures.find(({ subject }) => subject === REFERENCE)
  return reference === undefined || !hasShare(row.subject) ? undefined : row.overBare / reference.overBare
}

/** @param {MemoryFigures[]} figures */
export function memoryReport(figures) {
  return `## memory: what a session takes in the server\n\n${memoryTable(figures)}\n`
}

/** @param {MemoryFigures[]} figures */
export function memoryTable(figures) {
  const reference = figures.find(({ subject }) => subject === MEMORY_REFERENCE)
  const rows = figures.map(({ subject, live, resident }) => {
    const share = reference && hasShare(subject) ? live / reference.live : undefined
    return [
      subject,
      whole(live),
      whole(resident),
      percent(share),
      targetCell(share, subjectOf(subject)?.targets && MEMORY_TARGET),
    ]
  })
  const headings = ['subject', 'live bytes/session', 'resident bytes/session', 'share', 'target']
  return table(headings, rows)
}

function cpuRow(row, share, targets) {
  const isBare = !hasShare(row.subject)
  return [
    row.subject,
    row.cpu.toFixed(1),
    isBare ? '' : row.overBare.toFixed(1),
    isBare ? '' : row.overBareQuartiles.map((value) => value.toFixed(1)).join(' to '),
    percent(share),
    targetCell(share, targetOf(row.subject, targets)),
    whole(row.requestsPerSecond),
    row.p50.toFixed(2),
    row.p99.toFixed(2),
    row.operations.toFixed(2),
    row.writes.toFixed(2),
  ]
}

/** Another build of a subject goes by the name of that. @param {string} name */
function subjectOf(name) {
  return subjects.find((subject) => name === subject.name || name.startsWith(`${subject.name}, `))
}

/** What others are measured from has none. @param {string} name */
function hasShare(name) {
  return subjectOf(name)?.base !== undefined
}

/** @param {string} name @param {import('./scenarios.js').Scenario['targets']} [targets] */
function targetOf(name, targets) {
  return targets?.[subjectOf(name)?.targets]
}

/** @param {number | undefined} share @param {number | undefined} target */
function targetCell(share, target) {
  if (share === undefined || target === undefined) return ''
  return `≤ ${percent(target)}: ${share <= target ? 'met' : 'missed'}`
}

/** @param {number | undefined} share */
function percent(share) {
  return share === undefined ? '' : `${(share * 100).toFixed(0)} %`
}

/** @param {number} value */
function whole(value) {
  return value.toFixed(0)
}

/** A Markdown table, with its columns aligned for the terminal. @param {string[]} headings @param {string[][]} rows */
export function table(headings, rows) {
  const widths = headings.map((heading, column) => Math.max(heading.length, ...rows.map((row) => row[column].length)))
  const line = (cells) => `| ${cells.map((cell, column) => pad(cell, widths[column], column)).join(' | ')} |`
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(headings), line(rule), ...rows.map(line)].join('\n')
}

function pad(cell, width, column) {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width)
}
