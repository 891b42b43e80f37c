import { inspect, types } from 'node:util'
import { onOneLine as escapeMarks } from '../logger.js'

export const redacted = '[redacted]'

const maxLength = 80

/** `scheme://user:password` whose `@host` was forgotten: what follows the colon is no port. */
const passwordWithoutHost = /(:\/\/[^:/\s,]*):(?!\d{1,5}(?:[/,\s?]|$)).*$/s

/** Keys whose values are never printed: also where a key's material may have been put by mistake. */
export function isSecretPath(path: readonly PropertyKey[]): boolean {
  if (path[0] === 'secret' || (path[0] === 'adopt' && path[1] === 'secret')) return true
  if (path[0] === 'admin' && path.length === 1) return true
  if (path[0] === 'encryption') return path.length === 1 || path[1] === 'keys'
  const credentials = path[0] === 'admin' && path[1] === 'auth'
  return credentials && !['role', 'values', 'nodes'].includes(String(path.at(-1)))
}

/**
 * Hides what may be credentials in an address or a list of addresses. Greedy on purpose: everything up to the last
 * `@` goes, since an unescaped password may hold any character, and so does a query.
 */
export function redactCredentials(text: string): string {
  const at = text.lastIndexOf('@')
  const shown = at === -1 ? text : `${redacted}${text.slice(at)}`
  if (!shown.includes('://')) return shown
  return shown.replace(passwordWithoutHost, `$1:${redacted}`).replace(/\?.*$/s, `?${redacted}`)
}

/** A configured value for an error message: short, on one line, without secrets. Empty: nothing stands there. */
export function printValue(value: unknown, path: readonly PropertyKey[]): string {
  if (value === undefined) return ''
  if (isSecretPath(path)) return redacted
  if (typeof value === 'string') return printText(value)
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`
  if (typeof value === 'function') return 'a function'
  if (types.isRegExp(value)) return printText(String(value))
  if (typeof value === 'object' && value !== null) return 'an object'
  return typeof value === 'bigint' ? `${value}n` : String(value)
}

/** Without control characters, marks of direction and separators, which could forge lines of a log. */
export function onOneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
}

function printText(text: string): string {
  const shown = redactCredentials(text)
  return escapeMarks(JSON.stringify(shown.length > maxLength ? `${shown.slice(0, maxLength)}…` : shown))
}

/** A path for people: `cookie.maxAge`, `nodes[1].url`. Odd key names are quoted and cut. */
export function printPath(path: readonly PropertyKey[]): string {
  let printed = ''
  for (const key of path) {
    if (typeof key === 'number') printed += `[${key}]`
    else printed += `${printed === '' ? '' : '.'}${printKey(String(key))}`
  }
  return printed
}

/** A name that is no option of anybody's may be a secret that slipped to where names stand. */
function printKey(key: string): string {
  if (key.length > 32 || (key.length >= 16 && !/^[a-z]+$/i.test(key))) return `[a name of ${key.length} characters]`
  return /^[\w$-]{1,60}$/.test(key) ? key : printText(key)
}

/** Makes `console.log`, `inspect` and `JSON.stringify` show `shown` in place of the value. Returns the value. */
export function hideFromPrinting<T extends object>(value: T, shown: unknown): T {
  const show = (): unknown => shown
  Object.defineProperty(value, inspect.custom, { value: show })
  Object.defineProperty(value, 'toJSON', { value: show })
  return value
}
