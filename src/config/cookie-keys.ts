import { z } from 'zod'
import { choice, durationOrNone, flag, key, keyNotes, readFlag, text } from './key.js'

const tenYears = 3650 * 86_400_000
const sameSites = ['lax', 'strict', 'none', 'auto'] as const

const cookieKeys = {
  path: text('a path that starts with "/"', /^\/[\x20-\x3a\x3c-\x7e]{0,1023}$/)
    .prefault('/')
    .register(keyNotes, {
      type: 'text',
      default: '`/`',
      meaning: 'Path that the cookie is sent for.',
    }),
  domain: text('a domain name', /^\.?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/)
    .optional()
    .register(keyNotes, {
      type: 'text',
      default: 'none',
      meaning: 'Domain that the cookie is sent for, with its subdomains. None: only the host that set it.',
    }),
  httpOnly: flag().prefault(true).register(keyNotes, {
    type: 'true or false',
    default: '`true`',
    meaning: 'Keeps the cookie from scripts in the page.',
  }),
  secure: key('true, false or "auto"', (value) => (value === 'auto' ? 'auto' : readFlag(value)))
    .prefault('auto')
    .register(keyNotes, {
      type: 'true, false or `auto`',
      default: '`auto`',
      meaning:
        'Whether the cookie goes over TLS only. `auto`: when the request came over TLS (see `proxy`). With `true`, a plain HTTP request gets no session cookie.',
    }),
  sameSite: key('true, false, "lax", "strict", "none" or "auto"', (value) => {
    return sameSites.find((site) => site === value) ?? readFlag(value)
  })
    .prefault('lax')
    .register(keyNotes, {
      type: 'true, false, `lax`, `strict`, `none` or `auto`',
      default: '`lax`',
      meaning:
        'Whether requests that other sites cause carry the cookie. `true` is `strict`, `false` leaves the attribute out. `none` needs `secure`. `auto`: `none` when the cookie is secure and so is the connection, else `lax`.',
    }),
  maxAge: durationOrNone(1000, tenYears)
    .nullish()
    .transform((value) => (value === 0 || value === null ? undefined : value))
    .register(keyNotes, {
      type: 'duration, null or `none`',
      default: 'none',
      meaning:
        'Life of the cookie in the browser. None: until the browser closes. It does not end the session: `idleTimeout` and `absoluteTimeout` do.',
    }),
  partitioned: flag().prefault(false).register(keyNotes, {
    type: 'true or false',
    default: '`false`',
    meaning: 'Gives each site that embeds yours a cookie of its own (CHIPS). Needs `secure`.',
  }),
  priority: choice('low', 'medium', 'high').optional().register(keyNotes, {
    type: '`low`, `medium` or `high`',
    default: 'none',
    meaning: 'Which cookies a browser drops first when it has too many.',
  }),
}

export const cookieSchema = z.strictObject(cookieKeys, { error: 'an object of cookie options' })
