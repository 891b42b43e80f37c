import type { IncomingMessage } from 'node:http'
import type { AdminSettings } from '../admin/admin-settings.js'
import type { LockSettings } from '../lock/lock-settings.js'
import type { Logger } from '../logger.js'
import type { NodeAddress } from '../node/address/node-address.js'
import type { CompressionSettings, EncryptionSettings } from '../record/transforms/record-envelope.js'
import type { CookieAttributes } from '../session/session-cookie.js'
import type { CodecSettings } from './codec-settings.js'

/** How the session cookie is sent. */
export type CookieSettings = CookieAttributes

export type Mode = 'sticky' | 'non-sticky'

/** What becomes of an attribute that was changed here and elsewhere; values are `undefined` where there is none. */
export type MergeFunction = (name: string, base: unknown, mine: unknown, theirs: unknown) => unknown

export interface BackupSettings {
  mode: 'async' | 'sync'
  /** Milliseconds that a response waits for its backup (sync), for room in the queue, or for a verification. */
  timeout: number
  /** Copies of a session on different storage nodes (non-sticky). */
  replicas: number
  /** Milliseconds that a change waits for others, to be sent together; nobody waits for that (async). */
  delay: number
  /** Writes under way at once, a node. */
  concurrency: number
  /** Bytes of sessions that wait to be stored, before requests are held back. */
  maxPendingBytes: number
  /** Share of the idle timeout (0 to 1) after which an accessed but unchanged session's stored life is renewed. */
  touchAfter: number
  /** Attempts on one node before a session's backup moves to another. */
  attempts: number
  /** What becomes of a response whose change can't be stored at all. */
  onUnstorable: 'fail' | 'report'
  /** Sessions a second that background protection (relocation, restoring) stores at most. */
  protectRate: number
}

export interface WaitSettings {
  replicas: number
  /** Milliseconds. */
  timeout: number
  /** Which writes: those that end sessions, or also all of `backup.mode: sync`. */
  for: 'security' | 'synchronous'
}

export interface NearCacheSettings {
  /** For each node. */
  maxBytes: number
  /** Milliseconds. */
  maxAge: number
}

/** What is asked of a store of express-session. */
export interface AdoptStore {
  // biome-ignore lint/suspicious/noExplicitAny: each store has its own idea of a session
  get(sid: string, callback: (error?: any, session?: any) => void): unknown
  // biome-ignore lint/suspicious/noExplicitAny: as above
  destroy(sid: string, callback?: (error?: any) => void): unknown
}

export interface AdoptSettings {
  cookie: string
  secret: readonly string[]
  store: AdoptStore
  /** Milliseconds since the epoch. */
  until: number | undefined
}

/** The checked configuration: every default filled in, every text parsed. Frozen; `reconfigure` makes a new one. */
export interface Settings {
  mode: Mode
  route: string | undefined
  nodes: readonly NodeAddress[]
  failoverNodes: readonly string[]
  embed: { host: string; port: number; memoryLimit: number } | undefined
  /** The first signs, all verify. */
  secret: readonly string[]
  name: string
  cookie: CookieSettings
  /**
   * The cookie settings of one request; `undefined`: `cookie` applies to all.
   * @throws ConfigError, or whatever the application's function throws: then `cookie` applies.
   */
  cookieFor: ((req: IncomingMessage) => CookieSettings) | undefined
  /** Whether responses that set the cookie are kept out of caches. */
  cacheControl: boolean
  /** Whether ending a session clears the cookie in the browser. */
  clearCookie: boolean
  rolling: boolean
  saveUninitialized: boolean
  unset: 'keep' | 'destroy'
  genid: ((req: IncomingMessage) => string) | undefined
  proxy: boolean | undefined
  /** Milliseconds; 0: sessions don't expire by idling. */
  idleTimeout: number
  /** Milliseconds; 0: none. */
  absoluteTimeout: number
  /** Milliseconds after which a session gets another id; 0: it keeps its id. */
  renewIdAfter: number
  trustFor: number
  /** 0: no limit. */
  maxActiveSessions: number
  /** Sessions of visitors who came without one, until their cookie has come back; `undefined`: as all others. `perSecond` 0: no limit. */
  newcomers: { idleTimeout: number; perSecond: number } | undefined
  /** As it is stored: compressed and encrypted, where that is so. */
  maxSessionBytes: number
  backup: BackupSettings
  locking: LockSettings
  /** Replicas that writes wait for, on Redis; `undefined`: none. */
  wait: WaitSettings | undefined
  /** Records of Redis nodes that are kept in memory (non-sticky); `undefined`: none. */
  nearCache: NearCacheSettings | undefined
  /** Tested against the request's URL (path and query). */
  ignore: RegExp | undefined
  /** Which requests are a use of their session; `undefined`: all. `except` is tested against the URL (path and query). */
  activity: { except: RegExp | undefined } | undefined
  /** From where sessions of express-session are brought over; `undefined`: from nowhere. */
  adopt: AdoptSettings | undefined
  /** Names of the attributes that are backed up; `undefined`: all. */
  attributes: RegExp | undefined
  /** `undefined`: the last writer wins. */
  merge: MergeFunction | undefined
  /** How whole records are compressed. */
  compression: CompressionSettings
  /** How whole records are encrypted. */
  encryption: EncryptionSettings
  codec: CodecSettings
  keyPrefix: string
  /** Milliseconds that one operation on a storage node may take. */
  operationTimeout: number
  /** Milliseconds between two probes of a node that is down. */
  probeInterval: number
  enabled: boolean
  statistics: boolean
  /** `undefined`: there is no administration over HTTP. */
  admin: AdminSettings | undefined
  logger: Logger
}
