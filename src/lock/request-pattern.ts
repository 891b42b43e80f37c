const longestPath = 512
const mostSegments = 16
const longestWord = 32
const placeholder = ':'

const plainWord = /^[a-z_-]*$/i
/** Four digits in all: numbers, dates, UUIDs and most tokens; not `v2`, `oauth2`, `http404`. */
const manyDigits = /(?:\d\D*){4}/
const numeric = /^\d+$/
/** Hexadecimal or base64-like: long, with at least one digit beside the letters, or one of base64's signs at the end. */
const token = /^(?=.*\d)[\w+=~.-]{16,}$|=$/
const hexadecimal = /^(?=.*\d)[\da-f]{6,}$/i
/** Escapes, addresses and the like are data, not words of a route. */
const notWord = /[^\w.~-]/

/**
 * What requests with other identifiers have in common: the method and the path, with a `:` for each segment that looks like
 * an identifier. The query is left out: `GET /users/17/orders?page=2` is `GET /users/:/orders`.
 *
 * @returns `undefined`: the path is too long to be learnt
 */
export function requestPattern(method: string, url: string): string | undefined {
  const path = pathOf(url)
  if (path.length > longestPath) return undefined
  const segments = path.split('/')
  if (segments.length > mostSegments) return undefined
  return `${method} ${segments.map(generalised).join('/')}`
}

/** A URL without its query and fragment. */
export function pathOf(url: string): string {
  const end = url.search(/[?#]/)
  return end === -1 ? url : url.slice(0, end)
}

function generalised(segment: string): string {
  return looksLikeIdentifier(segment) ? placeholder : segment
}

function looksLikeIdentifier(segment: string): boolean {
  if (segment.length > longestWord) return true
  if (plainWord.test(segment)) return false
  if (notWord.test(segment)) return true
  return numeric.test(segment) || manyDigits.test(segment) || hexadecimal.test(segment) || token.test(segment)
}
