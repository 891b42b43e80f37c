import { illegalArgument } from '../admin/mbean/value-type.js'

const MAX_LENGTH = 1_000_000

/**
 * A value as JSON for people: maps as objects, sets as lists, big integers as texts.
 * @throws {AdminRequestError} for a value that has no such form, or a very long one.
 */
export function jsonText(value: unknown): string {
  const text = stringify(value)
  if (text.length <= MAX_LENGTH) return text
  throw illegalArgument(`the value has ${text.length} characters as JSON, more than ${MAX_LENGTH}`)
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value, plain) ?? 'null'
  } catch {
    throw illegalArgument('the value has no form in JSON')
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Map) return Object.fromEntries(value)
  return value instanceof Set ? [...value] : value
}
