import { createRequire } from 'node:module'
import { ConfigError } from '../errors.js'
import { here } from '../here.js'
import { problemAt } from './problems.js'

/** Loaded on first use: who configures by an object pays nothing for the parser. */
const load = createRequire(here)
const yaml = (): typeof import('yaml') => load('yaml')

/**
 * Reads YAML 1.2. Errors tell line, column and kind, and neither quote the text nor keep the parser's error: both
 * may show secrets.
 */
export function parseYaml(text: string, source: string): unknown {
  const { LineCounter, parseDocument } = yaml()
  const lineCounter = new LineCounter()
  // On its other log levels the parser prints warnings that quote the text.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, logLevel: 'error' })
  const flaws = [...document.errors, ...document.warnings].map((flaw) => {
    const { line, col } = lineCounter.linePos(flaw.pos[0])
    return `${position(line, col)}: ${flaw.code.toLowerCase().replaceAll('_', ' ')}`
  })
  if (flaws.length > 0) throw syntaxError(source, flaws.slice(0, 10), 'valid YAML')
  try {
    return document.toJS()
  } catch {
    throw syntaxError(source, ['an alias without anchor, or too many aliases'], 'valid YAML')
  }
}

/** Reads JSON. Errors tell the place, where it is known, and never quote the text. */
export function parseJson(text: string, source: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw syntaxError(source, [jsonFlaw(text, error)], 'valid JSON')
  }
}

function jsonFlaw(text: string, error: unknown): string {
  const offset = /at position (\d+)/.exec(String(error))?.[1]
  if (offset === undefined) return 'a syntax error'
  const before = text.slice(0, Number(offset)).split('\n')
  return `${position(before.length, (before.at(-1) ?? '').length + 1)}: a syntax error`
}

function position(line: number, column: number): string {
  return `line ${line}, column ${column}`
}

function syntaxError(source: string, flaws: readonly string[], expected: string): ConfigError {
  const problems = flaws.map((flaw) => ({ ...problemAt(['file'], undefined, expected), value: flaw }))
  return new ConfigError(source, problems)
}
