/** What somebody may do: `viewer` reads, `operator` also changes. */
export type Role = 'viewer' | 'operator'

interface Granted {
  /** Stands in the audit log. */
  name: string
  role: Role
  /** Whether the values of session attributes may be seen, too. Default false. */
  values?: boolean | undefined
  /** Whether an operator may write `Nodes`: whoever chooses where sessions are stored can read them there. Default false. */
  nodes?: boolean | undefined
}

export interface AdminUser extends Granted {
  /** A `scrypt$…` hash as `holdfast hash-password` prints it, or the password itself, which is hashed at start. */
  password: string
}

export interface AdminToken extends Granted {
  /** SHA-256 of the bearer token, in hexadecimal. The token should have at least 128 random bits. */
  sha256: string
}

export interface AdminAuth {
  users: readonly AdminUser[]
  tokens: readonly AdminToken[]
}

/** How the administration is reached and what it allows. */
export interface AdminSettings {
  /** Where the stand-alone server listens; `undefined`: there is none. */
  listen: { host: string; port: number } | undefined
  auth: AdminAuth
  /** Whether every write and every operation that changes something is refused. */
  readOnly: boolean
  /** What may be written or called where `readOnly` is false: `<MBean pattern>/<member pattern>`; `undefined`: whatever the MBeans offer. */
  allow: readonly string[] | undefined
  /** Further values of the Host header that are answered: `name:port`, or `name` for the default ports; `*` and `?` may stand in them. */
  allowedHosts: readonly string[]
  /** Addresses and networks of proxies whose X-Forwarded-For is believed. */
  trustedProxies: readonly string[]
  /** Origins of other sites whose pages may use the endpoint: `https://name:port`. */
  allowedOrigins: readonly string[]
  /**
   * `public`: whether `/healthz` and `/readyz` tell everybody the state, without detail. `storage`: whether a server is unready until it has
   * reached a storage node.
   */
  health: { public: boolean; storage: boolean }
  limits: AdminLimits
}

/** Bounds of what one request and one client may take. Times in milliseconds. */
export interface AdminLimits {
  bodyBytes: number
  /** Requests in one bulk. */
  bulk: number
  /** Characters of path and query. */
  urlLength: number
  /** Levels of nesting in a body. */
  bodyDepth: number
  /** Requests in progress at once. */
  concurrency: number
  /**
   * Requests a second; twice as many and at least 20 may come at once. Counted by who asks and from where: those who are logged in each
   * for themselves, so that strangers take nothing from them.
   */
  rate: number
  /** Wrong logins for one user from one network that may come at once; one more is allowed every `failedLoginPause`. */
  failedLogins: number
  failedLoginPause: number
  /** How long the application may take to tell who asks. */
  identifyTimeout: number
  /** Clients whose rate is remembered. */
  clients: number
  /** How long one attribute or operation may take. */
  memberTimeout: number
  /** Levels, entries of a collection and values in all of one answer. */
  answerDepth: number
  answerCollection: number
  answerObjects: number
  /** Bytes of a bulk's answers after which no further request of it is done. */
  answerBytes: number
  /** Until a request's head, and the whole request, must have arrived; and how often that is looked at. */
  headersTimeout: number
  requestTimeout: number
  timeoutCheck: number
  keepAliveTimeout: number
  /** Connections in all, and of one address; beyond that, the one that has been idle for longest gives way. */
  connections: number
  connectionsPerAddress: number
}

export const defaultAdminLimits: Readonly<AdminLimits> = Object.freeze({
  bodyBytes: 65_536,
  bulk: 100,
  urlLength: 4096,
  bodyDepth: 16,
  concurrency: 64,
  rate: 200,
  failedLogins: 5,
  failedLoginPause: 10_000,
  identifyTimeout: 5000,
  clients: 10_000,
  memberTimeout: 30_000,
  answerDepth: 15,
  answerCollection: 10_000,
  answerObjects: 100_000,
  answerBytes: 4 * 1024 * 1024,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  timeoutCheck: 1000,
  keepAliveTimeout: 5000,
  connections: 256,
  connectionsPerAddress: 128,
})

/** The defaults: no listener, nobody may log in, nothing may be changed. */
export function adminSettings(
  given: Partial<Omit<AdminSettings, 'limits'>> & { limits?: Partial<AdminLimits> } = {},
): AdminSettings {
  const { limits, ...keys } = given
  return {
    listen: undefined,
    auth: { users: [], tokens: [] },
    readOnly: true,
    allow: undefined,
    allowedHosts: [],
    trustedProxies: [],
    allowedOrigins: [],
    health: { public: true, storage: true },
    ...keys,
    limits: { ...defaultAdminLimits, ...limits },
  }
}

const loopback = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|::1|\[::1\])$/i

export function isLoopback(host: string): boolean {
  return loopback.test(host)
}

export function hasCredentials({ users, tokens }: AdminAuth): boolean {
  return users.length + tokens.length > 0
}

/** Whether the listener would let anybody in who reaches its address from elsewhere. */
export function isOpenToOthers({ listen, auth }: { listen?: AdminSettings['listen']; auth: AdminAuth }): boolean {
  return listen !== undefined && !isLoopback(listen.host) && !hasCredentials(auth)
}

/** What must be there before the administration listens elsewhere than on loopback. */
export const credentialsExpected = 'credentials in admin.auth when the address is no loopback address'
