import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { scenarioNames } from './scenarios.js'
import { sizes, USUAL_SIZE } from './session-data.js'
import { isHoldfast, subjects, withBuild } from './subjects.js'

/**
 * @typedef {object} Options
 * @property {number} rounds
 * @property {number} requests in one measured window
 * @property {number} connections kept alive, one request at a time on each
 * @property {number} sessions that the requests of a scenario go around
 * @property {number} memorySessions sessions that the memory scenario creates
 * @property {import('./subjects.js').Subject[]} subjects
 * @property {string[]} scenarios
 * @property {string[]} sizes of sessions, each measured for itself
 * @property {string | undefined} json file for the figures
 * @property {boolean} write the figures into the documentation
 */

export const usage = `npm run bench -- [options]
npm run bench -- codecs [options]   (see there)

  --rounds N        rounds of each scenario (default 5)
  --requests N      requests in one measured window (default 2000)
  --subjects A,B    of ${subjects.map(({ name }) => name).join(', ')}
  --scenarios A,B   of ${scenarioNames.join(', ')}
  --sizes A,B       of ${sizes.join(', ')} (default ${USUAL_SIZE})
  --before FILE     another build's dist/index.js, measured beside this one in the same rounds
  --quick           3 rounds of 500 requests: does it run at all?
  --write           write the figures into docs/benchmarks.md
  --json FILE       write all figures there too
  --help`

const FULL = { rounds: 5, requests: 2000, connections: 24, sessions: 256, memorySessions: 20_000 }
const QUICK = { rounds: 3, requests: 500, connections: 24, sessions: 200, memorySessions: 2000 }

/** The arguments can't be used; the message says why. */
export class UsageError extends Error {}

/**
 * @param {string[]} args
 * @returns {Options | 'help'}
 * @throws {UsageError}
 */
export function parseOptions(args) {
  const values = parseArguments(args)
  if (values.help) return 'help'
  const defaults = values.quick ? QUICK : FULL
  return {
    ...defaults,
    rounds: wholeNumber('--rounds', values.rounds, defaults.rounds),
    requests: wholeNumber('--requests', values.requests, defaults.requests),
    subjects: beside(chosenSubjects(values.subjects), values.before),
    scenarios: chosen('--scenarios', values.scenarios, scenarioNames),
    sizes: chosen('--sizes', values.sizes ?? USUAL_SIZE, sizes),
    json: values.json && fromCaller(values.json),
    write: values.write === true,
  }
}

/** @param {string[]} args */
function parseArguments(args) {
  const text = /** @type {const} */ ({ type: 'string' })
  const flag = /** @type {const} */ ({ type: 'boolean' })
  try {
    return parseArgs({
      args,
      options: {
        rounds: text,
        requests: text,
        subjects: text,
        scenarios: text,
        sizes: text,
        before: text,
        json: text,
        quick: flag,
        write: flag,
        help: flag,
      },
    }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
}

/** What others are measured from takes part with them. @param {string | undefined} text */
function chosenSubjects(text) {
  const all = subjects.map(({ name }) => name)
  const names = chosen('--subjects', text, all)
  const bases = subjects.filter(({ name }) => names.includes(name)).map(({ base }) => base)
  return subjects.filter(({ name }) => names.includes(name) || bases.includes(name))
}

/** Each subject of Holdfast with another build right after it. @param {string | undefined} before */
function beside(chosenOnes, before) {
  if (before === undefined) return chosenOnes
  const file = fromCaller(before)
  if (!existsSync(file)) throw new UsageError(`--before: there is no ${file}`)
  const build = pathToFileURL(file).href
  return chosenOnes.flatMap((subject) => (isHoldfast(subject) ? [withBuild(subject, build), subject] : [subject]))
}

/** npm runs scripts in the package's folder; files are meant from where npm was called. @param {string} file */
function fromCaller(file) {
  return resolve(process.env.INIT_CWD ?? '.', file)
}

/** @param {string} option @param {string | undefined} text @param {string[]} all */
function chosen(option, text, all) {
  if (text === undefined) return all
  const names = text.split(',')
  const unknown = names.find((name) => !all.includes(name))
  if (unknown !== undefined) throw new UsageError(`${option}: '${unknown}' is not one of ${all.join(', ')}`)
  return all.filter((name) => names.includes(name))
}

/** @param {string} option @param {string | undefined} text @param {number} standard */
function wholeNumber(option, text, standard) {
  if (text === undefined) return standard
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError(`${option}: '${text}' is not a number from 1 to 9999999`)
  return Number(text)
}
