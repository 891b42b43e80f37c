import type { IncomingMessage } from 'node:http'
import type { AdminToken, AdminUser } from '../admin/admin-settings.js'
import type { Logger } from '../logger.js'
import type { AttributeCodec } from '../record/attribute-codec.js'
import type { AdoptStore } from './settings.js'

/** A number of milliseconds, or a text such as `'100ms'`, `'10s'`, `'30m'`, `'1.5h'`, `'7d'`. */
export type Duration = number | string

/** A number of bytes, or a text such as `'512KB'`, `'64MB'` (powers of 1000), `'1MiB'` (powers of 1024). */
export type Size = number | string

/** A regular expression, or its text: the plain source, or `'/…/flags'`. */
export type Pattern = RegExp | string

/** How the session cookie is sent. */
export interface CookieOptions {
  /** Path that the cookie is sent for. Default `'/'`. */
  path?: string | undefined
  /** Domain that the cookie is sent for. Default: the host that set it, without its subdomains. */
  domain?: string | undefined
  /** Keeps the cookie from scripts in the page. Default `true`. */
  httpOnly?: boolean | undefined
  /** `'auto'` (default): only over TLS when the request came over TLS; `true`: always; `false`: never. */
  secure?: boolean | 'auto' | undefined
  /**
   * Whether requests that other sites cause carry the cookie. `'auto'`: `'none'` when the request came over TLS, else `'lax'`.
   * Default `'lax'`.
   */
  sameSite?: boolean | 'lax' | 'strict' | 'none' | 'auto' | undefined
  /** Life of the cookie in the browser; `null` or left out: until the browser closes. */
  maxAge?: Duration | null | undefined
  /** Gives each embedding site a cookie jar of its own. Default `false`. */
  partitioned?: boolean | undefined
  /** Which cookies a full browser drops first. */
  priority?: 'low' | 'medium' | 'high' | undefined
}

/** How sessions are stored outside this server. */
export interface BackupOptions {
  /** `'async'` (default): after the response; `'sync'`: before the response ends. */
  mode?: 'async' | 'sync' | undefined
  /** Longest time that a response waits for its backup, for room in the queue or for a verification. Default `'100ms'`. */
  timeout?: Duration | undefined
  /** Copies of a session, each on a node of its own (non-sticky). Default 2. */
  replicas?: number | undefined
  /** How long a change waits for others, to be sent together (async). Default `'5ms'`. */
  delay?: Duration | undefined
  /** Writes under way at once, a node. Default 32. */
  concurrency?: number | undefined
  /** Sessions that wait to be stored, in bytes, before requests are held back. Default `'64MB'`. */
  maxPendingBytes?: Size | undefined
  /** Share of the idle timeout after which an accessed but unchanged session's stored life is renewed. Default 0.2. */
  touchAfter?: number | undefined
  /** Attempts on one node before a session's backup moves to another. Default 3. */
  attempts?: number | undefined
  /**
   * What becomes of a response that waits for the storage when its change can't be stored at all: `'fail'` (default): 500 in its
   * place; `'report'`: it goes.
   */
  onUnstorable?: 'fail' | 'report' | undefined
  /** Sessions a second that background protection stores at most. Default 500. */
  protectRate?: number | undefined
}

/** Whether overlapping requests of one session wait for each other. */
export interface LockingOptions {
  /**
   * `'none'` (default), `'all'`, `'auto'`: all that are not known to read only, `'uri'`: those whose URL matches `pattern`,
   * `'app'`: where the application asks.
   */
  mode?: 'none' | 'all' | 'auto' | 'uri' | 'app' | undefined
  /** URLs (path and query) that lock; needed for `'uri'`. */
  pattern?: Pattern | undefined
  /** How long a lock outlives a holder that died. Default `'5s'`. */
  expiry?: Duration | undefined
  /** Longest time that a request waits for the lock. Default `'1s'`. */
  timeout?: Duration | undefined
  /** `'fail'` (default): a request that waited in vain is answered with 503; `'proceed'`: it goes on without the lock. */
  onTimeout?: 'fail' | 'proceed' | undefined
  /** Requests of one session that wait on this server at most. Default 100. */
  maxWaiters?: number | undefined
}

