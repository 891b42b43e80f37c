import type { IncomingMessage } from 'node:http'
import { ConfigError } from '../errors.js'
import { cookieSchema } from './cookie-keys.js'
import { problemAt, problemsOf } from './problems.js'
import type { CookieSettings } from './settings.js'

/** An application's function that gives the cookie options of a request. */
export type CookieFunction = (req: IncomingMessage) => unknown

const source = 'the function in the option cookie'

/**
 * Makes of an application's function one whose answers are checked and complete.
 * What it returns throws a ConfigError for options that can't be used, and whatever the application's function throws.
 */
export function checkedCookieFunction(given: CookieFunction): (req: IncomingMessage) => CookieSettings {
  return (req) => {
    const raw = given(req)
    if (raw instanceof Promise) {
      raw.catch(() => {})
      throw new ConfigError(source, [problemAt(['cookie'], undefined, 'an object of cookie options, not a promise')])
    }
    const result = cookieSchema.safeParse(raw)
    if (result.success) return cookieSettings(result.data)
    const issues = result.error.issues.map((issue) => ({ ...issue, path: ['cookie', ...issue.path] }))
    throw new ConfigError(source, problemsOf(issues, { cookie: raw }))
  }
}

/** All keys, absent ones too: objects of one shape. */
export function cookieSettings(read: ReturnType<typeof cookieSchema.parse>): CookieSettings {
  const { path, domain, httpOnly, secure, sameSite, maxAge, partitioned, priority } = read
  return { path, domain, httpOnly, secure, sameSite, maxAge, partitioned, priority }
}
