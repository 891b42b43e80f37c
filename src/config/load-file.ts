import { readFileSync, statSync } from 'node:fs'
import { extname, resolve } from 'node:path'
import { ConfigError, type ConfigProblem } from '../errors.js'
import { expandEnvironment } from './environment.js'
import { loadModule } from './load-module.js'
import type { HoldfastOptions } from './options.js'
import { findProblems } from './parse-settings.js'
import { parseJson, parseYaml } from './parse-text.js'
import { problemAt } from './problems.js'

const textKinds = ['.yaml', '.yml', '.json']
const moduleKinds = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts']
const kinds = [...textKinds, ...moduleKinds]
const maxBytes = 1_000_000

export interface LoadedOptions {
  options: HoldfastOptions
  /** The file, for messages. */
  source: string
}

/**
 * Reads a configuration file: YAML, JSON, or a JavaScript or TypeScript module whose default export, or export named
 * `config`, is the options object. References to the environment (`${NAME}`, `${NAME:-default}`) are replaced.
 *
 * @param path the file. Left out: the one `holdfast.config.*` in the working directory.
 * @throws {ConfigError} when there is no file, more than one, or it can't be used. Texts of the file that may hold
 * secrets are not in the message.
 */
export function loadOptions(path?: string): LoadedOptions {
  const source = path ?? findFile(process.cwd())
  const raw = readOptions(source)
  const { value, problems } = expandEnvironment(raw, process.env)
  if (problems.length > 0) throw new ConfigError(source, [...problems, ...otherProblems(value, problems)])
  return { options: value as HoldfastOptions, source }
}

/** What else is wrong, so that one error tells all; not the same places again. */
function otherProblems(options: unknown, known: readonly ConfigProblem[]): ConfigProblem[] {
  const told = (path: string): boolean => known.some((k) => k.path.startsWith(path) || path.startsWith(k.path))
  return findProblems(options).filter((problem) => !told(problem.path))
}

function findFile(folder: string): string {
  const found = kinds.map((kind) => `holdfast.config${kind}`).filter((name) => isFile(resolve(folder, name)))
  const [only, ...more] = found
  if (only === undefined) {
    const expected = `a file holdfast.config.{${kinds.map((kind) => kind.slice(1)).join(',')}} in the working directory, the path of one, or an options object`
    throw new ConfigError('the configuration', [problemAt(['file'], undefined, expected)])
  }
  if (more.length > 0) {
    const expected = `one file only, found ${found.join(', ')}: remove all but one, or name the one to use`
    throw new ConfigError('the configuration', [problemAt(['file'], undefined, expected)])
  }
  return only
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}

function readOptions(path: string): unknown {
  const kind = extname(path).toLowerCase()
  if (!kinds.includes(kind)) throw fileError(path, `a name that ends in ${kinds.join(', ')}`)
  const text = readText(resolve(path), path)
  if (moduleKinds.includes(kind)) return loadModule(resolve(path), path)
  return kind === '.json' ? parseJson(text, path) : parseYaml(text, path)
}

function readText(path: string, source: string): string {
  try {
    const stat = statSync(path)
    if (!stat.isFile()) throw fileError(source, 'a regular file')
    if (stat.size > maxBytes) throw fileError(source, `a file of at most ${maxBytes} bytes, it has ${stat.size}`)
    return readFileSync(path, 'utf8').replace(/^\ufeff/, '')
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw fileError(
      path,
      `a file that can be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'})`,
      error,
    )
  }
}

function fileError(path: string, expected: string, cause?: unknown): ConfigError {
  return new ConfigError(path, [problemAt(['file'], undefined, expected)], { cause })
}