/** Whether and how stored records are compressed. */
export interface CompressionOptions {
  /** Default `'off'`. `'zstd'` needs Node 22.15 or later. Compressed records are read whatever stands here. */
  algorithm?: 'off' | 'gzip' | 'deflate' | 'brotli' | 'zstd' | undefined
  /** Records below this size stay as they are. Default `'1KB'`. */
  threshold?: Size | undefined
  /** 1 to 9 (gzip, deflate; default 6), 0 to 11 (brotli; default 4), 1 to 22 (zstd; default 3). */
  level?: number | undefined
  /** Stored records that would inflate to more are refused; larger ones are not compressed. Default `'8MB'`. */
  maxInflatedBytes?: Size | undefined
}

/** Whether stored records are encrypted, and with which keys. */
export interface EncryptionOptions {
  /**
   * The first encrypts, all decrypt. `key`: 32 random bytes as base64 or hex; `file`: a file with that text, read at start
   * and at each `reconfigure`. Default: none, no encryption.
   */
  keys?: readonly ({ id: string; key: string } | { id: string; file: string })[] | undefined
  /** `false`: the keys only read, records are written unencrypted. Default `true`. */
  write?: boolean | undefined
  /** Whether records that are not encrypted are refused. Default: `true` when records are encrypted. */
  required?: boolean | undefined
}

/** A path that begins with `./` or `../`, or an absolute one. */
export type ModulePath = string & Record<never, never>

/** An Avro schema: an object, the name of a type, or the path of an `.avsc` file (`./…`, from the working directory). */
export type AvroSchemaOption = string | object

/**
 * One codec: by name, with options, an object of your own, or the path of a module (`./…`, from the working directory) that exports one
 * as default or as `codec`.
 */
export type CodecOption =
  | 'json'
  | 'msgpack'
  | ModulePath
  | { type: 'json' /** Dates stay Dates. Default `false`. */; dates?: boolean | undefined }
  | { type: 'msgpack' }
  | { type: 'v8' /** Says that nobody else can write to the storage. */; trusted: true }
  | AvroOption
  | AttributeCodec

/** Avro, with a schema for each attribute. */
export interface AvroOption {
  type: 'avro'
  /** The schemas by attribute name. */
  schemas: Record<string, AvroSchemaOption>
  /** Earlier schemas by attribute name, whose values may still be stored: a list, or a folder of `.avsc` files. */
  previous?: Record<string, string | readonly AvroSchemaOption[]> | undefined
  /** For attributes without a schema. Default `'json'`. */
  fallback?: CodecOption | undefined
}

/** Several codecs at once. */
export interface CodecsOption {
  /** For attributes that none of `attributes` matches. Default `'json'`. */
  default?: CodecOption | undefined
  /** Codecs by attribute name: the first whose pattern matches counts. */
  attributes?: readonly { pattern: Pattern; codec: CodecOption }[] | undefined
  /** Codecs that only read, for what was stored before a change. */
  alsoRead?: readonly CodecOption[] | undefined
}

/** Which writes wait until replicas of the Redis master have them. */
export interface WaitOptions {
  /** How many replicas. */
  replicas: number
  /** Longest time to wait for them; the write counts as done after it, and the shortfall is reported. Default `'100ms'`. */
  timeout?: Duration | undefined
  /** `'security'` (default): those that end sessions; `'synchronous'`: also all backups of `backup.mode: 'sync'`. */
  for?: 'security' | 'synchronous' | undefined
}

