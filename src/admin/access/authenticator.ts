import { createHash, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../clock.js'
import type { AdminAuth, AdminLimits, AdminToken, AdminUser } from '../admin-settings.js'
import { OneAtATime } from './one-at-a-time.js'
import { hashPassword, isPasswordHash, type PasswordHash, parsePasswordHash, passwordMatches } from './password-hash.js'
import type { Principal } from './principal.js'
import { TokenBuckets } from './token-bucket.js'
import { VerifiedPasswords } from './verified-passwords.js'

/** What the credentials of a request are worth. `wait`: seconds until the client may try again. */
export type Login =
  | { state: 'known'; principal: Principal }
  | { state: 'missing' }
  | { state: 'wrong' }
  | { state: 'throttled'; wait: number }

const REALM = 'holdfast'
const MAX_WAITING_CHECKS = 16
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
 * Checks bearer tokens (RFC 6750) and Basic credentials (RFC 7617). Wrong ones are limited by client; passwords are checked one at a
 * time, so that guessing takes at most one thread. An unknown user costs the same as a wrong password.
 */
export class Authenticator {
  private readonly tokens: readonly Token[]
  private readonly users: ReadonlyMap<string, User>
  private readonly verified: VerifiedPasswords
  private readonly failures: TokenBuckets
  private readonly checks = new OneAtATime(MAX_WAITING_CHECKS)
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

  /** @param header the value of Authorization. @param client whose failures count together. */
  async login(header: string | undefined, client: string): Promise<Login> {
    if (header === undefined) return { state: 'missing' }
    const [, scheme = '', credentials = ''] = /^(\w+) +(\S+)$/.exec(header.slice(0, MAX_HEADER)) ?? []
    if (scheme.toLowerCase() === 'bearer') return this.known(this.byToken(credentials)) ?? this.failed(client)
    const basic = scheme.toLowerCase() === 'basic' ? readBasic(credentials) : undefined
    return basic === undefined ? this.failed(client) : this.byPassword(basic.name, basic.password, client)
  }

  private byToken(token: string): Principal | undefined {
    const digest = createHash('sha256').update(token).digest()
    let found: Principal | undefined
    for (const known of this.tokens) if (timingSafeEqual(known.digest, digest)) found = known.principal
    return found
  }

  private async byPassword(name: string, password: string, client: string): Promise<Login> {
    const user = this.users.get(name)
    if (user !== undefined && this.verified.has(name, password)) return { state: 'known', principal: user.principal }
    if (this.failures.isEmpty(client)) return this.throttled(client)
    const right = this.checks.run(() => this.check(user, password))
    if (right === undefined) return { state: 'throttled', wait: 1 }
    if (!(await right) || user === undefined) return this.failed(client)
    this.verified.add(name, password)
    return { state: 'known', principal: user.principal }
  }

  private async check(user: User | undefined, password: string): Promise<boolean> {
    const hash = await (user?.hash ?? this.decoy)
    return hash !== undefined && (await passwordMatches(password, hash)) && user !== undefined
  }

  private known(principal: Principal | undefined): Login | undefined {
    return principal && { state: 'known', principal }
  }

  private failed(client: string): Login {
    return this.failures.take(client) ? { state: 'wrong' } : this.throttled(client)
  }

  private throttled(client: string): Login {
    return { state: 'throttled', wait: this.failures.secondsToWait(client) }
  }

  private hashOf({ name, password }: AdminUser): Promise<PasswordHash> {
    if (!isPasswordHash(password)) {
      const hash = this.checks.run(() => hashPassword(password)) ?? hashPassword(password)
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

function principalOf({ name, role, values }: AdminUser | AdminToken): Principal {
  return { name, role, values: values ?? false }
}

function readBasic(credentials: string): { name: string; password: string } | undefined {
  const text = Buffer.from(credentials, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) }
}
