import { table } from '../report.js'
import { REFERENCE } from './subjects.js'

const HEADINGS = ['codec', 'bytes', 'of JSON', 'encode µs', 'of JSON', 'decode µs', 'of JSON']

/** @param {string} title @param {import('./measure.js').Figures[]} figures */
export function codecReport(title, figures) {
  const reference = figures.find(({ subject }) => subject === REFERENCE)
  const rows = figures.map(({ subject, bytes, encode, decode }) => [
    subject,
    String(bytes),
    share(bytes, reference.bytes),
    encode.toFixed(1),
    share(encode, reference.encode),
    decode.toFixed(1),
    share(decode, reference.decode),
  ])
  return `### A ${title.split(',')[0]} session (${title.split(', ')[1]})\n\n${table(HEADINGS, rows)}`
}

function share(value, reference) {
  return `${((value / reference) * 100).toFixed(0)} %`
}