/** From where sessions of express-session are brought over. */
export interface AdoptOptions {
  /** Name of the cookie that express-session has set. Default `'connect.sid'`. */
  cookie?: string | undefined
  /** With which it was signed. */
  secret: string | readonly string[]
  /** The store, as it was configured there. */
  store: AdoptStore
  /** From then on nothing is looked for any more; milliseconds since the epoch, a date or its text. Default: none. */
  until?: Date | string | number | undefined
}

/** Sessions of visitors who came without one, until their cookie has come back once. */
export interface NewcomersOptions {
  /** How long such a session may be idle. Default `'2m'`. */
  idleTimeout?: Duration | undefined
  /** So many begin in a second on this server at most; `0` or `'none'` (default): no limit. */
  perSecond?: number | 'none' | undefined
}

/** Which requests are no use of their session. */
export interface ActivityOptions {
  /** URLs (path and query) of requests that leave the session's end as it is. Default: none, but `session.passive()` works. */
  except?: Pattern | undefined
}

/** Records of Redis nodes that are kept in this server's memory, for reads of non-sticky mode. */
export interface NearCacheOptions {
  /** Memory for each Redis node. Default `'64MB'`. */
  maxBytes?: Size | undefined
  /** How long a record is used at most. Default `'1m'`. */
  maxAge?: Duration | undefined
}

/** The administration over HTTP. */
export interface AdminOptions {
  /** `'host:port'` of the stand-alone server. Default: there is none. */
  listen?: string | { host: string; port: number | string } | undefined
  /** Who may log in. Needed when `listen` is no loopback address. */
  auth?: { users?: readonly AdminUser[] | undefined; tokens?: readonly AdminToken[] | undefined } | undefined
  /** Whether everything that changes something is refused. Default `true`. */
  readOnly?: boolean | undefined
  /** What may be changed, as `<MBean>/<member>` with `*` and `?`. Default: whatever the MBeans offer. */
  allow?: string | readonly string[] | undefined
  /** Further values of the Host header that are answered, such as `'admin.example.com'`. */
  allowedHosts?: string | readonly string[] | undefined
  /** Other sites whose pages may use the administration, such as `'https://hawtio.example.com'`. */
  allowedOrigins?: string | readonly string[] | undefined
  /**
   * `public`: whether the health endpoints tell everybody the bare state. `storage`: whether `/readyz` fails until the server has
   * reached a storage node since its start. Both are `true` by default.
   */
  health?: { public?: boolean | undefined; storage?: boolean | undefined } | undefined
  /** Requests a second that one client may send. Default 50. */
  rate?: number | undefined
}

