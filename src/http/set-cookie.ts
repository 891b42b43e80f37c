import type { ServerResponse } from 'node:http'
import type { ManagerContext } from '../manager/context/manager-context.js'
import { formatCookie } from '../session/format-cookie.js'
import type { CookieAttributes } from '../session/session-cookie.js'
import { whyRefused } from './cookie-refusal.js'
import { isGone } from './response-hooks.js'

/** Bytes of name, value and attributes that every browser takes. RFC 6265, section 6.1. */
const MAX_COOKIE_SIZE = 4096
const tooLarge = `the session cookie has more than ${MAX_COOKIE_SIZE} bytes, which browsers drop, so it is not sent`
const shared =
  'a session cookie goes out on a response that caches may keep for everybody (Cache-Control: public or immutable)'

/** A cookie that is decided: nothing is `auto` any more. */
export type CookieToSend = CookieAttributes & { expires: Date | null }

/** Adds the session cookie to the response's head, with the header that keeps caches from storing it. */
export function setSessionCookie(
  context: ManagerContext,
  res: ServerResponse,
  value: string,
  cookie: CookieToSend,
  secure: boolean,
): void {
  if (!takesHeaders(res)) return
  const { settings, log } = context
  const refused = whyRefused(settings.name, cookie, secure)
  const text = refused === undefined ? formatCookie(settings.name, value, cookie) : ''
  const problem = Buffer.byteLength(text) > MAX_COOKIE_SIZE ? tooLarge : refused
  if (problem !== undefined) {
    log.write(problem, problem, (m) => settings.logger.warn(m))
    return
  }
  if (value !== '' && isShared(res)) log.write(shared, shared, (m) => settings.logger.warn(m))
  res.setHeader('Set-Cookie', [...cookiesOf(res), text])
  if (settings.cacheControl && res.getHeader('Cache-Control') === undefined) res.setHeader('Cache-Control', 'no-store')
}

/** Whether the application lets caches give the response to other visitors, who would get the cookie with it. */
export function isShared(res: ServerResponse): boolean {
  if (typeof res.getHeader !== 'function') return false
  return /(?:^|[\s,])(?:public|immutable)(?:$|[\s,])/i.test(String(res.getHeader('Cache-Control') ?? ''))
}

/** Makes the browser drop the session cookie, unless another one of its name goes out with this response. */
export function clearSessionCookie(
  context: ManagerContext,
  res: ServerResponse,
  cookie: CookieToSend,
  secure: boolean,
): void {
  if (!takesHeaders(res)) return
  const { name } = context.settings
  if (cookiesOf(res).some((other) => other.startsWith(`${name}=`))) return
  setSessionCookie(context, res, '', { ...cookie, expires: new Date(0) }, secure)
}

/* Stand-ins for responses may have no headers at all. */
function takesHeaders(res: ServerResponse): boolean {
  return !res.headersSent && typeof res.setHeader === 'function' && typeof res.getHeader === 'function' && !isGone(res)
}

function cookiesOf(res: ServerResponse): string[] {
  const existing = res.getHeader('Set-Cookie')
  if (existing === undefined) return []
  return Array.isArray(existing) ? existing : [String(existing)]
}
