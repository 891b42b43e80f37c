import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import { consoleLogger, type Logger, oneLineLogger } from '../logger.js'
import { largestValueBytes } from '../node/item-size.js'
import { activitySchema } from './activity-keys.js'
import { adminSchema } from './admin-keys.js'
import { adoptSchema } from './adopt-keys.js'
import { backupSchema } from './backup-keys.js'
import { codecKey } from './codec-key.js'
import { compressionSchema } from './compression-keys.js'
import { cookieSchema } from './cookie-keys.js'
import { encryptionSchema } from './encryption-keys.js'
import { choice, countOrNone, duration, durationOrNone, flag, key, keyNotes, pattern, size, text } from './key.js'
import { lockingSchema } from './locking-keys.js'
import { nearCacheSchema } from './near-cache-keys.js'
import { newcomersSchema } from './newcomer-keys.js'
import { nodeKeys } from './node-keys.js'
import type { HoldfastOptions } from './options.js'
import type { MergeFunction } from './settings.js'
import { waitSchema } from './wait-keys.js'

const minute = 60_000
const day = 86_400_000
const minSecretLength = 16

function readSecrets(value: unknown): string[] | undefined {
  const secrets: unknown = typeof value === 'string' ? [value] : value
  if (!Array.isArray(secrets) || secrets.length === 0 || secrets.length > 100) return undefined
  return secrets.every((s) => typeof s === 'string' && s.length >= minSecretLength) ? [...secrets] : undefined
}

function isObjectWith(value: unknown, ...methods: string[]): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  return methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function')
}

function readLogger(value: unknown): Logger | undefined {
  return isObjectWith(value, 'debug', 'info', 'warn', 'error') ? oneLineLogger(value as unknown as Logger) : undefined
}

function readMerge(value: unknown): MergeFunction | undefined {
  return typeof value === 'function' ? (value as MergeFunction) : undefined
}

function readGenerator(value: unknown) {
  return typeof value === 'function' ? (value as (req: IncomingMessage) => string) : undefined
}

