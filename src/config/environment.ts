import type { ConfigProblem } from '../errors.js'
import { problemAt } from './problems.js'

/** `$${` is a plain `${`; otherwise `${NAME}` or `${NAME:-default}`. */
const reference = /\$\$\{|\$\{([^}]*)\}/g
const inside = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/** Depth that a configuration can have; what lies deeper is left as it is, to be refused by the schema. */
const maxDepth = 6

export interface Expanded {
  value: unknown
  problems: readonly ConfigProblem[]
}

/**
 * Replaces `${NAME}` and `${NAME:-default}` in all texts of a configuration by values from the environment. A
 * default counts when the variable is not set or empty, as in a shell. Objects of classes and functions stay as they are.
 */
export function expandEnvironment(raw: unknown, environment: NodeJS.ProcessEnv): Expanded {
  const problems: ConfigProblem[] = []
  /** Shared and circular parts (YAML aliases) are copied once. */
  const copies = new Map<object, unknown>()

  const expand = (value: unknown, path: readonly PropertyKey[]): unknown => {
    if (typeof value === 'string') return expandText(value, path)
    if (!isPlain(value) || path.length > maxDepth) return value
    if (!copies.has(value)) copies.set(value, copy(value, path))
    return copies.get(value)
  }

  const copy = (value: object, path: readonly PropertyKey[]): unknown => {
    copies.set(value, value)
    if (Array.isArray(value)) return value.map((item, index) => expand(item, [...path, index]))
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, [...path, key])]))
  }

  const expandText = (text: string, path: readonly PropertyKey[]): string =>
    text.replaceAll(reference, (whole, content: string | undefined) => {
      if (content === undefined) return '${'
      const match = inside.exec(content)
      const found = match === null ? undefined : lookUp(environment, match[1] ?? '', match[2])
      if (found === undefined) problems.push(problemAt(path, undefined, expectation(match?.[1])))
      return found ?? whole
    })

  return { value: expand(raw, []), problems }
}

function lookUp(environment: NodeJS.ProcessEnv, name: string, otherwise: string | undefined): string | undefined {
  const value = Object.hasOwn(environment, name) ? environment[name] : undefined
  return otherwise !== undefined && (value === undefined || value === '') ? otherwise : value
}

function expectation(name: string | undefined): string {
  if (name === undefined) return `\${NAME} or \${NAME:-default}; a plain "\${" is written "$\${"`
  return `the environment variable ${name} to be set, or a default as in \${${name}:-default}`
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null
}
