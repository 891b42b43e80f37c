/** More cookies of one name than this are nobody's honest browser. */
export const MAX_CANDIDATES = 4

/** The values of all cookies of this name, in the order of the header; at most `limit`. RFC 6265, section 5.4. */
export function readCookies(header: string | undefined, name: string, limit = MAX_CANDIDATES): string[] {
  const values: string[] = []
  if (header === undefined) return values
  let from = 0
  while (values.length < limit) {
    const at = header.indexOf(name, from)
    if (at === -1) break
    from = at + name.length
    if (header.charCodeAt(from) !== EQUALS || !startsCookie(header, at)) continue
    const end = header.indexOf(';', from)
    values.push(plainValue(header.slice(from + 1, end === -1 ? undefined : end)))
  }
  return values
}

/** Whether a cookie of this path is meant for the request. RFC 6265, section 5.1.4. */
export function pathMatches(path: string, url: string): boolean {
  if (path === '/') return true
  const requested = pathOf(url)
  if (!requested.startsWith(path)) return false
  return requested.length === path.length || path.endsWith('/') || requested[path.length] === '/'
}

/* A request to a proxy names the whole URL (RFC 9112, section 3.2.2). */
const origin = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/[^/?]*/

function pathOf(url: string): string {
  const query = url.indexOf('?')
  const path = query === -1 ? url : url.slice(0, query)
  if (path.startsWith('/')) return path
  const rest = path.replace(origin, '')
  return rest === '' ? '/' : rest
}

const EQUALS = 61
const SEMICOLON = 59
const SPACE = 32

function startsCookie(header: string, at: number): boolean {
  let i = at - 1
  while (i >= 0 && header.charCodeAt(i) === SPACE) i--
  return i < 0 || header.charCodeAt(i) === SEMICOLON
}

function plainValue(raw: string): string {
  const text = raw.trim()
  return text.startsWith('"') && text.endsWith('"') && text.length > 1 ? text.slice(1, -1) : text
}
