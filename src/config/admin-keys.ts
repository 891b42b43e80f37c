import { z } from 'zod'
import { parseMemberPattern } from '../admin/access/member-access.js'
import { isPasswordHash, parsePasswordHash } from '../admin/access/password-hash.js'
import {
  type AdminAuth,
  type AdminSettings,
  type AdminToken,
  type AdminUser,
  adminSettings,
} from '../admin/admin-settings.js'
import { isNetwork } from '../admin/http/client-address.js'
import { choice, count, flag, key, keyNotes, readCount, text } from './key.js'
import { hideFromPrinting, redacted } from './redaction.js'

const minPassword = 12
const endpoint = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]{1,253}):(\d{1,5})$/

function readListen(value: unknown): AdminSettings['listen'] {
  if (typeof value !== 'string' && (typeof value !== 'object' || value === null)) return undefined
  const { host, port, ...unknown } =
    typeof value === 'string' ? splitEndpoint(value) : (value as Record<string, unknown>)
  const number = readCount(port, 0, 65_535)
  const sound = typeof host === 'string' && /^[A-Za-z0-9._:-]{1,253}$/.test(host) && Object.keys(unknown).length === 0
  return sound && number !== undefined ? { host, port: number } : undefined
}

function splitEndpoint(text: string): Record<string, unknown> {
  const match = endpoint.exec(text)
  return { host: match?.[1]?.replace(/^\[|\]$/g, ''), port: match?.[2] }
}

function readPassword(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > 1024) return undefined
  const sound = isPasswordHash(value) ? parsePasswordHash(value) !== undefined : value.length >= minPassword
  return sound ? value : undefined
}

function readTexts(value: unknown, isSound: (text: string) => boolean): string[] | undefined {
  const texts: unknown = typeof value === 'string' ? value.split(/[\s]+/).filter((text) => text !== '') : value
  if (!Array.isArray(texts) || texts.length > 1000) return undefined
  return texts.every((text) => typeof text === 'string' && isSound(text)) ? [...texts] : undefined
}

function isMemberPattern(text: string): boolean {
  try {
    parseMemberPattern(text)
    return true
  } catch {
    return false
  }
}

const granted = {
  name: text('a name of letters, digits, "_", "." or "-"', /^[A-Za-z0-9_.-]{1,64}$/),
  role: choice('viewer', 'operator'),
  values: flag().prefault(false),
  nodes: flag().prefault(false),
}

const passwordForms = `a password of at least ${minPassword} characters, or a hash from "holdfast hash-password"`

const user = z.strictObject(
  { ...granted, password: key(passwordForms, readPassword) },
  { error: 'an object { name, password, role, values, nodes }' },
)

const token = z.strictObject(
  { ...granted, sha256: text('the SHA-256 of the token, 64 hexadecimal digits', /^[0-9A-Fa-f]{64}$/) },
  { error: 'an object { name, sha256, role, values, nodes }' },
)

const authSchema = z.strictObject(
  {
    users: z.array(user, { error: 'a list of users' }).max(100, { error: 'at most 100 users' }).prefault([]),
    tokens: z.array(token, { error: 'a list of tokens' }).max(100, { error: 'at most 100 tokens' }).prefault([]),
  },
  { error: 'an object { users, tokens }' },
)

const healthSchema = z.strictObject(
  { public: flag().prefault(true), storage: flag().prefault(true) },
  { error: 'an object { public, storage }' },
)

