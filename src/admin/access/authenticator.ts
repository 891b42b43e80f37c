import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../clock.js'
import type { AdminAuth, AdminLimits, AdminToken, AdminUser } from '../admin-settings.js'
import { OneAtATime } from './one-at-a-time.js'
import { hashPassword, isPasswordHash, type PasswordHash, parsePasswordHash, passwordMatches } from './password-hash.js'
import type { Principal } from './principal.js'
import { TokenBuckets } from './token-bucket.js'
import { VerifiedPasswords } from './verified-passwords.js'

/** Somebody whose credentials are right. */
export interface Known {
  readonly principal: Principal
  readonly by: 'token' | 'password'
}

/**
 * What the credentials of a request are worth. `missing`: there are none that could be right. `user`: whose they were to be, where it is
 * a user that we have. `wait`: seconds until the client may try again.
 */
export type Login =
  | ({ readonly state: 'known' } & Known)
  | { readonly state: 'missing' }
  | { readonly state: 'wrong'; readonly user: string | undefined }
  | { readonly state: 'throttled'; readonly user: string | undefined; readonly wait: number }

const REALM = 'holdfast'
const MAX_WAITING_CHECKS = 16
/** Of one network: so many that nobody else's wait is long. */
const MAX_WAITING_EACH = 6
const MAX_HEADER = 2048

interface Token {
  digest: Buffer
  principal: Principal
}

interface User {
  hash: Promise<PasswordHash>
  principal: Principal
}

/**
 * Checks bearer tokens (RFC 6750) and Basic credentials (RFC 7617). Wrong ones are limited by user and network, so that nobody can use up
 * what another user has left; passwords are checked one at a time, so that guessing takes at most one thread. An unknown user costs the
 * same as a wrong password.
 */
export class Authenticator {
  private readonly tokens: readonly Token[]
  private readonly users: ReadonlyMap<string, User>
  private readonly verified: VerifiedPasswords
  private readonly failures: TokenBuckets
  private readonly checks = new OneAtATime(MAX_WAITING_CHECKS, MAX_WAITING_EACH)
  private readonly decoy: Promise<PasswordHash> | undefined

  constructor(auth: AdminAuth, limits: AdminLimits, clock: Clock) {
    this.tokens = auth.tokens.map(readToken)
    this.users = new Map(
      auth.users.map((user) => [user.name, { hash: this.hashOf(user), principal: principalOf(user) }]),
    )
    this.decoy = [...this.users.values()][0]?.hash
    this.verified = new VerifiedPasswords(clock)
    this.failures = new TokenBuckets({
      capacity: limits.failedLogins,
      pause: limits.failedLoginPause,
      maxClients: limits.clients,
      clock,
    })
  }

  /** Whether anybody can log in. */
  get isConfigured(): boolean {
    return this.tokens.length > 0 || this.users.size > 0
  }

  /** Values for WWW-Authenticate. */
  get challenges(): string[] {
    return [
      ...(this.users.size > 0 ? [`Basic realm="${REALM}", charset="UTF-8"`] : []),
      ...(this.tokens.length > 0 ? [`Bearer realm="${REALM}"`] : []),
    ]
  }

  /** The methods in the form of the protocol's `config`. */
  get methods(): { method: string; realm: string }[] {
    return [
      ...(this.users.size > 0 ? [{ method: 'basic', realm: REALM }] : []),
      ...(this.tokens.length > 0 ? [{ method: 'bearer', realm: REALM }] : []),
    ]
  }

  /** Who it is, where that is known without work: by a token, or a password that was right a moment ago. */
  recognise(header: string | undefined): Known | undefined {
    const given = readHeader(header)
    if (given?.scheme === 'bearer') {
      const principal = this.byToken(given.token)
      return principal && { principal, by: 'token' }
    }
    const user = given && this.users.get(given.name)
    if (given === undefined || user === undefined || !this.verified.has(given.name, given.password)) return undefined
    return { principal: user.principal, by: 'password' }
  }

  /** @param header the value of Authorization. @param network whose failures count together. */
  async login(header: string | undefined, network: string): Promise<Login> {
    const known = this.recognise(header)
    if (known !== undefined) return { state: 'known', ...known }
    const given = readHeader(header)
    if (given === undefined) return { state: 'missing' }
    if (given.scheme === 'bearer') return this.failed(undefined, `bearer ${network}`)
    return this.byPassword(given.name, given.password, network)
  }

  /** The user that a request claims to come from; `undefined`: none. */
  claimedUser(header: string | undefined): string | undefined {
    const given = readHeader(header)
    return given?.scheme === 'basic' ? given.name : undefined
  }

  private byToken(token: string): Principal | undefined {
    const digest = createHash('sha256').update(token).digest()
    let found: Principal | undefined
    for (const known of this.tokens) if (timingSafeEqual(known.digest, digest)) found = known.principal
    return found
  }

  private async byPassword(name: string, password: string, network: string): Promise<Login> {
    const user = this.users.get(name)
    const [client, shown] = [`basic ${name} ${network}`, user && name]
    if (this.failures.isEmpty(client)) return this.throttled(shown, client)
    const right = this.checks.run(() => this.check(user, password), network)
    if (right === undefined) return { state: 'throttled', user: shown, wait: 1 }
    if (!(await right) || user === undefined) return this.failed(shown, client)
    this.verified.add(name, password)
    return { state: 'known', principal: user.principal, by: 'password' }
  }

  private async check(user: User | undefined, password: string): Promise<boolean> {
    const hash = await (user?.hash ?? this.decoy)
    return hash !== undefined && (await passwordMatches(password, hash)) && user !== undefined
  }

  private failed(user: string | undefined, client: string): Login {
    return this.failures.take(client) ? { state: 'wrong', user } : this.throttled(user, client)
  }

  private throttled(user: string | undefined, client: string): Login {
    return { state: 'throttled', user, wait: this.failures.secondsToWait(client) }
  }

  private hashOf({ name, password }: AdminUser): Promise<PasswordHash> {
    if (!isPasswordHash(password)) {
      const hash = this.checks.run(() => hashPassword(password), name) ?? hashPassword(password)
      hash.catch(() => {})
      return hash
    }
    const hash = parsePasswordHash(password)
    if (hash === undefined) throw new TypeError(`the password hash of ${JSON.stringify(name)} can't be read`)
    return Promise.resolve(hash)
  }
}

function readToken(token: AdminToken): Token {
  if (!/^[0-9a-f]{64}$/i.test(token.sha256))
    throw new TypeError(`the token ${JSON.stringify(token.name)} is no SHA-256`)
  return { digest: Buffer.from(token.sha256, 'hex'), principal: principalOf(token) }
}

function principalOf({ name, role, values, nodes }: AdminUser | AdminToken): Principal {
  return { name, role, values: values ?? false, nodes: nodes ?? false }
}

type Given = { scheme: 'bearer'; token: string } | { scheme: 'basic'; name: string; password: string }

/** `undefined`: nothing that could be a login, which costs nobody anything. */
function readHeader(header: string | undefined): Given | undefined {
  if (header === undefined || header.length > MAX_HEADER) return undefined
  const [, scheme = '', credentials = ''] = /^(\w+) +(\S+)$/.exec(header) ?? []
  if (scheme.toLowerCase() === 'bearer') return { scheme: 'bearer', token: credentials }
  if (scheme.toLowerCase() !== 'basic') return undefined
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  return { scheme: 'basic', name: text.slice(0, colon), password: text.slice(colon + 1) }
}
