import { formatBytes, formatDuration, formatName, formatValue } from './format.js'

const numbers = new Set(['int', 'long', 'double'])
const LIST = '[Ljava.lang.String;'

/** How a setting of a type is typed in. */
export type Control = 'number' | 'choice' | 'lines' | 'text'

export function controlFor(type: string): Control {
  if (numbers.has(type)) return 'number'
  if (type === 'boolean') return 'choice'
  return type === LIST ? 'lines' : 'text'
}

/** A value as it stands in the form. */
export function toText(value: unknown): string {
  if (value === null || value === undefined) return ''
  return Array.isArray(value) ? value.join('\n') : String(value)
}

/** What stands in the form as a value of the type; the server checks it. An empty field is an empty text or list, else `null`. */
export function fromText(text: string, type: string): unknown {
  if (type === LIST) return text.split('\n').flatMap((line) => line.trim() || [])
  const trimmed = text.trim()
  if (type === 'boolean') return trimmed === 'true'
  if (!numbers.has(type)) return trimmed
  return trimmed === '' ? null : asNumber(trimmed)
}

/** What is no number goes as it is: the server says what it expects. */
function asNumber(text: string): number | string {
  const number = Number(text)
  return Number.isFinite(number) ? number : text
}

/** What a setting is called: without more ado where it is the session manager's, else with the name of its part. */
export function settingName(mbean: string, name: string): string {
  const part = /type=(\w+)/.exec(mbean)?.[1] ?? ''
  return formatName(part === 'SessionManager' ? name : part + name)
}

/** A setting's value with its unit, with which its description begins by convention. */
export function withUnit(value: unknown, description: string): string {
  if (typeof value !== 'number') return formatValue(value)
  if (description.startsWith('Milliseconds')) {
    return value < 10_000 ? `${value} ms` : `${value} ms (${formatDuration(value)})`
  }
  return description.startsWith('Bytes') && value >= 1000 ? `${value} B (${formatBytes(value)})` : String(value)
}
