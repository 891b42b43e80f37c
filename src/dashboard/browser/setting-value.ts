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

/**
 * What stands in the form as a value of the type; the server checks it. An empty field is no value (`null`), but an empty list.
 */
export function fromText(text: string, type: string): unknown {
  if (type === LIST) return text.split('\n').flatMap((line) => line.trim() || [])
  const trimmed = text.trim()
  if (trimmed === '') return null
  if (type === 'boolean') return trimmed === 'true'
  return numbers.has(type) ? Number(trimmed) : trimmed
}
