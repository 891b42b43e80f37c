import { createRequire } from 'node:module'
import { here } from '../here.js'
import { redactCredentials } from './redaction.js'

const load = createRequire(here)

/** A module gives nothing that can be used; the message says what was expected, and what happened. */
export class ModuleError extends Error {}

/**
 * Loads a JavaScript or TypeScript module and gives its default export, the export named `name`, or `module.exports`.
 * Nothing of it is kept on disk, as it may hold secrets, nor in memory, so that a changed file is read anew.
 *
 * @param path absolute
 * @param what is expected, for the error.
 * @throws ModuleError
 */
export function moduleExport(path: string, name: string, what: string): unknown {
  const exported = evaluate(path)
  if (typeof exported === 'object' && exported !== null) {
    if ('default' in exported) return exported.default
    if (name in exported) return (exported as Record<string, unknown>)[name]
    if (!('__esModule' in exported)) return exported
  }
  throw new ModuleError(`a default export, or an export named "${name}", that is ${what}`)
}

function evaluate(path: string): unknown {
  const { createJiti } = load('jiti') as typeof import('jiti')
  const jiti = createJiti(here, { fsCache: false, moduleCache: false, interopDefault: false })
  try {
    return jiti(path)
  } catch (error) {
    throw new ModuleError(`a module that loads; it failed with ${describe(error)}`)
  }
}

/** A compiler's message quotes the source, which may hold secrets: only its place is told. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'something that is no Error'
  if (!isSyntaxError(error)) return redactCredentials(`${error.name}: ${error.message.split('\n')[0]}`)
  const place = /\((\d+):(\d+)\)/.exec(error.message) ?? /:(\d+):(\d+)/.exec(error.message)
  if (/\bawait\b/.test(error.message)) return "a syntax error: a top-level await can't be used here"
  return place === null ? 'a syntax error' : `a syntax error in line ${place[1]}, column ${Number(place[2]) + 1}`
}

function isSyntaxError(error: Error): boolean {
  return error instanceof SyntaxError || /SyntaxError|ParseError/.test(`${error.name} ${error.message}`)
}
