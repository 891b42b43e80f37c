import type { CookieAttributes } from './session-cookie.js'

/** A `Set-Cookie` value. */
export function formatCookie(
  name: string,
  value: string,
  cookie: CookieAttributes & { expires?: Date | null },
): string {
  let text = `${name}=${value}; Path=${cookie.path}`
  if (cookie.domain !== undefined) text += `; Domain=${cookie.domain}`
  if (cookie.expires && !Number.isNaN(cookie.expires.getTime())) text += lifeUntil(cookie.expires)
  if (cookie.httpOnly) text += '; HttpOnly'
  if (cookie.secure === true) text += '; Secure'
  if (cookie.partitioned) text += '; Partitioned'
  if (cookie.priority !== undefined) text += `; Priority=${capitalized(cookie.priority)}`
  const sameSite = cookie.sameSite === true ? 'strict' : cookie.sameSite
  if (typeof sameSite === 'string') text += `; SameSite=${capitalized(sameSite)}`
  return text
}

/* Browsers go by Max-Age, which does not depend on the visitor's clock; Expires is for what does not know that. */
function lifeUntil(expires: Date): string {
  const seconds = Math.max(0, Math.ceil((expires.getTime() - Date.now()) / 1000))
  return `; Max-Age=${seconds}; Expires=${expires.toUTCString()}`
}

function capitalized(word: string): string {
  return word[0]?.toUpperCase() + word.slice(1)
}
