import type { IncomingMessage } from 'node:http'
import type { ManagerContext } from '../manager/context/manager-context.js'
import type { CookieAttributes } from '../session/session-cookie.js'
import { parseSessionId, type SessionId } from '../session-id/session-id.js'
import { MAX_CANDIDATES, readCookies } from './cookie-header.js'

/** The cookie settings for one request: those of the application's function where it gave one, or the configured ones. */
export function cookieSettingsFor({ settings, log }: ManagerContext, req: IncomingMessage): CookieAttributes {
  const { cookie, cookieFor } = settings
  if (cookieFor === undefined) return cookie
  try {
    return cookieFor(req)
  } catch (error) {
    log.write(
      'cookie function',
      `the function in the option cookie failed, so the defaults are used: ${messageOf(error)}`,
      (m) => settings.logger.error(m),
    )
    return cookie
  }
}

/**
 * The ids that a Cookie header names, in its order; at most 4. Where there are more, those that were never issued must not crowd out
 * the visitor's own.
 */
export function candidateIds(
  { settings, tokens, statistics }: ManagerContext,
  header: string | undefined,
): SessionId[] {
  const texts = readCookies(header, settings.name)
  if (texts.length < MAX_CANDIDATES) {
    const ids = parsed(texts)
    if (ids.length < texts.length) statistics.count('invalidIds')
    return ids
  }
  const all = parsed(readCookies(header, settings.name, Number.POSITIVE_INFINITY))
  return all.filter((id) => id.isIssuedBy(tokens)).slice(0, MAX_CANDIDATES)
}

function parsed(texts: readonly string[]): SessionId[] {
  const ids: SessionId[] = []
  for (const text of texts) {
    const id = parseSessionId(text)
    if (id !== undefined) ids.push(id)
  }
  return ids
}

/** Decides what is left to the connection (`auto`). `isSecure` is asked only then. */
export function resolveAuto(cookie: CookieAttributes, isSecure: () => boolean): CookieAttributes {
  if (cookie.secure !== 'auto' && cookie.sameSite !== 'auto') return cookie
  const connection = isSecure()
  const secure = cookie.secure === 'auto' ? connection : cookie.secure
  /* `None` counts only with `Secure`. */
  const sameSite = cookie.sameSite === 'auto' ? (connection && secure ? 'none' : 'lax') : cookie.sameSite
  return { ...cookie, secure, sameSite }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