/** What an application configures, in a file or as an object. Only `secret` is required. */
export interface HoldfastOptions {
  /** How requests meet sessions: on the server that has them, or on any. Default `'sticky'`. */
  mode?: 'sticky' | 'non-sticky' | undefined
  /** This server's name in session ids, `[A-Za-z0-9_-]+`. Needed when more than one server serves the visitors. */
  route?: string | undefined
  /** The storage nodes: one text (`'n1:host:port n2:host:port'`) or a list. Default `'memory://'`. */
  nodes?: string | readonly (string | { id?: string | undefined; url: string })[] | undefined
  /** Ids of nodes that are used only while no other node is up. */
  failoverNodes?: string | readonly string[] | undefined
  /** `'host:port'` of a storage node that this process carries; its default memory limit is `'64MB'`. */
  embed?: string | { host: string; port: number | string; memoryLimit?: Size | undefined } | undefined
  /** Signs session ids. At least 16 characters each; of a list the first signs and all verify. */
  secret: string | readonly string[]
  /** Name of the session cookie. Default `'sid'`. */
  name?: string | undefined
  /** How the session cookie is sent; a function is asked for each request. */
  cookie?: CookieOptions | ((req: IncomingMessage) => CookieOptions) | undefined
  /** Adds `Cache-Control: no-store` to responses that set the session cookie, unless they have that header. Default `true`. */
  cacheControl?: boolean | undefined
  /** Clears the cookie in the browser when the request's session is destroyed. Default `false`. */
  clearCookie?: boolean | undefined
  /** Sends the cookie with every response, so that its life starts anew. Default `false`. */
  rolling?: boolean | undefined
  /** Keeps new sessions that nothing was put into. Default `false`. */
  saveUninitialized?: boolean | undefined
  /** What `req.session = null` does to the stored session. Default `'keep'`. */
  unset?: 'keep' | 'destroy' | undefined
  /** Makes the random part of new session ids. */
  genid?: ((req: IncomingMessage) => string) | undefined
  /** Whether `X-Forwarded-Proto` is believed. Default: as Express' `trust proxy` says. */
  proxy?: boolean | undefined
  /** Accepted for the sake of express-session's options, and ignored: unchanged sessions are never saved again. */
  resave?: boolean | undefined
  /** Accepted for the sake of express-session's options, and ignored: sessions are stored in `nodes`. */
  store?: unknown
  /** A session ends when it was not used for this long; `0` or `'none'`: never. Default `'30m'`. */
  idleTimeout?: Duration | undefined
  /** A session ends this long after it was created; `0` or `'none'` (default): never. */
  absoluteTimeout?: Duration | undefined
  /** A session gets another id at the first request after this time; 0 or `'none'` (default): only where the application asks for it. */
  renewIdAfter?: Duration | undefined
  /** How long this server uses its copy without asking the storage. Default `'10s'`. */
  trustFor?: Duration | undefined
  /** Sessions that this server holds at most; `0` or `'none'` (default): no limit. */
  maxActiveSessions?: number | 'none' | undefined
  /** Sessions of visitors who have not come back yet. Default: as all others. */
  newcomers?: NewcomersOptions | undefined
  /** The largest session that is stored, as it is stored. At most 16 MiB. Default `'4MB'`. */
  maxSessionBytes?: Size | undefined
  backup?: BackupOptions | undefined
  locking?: LockingOptions | undefined
  /** Writes that replicas have to acknowledge, on Redis. Default: none. */
  wait?: WaitOptions | undefined
  /** What this server keeps of sessions in Redis, so that reads need not ask (non-sticky mode). Default: nothing. */
  nearCache?: NearCacheOptions | undefined
  /** URLs (path and query) that need no session. */
  ignore?: Pattern | undefined
  /** Which requests are no use of their session. Default: each is one. */
  activity?: ActivityOptions | undefined
  /** Brings the sessions of express-session over, each at its visitor's first request. Default: none. */
  adopt?: AdoptOptions | undefined
  /** Names of the attributes that are backed up. Default: all. */
  attributes?: Pattern | undefined
  /**
   * Decides on an attribute that two requests on different servers have changed at the same time. `undefined` stands for an
   * attribute that is not there. Default: the last writer wins.
   */
  merge?: ((name: string, base: unknown, mine: unknown, theirs: unknown) => unknown) | undefined
  /** Whether and how stored records are compressed. */
  compression?: CompressionOptions | undefined
  /** Whether stored records are encrypted, and with which keys. */
  encryption?: EncryptionOptions | undefined
  /** Turns attribute values into bytes and back: one codec for all (default `'json'`), or several. */
  codec?: CodecOption | CodecsOption | undefined
  /** Start of every key in the storage. Default `'holdfast:'`. */
  keyPrefix?: string | undefined
  /** Longest time that one operation on a storage node may take. Default `'1s'`. */
  operationTimeout?: Duration | undefined
  /** Time between two probes of a node that is down. Default `'500ms'`. */
  probeInterval?: Duration | undefined
  /** `false`: sessions live in this server's memory only. Default `true`. */
  enabled?: boolean | undefined
  /** Whether counters and timings are kept. Default `true`. */
  statistics?: boolean | undefined
  /** The administration over HTTP. Default: off. */
  admin?: AdminOptions | undefined
  /** Where messages go: `console` and pino instances fit. Default: warnings and errors to stderr. */
  logger?: Logger | undefined
}
