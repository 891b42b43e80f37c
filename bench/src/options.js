import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { scenarioNames } from './scenarios.js'
import { BASE, subjects } from './subjects.js'

/**
 * @typedef {object} Options
 * @property {number} rounds
 * @property {number} requests in one measured window
 * @property {number} connections kept alive, one request at a time on each
 * @property {number} sessions that the requests of a scenario go around
 * @property {number} memorySessions sessions that the memory scenario creates
 * @property {import('./subjects.js').Subject[]} subjects
 * @property {string[]} scenarios
 * @property {string | undefined} json file for the figures
 */

export const usage = `npm run bench -- [options]
npm run bench -- codecs [options]   (see there)

  --rounds N        rounds of each scenario (default 9)
  --requests N      requests in one measured window (default 4000)
  --subjects A,B    of ${subjects.map(({ name }) => name).join(', ')}
  --scenarios A,B   of ${scenarioNames.join(', ')}
  --quick           3 rounds of 1000 requests: does it run at all?
  --json FILE       write all figures there too
  --help`

const FULL = { rounds: 9, requests: 4000, connections: 8, sessions: 1000, memorySessions: 20_000 }
const QUICK = { rounds: 3, requests: 1000, connections: 8, sessions: 200, memorySessions: 2000 }

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
    subjects: chosenSubjects(values.subjects),
    scenarios: chosen('--scenarios', values.scenarios, scenarioNames),
    // npm runs scripts in the package's folder; the file is meant from where npm was called.
    json: values.json && resolve(process.env.INIT_CWD ?? '.', values.json),
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
        json: text,
        quick: flag,
        help: flag,
      },
    }).values
  } catch (error) {
    throw new UsageError(error.message)
  }
}

/** Bare Express always takes part: the other figures are measured from it. @param {string | undefined} text */
function chosenSubjects(text) {
  const all = subjects.map(({ name }) => name)
  const names = chosen('--subjects', text, all)
  return subjects.filter(({ name }) => name === BASE || names.includes(name))
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
