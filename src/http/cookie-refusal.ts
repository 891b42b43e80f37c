import type { CookieAttributes } from '../session/session-cookie.js'

type Checked = CookieAttributes & { expires: Date | null }

/** What a proxy in front has to do with it, in every message about connections that are not secure. */
const behindProxy = 'behind a proxy set "trust proxy" or the option proxy'

const safePath = /^\/[\x20-\x3a\x3c-\x7e]*$/
const safeDomain = /^[A-Za-z0-9.-]+$/
const sameSites = /^(?:lax|strict|none)$/i
const priorities = /^(?:low|medium|high)$/i

/**
 * Why a cookie must not be sent: it can't be written, or browsers would drop it (RFC 6265bis, sections 4.1.3 and 5.7; CHIPS).
 * The texts are fixed, without values of the application's.
 *
 * @param secure whether the visitor's connection is.
 * @returns `undefined`: nothing speaks against it.
 */
export function whyRefused(name: string, cookie: Checked, secure: boolean): string | undefined {
  if (cookie.secure === true && !secure) {
    return `the session cookie is secure and the connection is not, so no cookie is sent; ${behindProxy}`
  }
  const reason =
    malformed(cookie) ?? (cookie.secure === true ? undefined : insecure(name, cookie)) ?? prefixed(name, cookie)
  return reason === undefined ? undefined : `${reason}, so no session cookie is sent`
}

/* What an application assigns to `session.cookie` may be anything, even text that would write other attributes. */
function malformed({ path, domain, sameSite, priority, expires }: Checked): string | undefined {
  if (typeof path !== 'string' || !safePath.test(path)) return "the session cookie's path can't stand in a cookie"
  if (domain !== undefined && !safeDomain.test(domain)) return "the session cookie's domain is none"
  if (typeof sameSite !== 'boolean' && !sameSites.test(sameSite)) return "the session cookie's sameSite is unknown"
  if (priority !== undefined && !priorities.test(priority)) return "the session cookie's priority is unknown"
  if (expires !== null && Number.isNaN(expires.getTime())) return "the session cookie's end is no date"
  return undefined
}

function insecure(name: string, { sameSite, partitioned }: CookieAttributes): string | undefined {
  if (/^__(?:host|secure|http)-/i.test(name)) {
    return `browsers drop a cookie whose name begins with __Host-, __Secure- or __Http- when it is not secure (${behindProxy})`
  }
  if (typeof sameSite === 'string' && sameSite.toLowerCase() === 'none') {
    return `browsers drop a cookie with sameSite "none" that is not secure (${behindProxy})`
  }
  return partitioned ? `browsers drop a partitioned cookie that is not secure (${behindProxy})` : undefined
}

function prefixed(name: string, { path, domain, httpOnly }: CookieAttributes): string | undefined {
  if (/^__(?:host-)?http-/i.test(name) && !httpOnly) {
    return 'browsers drop a cookie whose name begins with __Http- or __Host-Http- when it is not httpOnly'
  }
  if (!/^__host-/i.test(name) || (path === '/' && domain === undefined)) return undefined
  return 'browsers drop a cookie whose name begins with __Host- when it has a domain, or another path than "/"'
}
