import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { measure } from './measure.js'
import { codecReport } from './report.js'
import { sessions } from './sessions.js'
import { REFERENCE, SMALLEST } from './subjects.js'

const PAGE = new URL('../../../docs/codecs.md', import.meta.url)
const FROM = '<!-- figures: npm run bench -- codecs --write -->'
const TO = '<!-- end of figures -->'

/** The largest share of JSON's bytes that Avro may take of a usual session. */
const AVRO_TARGET = 0.5

const FULL = { rounds: 15, milliseconds: 30 }
const QUICK = { rounds: 3, milliseconds: 5 }

const usage = `npm run bench -- codecs [options]

  --quick   does it run at all? the figures are rough
  --write   put the figures into docs/codecs.md
  --help`

function main() {
  const flag = /** @type {const} */ ({ type: 'boolean' })
  const options = { quick: flag, write: flag, help: flag }
  const { values } = parseArgs({ args: process.argv.slice(3), options })
  if (values.help) return console.log(usage)
  const figures = Object.entries(sessions).map(([title, session]) => ({
    title,
    figures: measure(session, values.quick ? QUICK : FULL),
  }))
  const environment = `Node ${process.version}, ${cpus()[0]?.model ?? 'unknown processor'}.`
  const text = [environment, ...figures.map((part) => codecReport(part.title, part.figures))].join('\n\n')
  console.log(`${text}\n`)
  checkAvro(figures[1].figures)
  if (values.write) write(text)
}

function checkAvro(figures) {
  const bytesOf = (name) => figures.find(({ subject }) => subject === name).bytes
  const share = bytesOf(SMALLEST) / bytesOf(REFERENCE)
  const isMet = share <= AVRO_TARGET
  console.log(
    `avro's share of JSON's bytes, usual session: ${share.toFixed(2)}, target ${AVRO_TARGET}: ${isMet ? 'met' : 'missed'}`,
  )
  if (!isMet) process.exitCode = 1
}

function write(text) {
  const page = readFileSync(PAGE, 'utf8')
  const [from, to] = [page.indexOf(FROM), page.indexOf(TO)]
  if (from === -1 || to < from) throw new Error('docs/codecs.md has lost the marks around its figures')
  writeFileSync(PAGE, `${page.slice(0, from + FROM.length)}\n\n${text}\n\n${page.slice(to)}`)
}

try {
  main()
} catch (error) {
  console.error(error.code?.startsWith('ERR_PARSE_ARGS') ? `bench: ${error.message}\n\n${usage}` : error)
  process.exitCode = 1
}
