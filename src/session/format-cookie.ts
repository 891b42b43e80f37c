import type { CookieAttributes } from './session-cookie.js'

/** A `Set-Cookie` value. */
export function formatCookie(
  name: string,
  value: string,
  cookie: CookieAttributes & { expires?: Date | null },
): string {
  let text = `${name}=${value}; Path=${cookie.path}`
  if (cookie.domain !== undefined) text += `; Domain=${cookie.domain}`
  if (cookie.expires && !Number.isNaN(cookie.expires.getTime())) text += `; Expires=${cookie.expires.toUTCString()}`
  if (cookie.httpOnly) text += '; HttpOnly'
  if (cookie.secure === true) text += '; Secure'
  if (cookie.partitioned) text += '; Partitioned'
  if (cookie.priority !== undefined) text += `; Priority=${capitalized(cookie.priority)}`
  const sameSite = cookie.sameSite === true ? 'strict' : cookie.sameSite
  if (typeof sameSite === 'string') text += `; SameSite=${capitalized(sameSite)}`
  return text
}

function capitalized(word: string): string {
  return word[0]?.toUpperCase() + word.slice(1)
}