const adminKeys = {
  listen: key('"host:port" or { host, port }', readListen).optional().register(keyNotes, {
    type: '`host:port`, or `{ host, port }`',
    default: 'none',
    meaning:
      'Where the stand-alone server of the administration listens, such as `127.0.0.1:9400`. None: there is no such server. An address that is no loopback address needs credentials in `admin.auth`.',
  }),
  auth: authSchema.prefault({}).register(keyNotes, {
    type: '`{ users, tokens }`',
    default: 'nobody',
    meaning: 'Who may log in, see [Administration](#administration).',
  }),
  readOnly: flag().prefault(true).register(keyNotes, {
    type: 'true or false',
    default: '`true`',
    meaning: 'Whether every write and every operation that changes something is refused, to operators, too.',
  }),
  allow: key('member patterns such as "holdfast:type=SessionManager/flush"', (v) => readTexts(v, isMemberPattern))
    .optional()
    .register(keyNotes, {
      type: 'list of member patterns, or a text with spaces',
      default: 'all',
      meaning:
        'Which attributes may be written and which operations that change something may be called: `<MBean>/<member>`, with `*` and `?`. Needs `admin.readOnly: false`.',
    }),
  allowedHosts: key('host names, with ports', (v) => readTexts(v, (t) => /^[A-Za-z0-9._[\]:*?-]{1,260}$/.test(t)))
    .prefault([])
    .register(keyNotes, {
      type: 'list of `host:port`, or a text with spaces',
      default: 'none',
      meaning:
        'Further names that the administration is called by in the Host header, as clients send them: with a port unless that is 80; `*` and `?` stand for any characters, as in `*.ops.example.com:9400`. For the stand-alone server and for `adminRouter()`. Loopback names, the listening name and addresses need not be listed, and no name matters where a request has a right token.',
    }),
  trustedProxies: key('addresses or networks such as "10.0.0.0/8"', (v) => readTexts(v, isNetwork))
    .prefault([])
    .register(keyNotes, {
      type: 'list of addresses and networks, or a text with spaces',
      default: 'none',
      meaning:
        'Proxies in front of the administration whose `X-Forwarded-For` is believed, such as `10.0.0.0/8`. Without it, all clients behind a proxy count as one. `adminRouter()` in Express takes the address that Express names when this is empty: see its setting `trust proxy`.',
    }),
  allowedOrigins: key('origins such as "https://hawtio.example.com"', (v) =>
    readTexts(v, (t) => /^https?:\/\/[^\s/]{1,260}$/i.test(t)),
  )
    .prefault([])
    .register(keyNotes, {
      type: 'list of origins, or a text with spaces',
      default: 'none',
      meaning: 'Other sites whose pages may use the administration from a browser.',
    }),
  health: healthSchema.prefault({}).register(keyNotes, {
    type: '`{ public, storage }`',
    default: '`public: true, storage: true`',
    meaning:
      '`public`: whether `/healthz` and `/readyz` tell everybody the bare state, for balancers. Detail always needs a login. `storage`: whether `/readyz` fails until this server has reached a storage node since its start, so that a rollout with a wrong password stops at the first server.',
  }),
  rate: count(1, 100_000).prefault(200).register(keyNotes, {
    type: 'number, 1 to 100000',
    default: '`200`',
    meaning:
      'Requests a second that somebody who is logged in may send in the long run, or a network without a login; twice as many may come at once. Each request of a bulk counts.',
  }),
}

export const adminSchema = z.strictObject(adminKeys, { error: 'an object of options for the administration' })

/** The settings of the administration; the credentials don't show when they are printed. */
export function toAdminSettings({ rate, auth, ...keys }: z.output<typeof adminSchema>): AdminSettings {
  const settings = adminSettings({
    ...keys,
    listen: keys.listen,
    allow: keys.allow,
    auth: hideAuth(auth),
    limits: { rate },
  })
  return Object.freeze(settings)
}

function hideAuth({ users, tokens }: { users: AdminUser[]; tokens: AdminToken[] }): AdminAuth {
  return Object.freeze({
    users: Object.freeze(users.map((user) => hideFromPrinting(user, `${user.name} (${user.role}) ${redacted}`))),
    tokens: Object.freeze(tokens.map((token) => hideFromPrinting(token, `${token.name} (${token.role}) ${redacted}`))),
  })
}
