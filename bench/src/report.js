import { scenarios } from './scenarios.js'
import { BASE, MEMORY_REFERENCE, REFERENCE, subjects } from './subjects.js'

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

/** @param {string} name @param {CpuFigures[]} figures */
export function cpuReport(name, figures) {
  const rows = figures.map((row) => cpuRow(row, shareOfReference(row, figures), scenarios[name].targets))
  return `## ${name}: ${scenarios[name].title}\n\n${table(CPU_HEADINGS, rows)}\n`
}

/**
 * What the subject costs over bare Express, as a share of what express-session with connect-redis costs.
 *
 * @param {CpuFigures} row @param {CpuFigures[]} figures @returns {number | undefined}
 */
export function shareOfReference(row, figures) {
  const reference = figures.find(({ subject }) => subject === REFERENCE)
  return reference === undefined || row.subject === BASE ? undefined : row.overBare / reference.overBare
}

/** @param {MemoryFigures[]} figures */
export function memoryReport(figures) {
  const reference = figures.find(({ subject }) => subject === MEMORY_REFERENCE)
  const rows = figures.map(({ subject, live, resident }) => {
    const share = reference && subject !== BASE ? live / reference.live : undefined
    return [
      subject,
      whole(live),
      whole(resident),
      percent(share),
      targetCell(subject, share, { sticky: MEMORY_TARGET, nonSticky: MEMORY_TARGET }),
    ]
  })
  const headings = ['subject', 'live bytes/session', 'resident bytes/session', 'share', 'target']
  return `## memory: what a session takes in the server\n\n${table(headings, rows)}\n`
}

function cpuRow(row, share, targets) {
  const isBare = row.subject === BASE
  return [
    row.subject,
    row.cpu.toFixed(1),
    isBare ? '' : row.overBare.toFixed(1),
    isBare ? '' : row.overBareQuartiles.map((value) => value.toFixed(1)).join(' to '),
    percent(share),
    targetCell(row.subject, share, targets),
    whole(row.requestsPerSecond),
    row.p50.toFixed(2),
    row.p99.toFixed(2),
    row.operations.toFixed(2),
    row.writes.toFixed(2),
  ]
}

/** @param {string} name @param {number | undefined} share @param {import('./scenarios.js').Scenario['targets']} [targets] */
function targetCell(name, share, targets) {
  const target = targets?.[subjects.find((subject) => subject.name === name)?.mode]
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