const shape = {
  secret: key(`a text of at least ${minSecretLength} characters, or a list of them`, readSecrets).register(keyNotes, {
    type: 'text or list of texts',
    default: 'required',
    meaning:
      'Signs session ids, so that ids that Holdfast did not issue are refused before any storage is asked. At least 16 characters each, better 32 random bytes. All servers need the same. Of a list the first signs and all verify. To rotate, first let all servers know the new one, at the end of the list, and then put it in front.',
  }),
  mode: choice('sticky', 'non-sticky').prefault('sticky').register(keyNotes, {
    type: '`sticky` or `non-sticky`',
    default: '`sticky`',
    meaning:
      'How requests meet sessions. `sticky`: a load balancer sends a visitor to the same server, whose memory has the session; the storage nodes have the backup. `non-sticky`: any server serves any request, from the storage nodes.',
  }),
  route: text('letters, digits, "_" and "-", at most 64', /^[A-Za-z0-9_-]{1,64}$/)
    .optional()
    .register(keyNotes, {
      type: 'text: letters, digits, `_`, `-`',
      default: 'none',
      meaning:
        "This server's name, the part of session ids after the dot that load balancers read. Needed, and different on each server, as soon as there is more than one.",
    }),
  ...nodeKeys,
  name: text("a cookie name: letters, digits and !#$%&'*+-.^_`|~", /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,128}$/)
    .prefault('sid')
    .register(keyNotes, {
      type: 'text',
      default: '`sid`',
      meaning:
        'Name of the session cookie. The prefixes `__Host-`, `__Secure-`, `__Http-` and `__Host-Http-` work, with the cookie options that browsers ask for.',
    }),
  cookie: cookieSchema.prefault({}).register(keyNotes, {
    type: 'object, or function (request) => object',
    default: 'see below',
    meaning:
      'How the session cookie is sent. A function, in JavaScript only, is asked once for each request; when it throws or gives something else, that is reported and the defaults are used.',
  }),
  cacheControl: flag().prefault(true).register(keyNotes, {
    type: 'true or false',
    default: '`true`',
    meaning:
      'Adds `Cache-Control: no-store` to responses that set the session cookie, so that no cache hands it to others; not where the application has set `Cache-Control`.',
  }),
  clearCookie: flag().prefault(false).register(keyNotes, {
    type: 'true or false',
    default: '`false`',
    meaning:
      "Clears the cookie in the browser when the request's session is destroyed, as long as the head of the response has not gone.",
  }),
  rolling: flag().prefault(false).register(keyNotes, {
    type: 'true or false',
    default: '`false`',
    meaning: 'Sends the cookie with every response, so that its life in the browser starts anew (`cookie.maxAge`).',
  }),
  saveUninitialized: flag().prefault(false).register(keyNotes, {
    type: 'true or false',
    default: '`false`',
    meaning: 'Keeps new sessions that nothing was put into, and sends their cookie.',
  }),
  unset: choice('keep', 'destroy').prefault('keep').register(keyNotes, {
    type: '`keep` or `destroy`',
    default: '`keep`',
    meaning: 'What `req.session = null` does to the stored session.',
  }),
  genid: key('a function that gives a text', readGenerator).optional().register(keyNotes, {
    type: 'function (request) => text',
    default: '128 random bits',
    meaning: 'Makes the random part of new session ids. Only in JavaScript.',
  }),
  proxy: flag().optional().register(keyNotes, {
    type: 'true or false',
    default: "Express' `trust proxy`",
    meaning: 'Whether `X-Forwarded-Proto` is believed when `cookie.secure` is decided.',
  }),
  idleTimeout: durationOrNone(100, 3650 * day)
    .prefault('30m')
    .register(keyNotes, {
      type: 'duration, 100ms to 3650d, 0 or `none`',
      default: '`30m`',
      meaning: 'A session ends when it was not used for this long. 0 or `none`: never.',
    }),
  absoluteTimeout: durationOrNone(100, 3650 * day)
    .prefault('none')
    .register(keyNotes, {
      type: 'duration, 100ms to 3650d, 0 or `none`',
      default: '`none`',
      meaning: 'A session ends this long after it was created, however much it is used.',
    }),
  renewIdAfter: durationOrNone(1000, 3650 * day)
    .prefault('none')
    .register(keyNotes, {
      type: 'duration, 1s to 3650d, 0 or `none`',
      default: '`none`',
      meaning:
        'A session gets another id at the first request after this time, see [Ids that change](modes.md#ids-that-change). 0 or `none`: only by `req.session.renewId()` and `regenerate()`.',
    }),
  trustFor: duration(0, day).prefault('10s').register(keyNotes, {
    type: 'duration, 0 to 1d',
    default: '`10s`',
    meaning:
      'How long this server uses its copy of a session without asking the storage whether another server has taken it over or ended it. 0: it asks at every request.',
  }),
  maxActiveSessions: countOrNone(1_000_000_000).prefault('none').register(keyNotes, {
    type: 'number, 0 or `none`',
    default: '`none`',
    meaning:
      'Sessions that this server holds at most; in non-sticky mode those that it has served and that may still live, of which it remembers 100000. Beyond it, requests that need a new one are answered with 503 and Retry-After.',
  }),
  newcomers: newcomersSchema.optional().register(keyNotes, {
    type: 'object',
    default: 'as everybody',
    meaning:
      'How long new sessions live until their cookie has come back once, and how many begin in a second, see [Visitors who never come back](modes.md#visitors-who-never-come-back).',
  }),
  maxSessionBytes: size(64 * 1024, largestValueBytes)
    .prefault('4MB')
    .register(keyNotes, {
      type: 'size, 64KiB to 16MiB',
      default: '`4MB`',
      meaning:
        'The largest session that is stored, as it is stored: compressed, where that is so. What a larger one has is not stored: see `backup.onUnstorable`. Larger ones that are stored already are read.',
    }),
  backup: backupSchema.prefault({}).register(keyNotes, {
    type: 'object',
    default: 'see below',
    meaning: 'How sessions are stored in the storage nodes.',
  }),
  locking: lockingSchema.prefault({}).register(keyNotes, {
    type: 'object',
    default: 'see below',
    meaning: 'Whether overlapping requests of one session wait for each other.',
  }),
  wait: waitSchema.optional().register(keyNotes, {
    type: 'object',
    default: 'none',
    meaning:
      'Writes that replicas of the Redis master have to acknowledge (WAIT), see below. Other storage nodes ignore it.',
  }),
  nearCache: nearCacheSchema.optional().register(keyNotes, {
    type: 'object',
    default: 'off',
    meaning:
      'Records of Redis nodes that this server keeps in memory for reads of non-sticky mode, see [Near cache](storage.md#near-cache). Sticky mode and other storage nodes ignore it.',
  }),
  ignore: pattern().optional().register(keyNotes, {
    type: 'pattern',
    default: 'none',
    meaning: 'Requests whose URL (path and query) matches get no session: images, scripts, health checks.',
  }),
  activity: activitySchema.optional().register(keyNotes, {
    type: 'object',
    default: 'each request is a use',
    meaning:
      'Which requests are no use of their session, see [Requests that are no activity](modes.md#requests-that-are-no-activity). `{}`: those that call `req.session.passive()`.',
  }),
  adopt: adoptSchema.optional().register(keyNotes, {
    type: 'object',
    default: 'none',
    meaning:
      'Brings the sessions of express-session over, each at the first request of its visitor, see [Coming from express-session](migrating-from-express-session.md#what-happens-to-visitors-who-are-logged-in).',
  }),
  attributes: pattern().optional().register(keyNotes, {
    type: 'pattern',
    default: 'all',
    meaning:
      "Names of the attributes that are backed up. The others stay in this server's memory and are lost with it.",
  }),
  merge: key('a function (name, base, mine, theirs) => value', readMerge).optional().register(keyNotes, {
    type: 'function (name, base, mine, theirs) => value',
    default: 'the last writer wins',
    meaning:
      'Decides on an attribute that two requests on different servers have changed at the same time: `base` is the value that both began with, `theirs` is stored already. `undefined` stands for an attribute that is not there. Only in JavaScript.',
  }),
  compression: compressionSchema.prefault({}).register(keyNotes, {
    type: 'object',
    default: 'see below',
    meaning: 'Whether stored records are compressed, see [Encryption and compression](encryption-and-compression.md).',
  }),
  encryption: encryptionSchema.prefault({}).register(keyNotes, {
    type: 'object',
    default: 'see below',
    meaning: 'Whether stored records are encrypted, see [Encryption and compression](encryption-and-compression.md).',
  }),
  codec: codecKey.prefault('json').register(keyNotes, {
    type: '`json`, `msgpack`, an object with a `type`, the path of a module, an object `{ id, encode, decode }`, or several: see [Codecs](#codecs)',
    default: '`json`',
    meaning: 'Turns the values of attributes into bytes and back.',
  }),
  keyPrefix: text('printable ASCII without spaces, at most 100 characters', /^[\x21-\x7e]{0,100}$/)
    .prefault('holdfast:')
    .register(keyNotes, {
      type: 'text: printable ASCII without spaces, at most 100 characters',
      default: '`holdfast:`',
      meaning: 'Start of every key in the storage. Give each application its own when they share storage nodes.',
    }),
  operationTimeout: duration(1, minute).prefault('1s').register(keyNotes, {
    type: 'duration, 1ms to 1m',
    default: '`1s`',
    meaning:
      'Longest time that one operation on a storage node may take; after it, the node counts as down until a probe succeeds.',
  }),
  probeInterval: duration(10, 60 * minute)
    .prefault('500ms')
    .register(keyNotes, {
      type: 'duration, 10ms to 1h',
      default: '`500ms`',
      meaning: 'Time between two probes of a node that is down.',
    }),
  enabled: flag().prefault(true).register(keyNotes, {
    type: 'true or false',
    default: '`true`',
    meaning: "`false`: no storage node is asked, sessions live in this server's memory only.",
  }),
  statistics: flag().prefault(true).register(keyNotes, {
    type: 'true or false',
    default: '`true`',
    meaning: 'Whether counters and timings are kept.',
  }),
  admin: adminSchema.optional().register(keyNotes, {
    type: 'object',
    default: 'off',
    meaning: 'The administration over HTTP, see [Administration](#administration).',
  }),
  logger: key('an object with the functions debug, info, warn and error', readLogger)
    .prefault(() => consoleLogger)
    .register(keyNotes, {
      type: 'object with `debug`, `info`, `warn`, `error`',
      default: 'warnings and errors to stderr',
      meaning: 'Where messages go; `console` and pino instances fit. Only in JavaScript.',
    }),
  resave: z.unknown().optional().register(keyNotes, {
    type: 'anything',
    default: 'ignored',
    meaning: 'Accepted from options for express-session, and ignored: unchanged sessions are never saved again.',
  }),
  store: z.unknown().optional().register(keyNotes, {
    type: 'anything',
    default: 'ignored',
    meaning: 'Accepted from options for express-session, and ignored: sessions are stored in `nodes`.',
  }),
} satisfies Record<keyof HoldfastOptions, z.ZodType>

/** Every key of the configuration with its meaning, form, bounds and default. */
export const optionsSchema = z.strictObject(shape, { error: 'an object of options' })

/** Keys that `reconfigure` refuses: running sessions, cookies and sockets depend on them. */
export const fixedKeys = [
  'route',
  'embed',
  'name',
  'keyPrefix',
  'genid',
  'codec',
  'admin',
] as const satisfies (keyof HoldfastOptions)[]
