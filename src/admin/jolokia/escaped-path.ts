/**
 * Splits a path, or an inner path, at its slashes. `!` takes the next character as it stands (`!/` is no separator); an empty last
 * part counts for nothing.
 * @see https://jolokia.org/reference/html/manual/jolokia_protocol.html#escape-rules
 */
export function splitPath(path: string): string[] {
  const parts: string[] = []
  let current = ''
  for (let at = 0; at < path.length; at++) {
    const character = path[at] as string
    if (character === '!' && at + 1 < path.length) current += path[++at]
    else if (character === '/') {
      parts.push(current)
      current = ''
    } else current += character
  }
  if (current !== '') parts.push(current)
  return parts
}

/** The other way: what `splitPath` splits into these parts. */
export function joinPath(parts: readonly string[]): string {
  return parts.map((part) => part.replaceAll(/[!/]/g, '!$&')).join('/')
}

/** A value in a URL: `[null]` is null, two quotes are the empty text, anything else is a text. */
export function valueFromPath(text: string): string | null {
  if (text === '[null]') return null
  return text === '""' ? '' : text
}
