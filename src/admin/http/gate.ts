import { createHash } from 'node:crypto'
import type { Clock } from '../../clock.js'
import type { AuditLog } from '../access/audit-log.js'
import { Authenticator, type Known } from '../access/authenticator.js'
import { askWho, type Identify } from '../access/identify.js'
import type { Principal } from '../access/principal.js'
import { RecentLogins } from '../access/recent-logins.js'
import { TokenBuckets } from '../access/token-bucket.js'
import type { AdminSettings } from '../admin-settings.js'
import { faultOf } from '../jolokia/fault.js'
import { type Exchange, headerOf } from './exchange.js'
import type { HostCheck } from './host-check.js'
import { corsHeaders, crossSiteReason, hasSafeContentType, preflightHeaders } from './origin-check.js'
import { jsonReply, type Reply, textReply } from './reply.js'

/** How requests reach the endpoint. */
export interface AdminAccess {
  readonly settings: AdminSettings
  readonly isOwnHost: HostCheck
  /** Where it is mounted, without a final slash, if nobody takes that off before. */
  readonly basePath: string
  /** Who asks, where no login is asked for: always the same, or what the application tells. Left out: a login is needed. */
  readonly identify: Identify | Principal | undefined
}

/** What comes of the checks: who it is, or that anybody gets what tells nothing (the bare state, the empty page), or a reply that ends it. */
export type Admission = { principal: Principal; client: string } | 'bare' | { reply: Reply }

/** For whom what is claimed to be the same user is counted together: so many that one who is flooded leaves the others alone. */
const SHARES = 64

/**
 * The checks that every request passes, in this order: host, limits, login, other sites. What a member of an MBean needs is checked
 * where it is used. Each refusal is noted in the audit log.
 *
 * Public health stands outside of the limits: its answer costs less than a refusal, and whoever floods the rest must not make a
 * balancer believe that this server is down.
 */
export class Gate {
  private readonly access: AdminAccess
  private readonly settings: AdminSettings
  private readonly audit: AuditLog
  private readonly authenticator: Authenticator
  private readonly rates: TokenBuckets
  private readonly logins: RecentLogins
  private readonly origins: ReadonlySet<string>

  constructor(access: AdminAccess, audit: AuditLog, clock: Clock) {
    const { limits, auth, allowedOrigins } = access.settings
    this.access = access
    this.settings = access.settings
    this.audit = audit
    this.authenticator = new Authenticator(auth, limits, clock)
    this.origins = new Set(allowedOrigins.map((origin) => origin.toLowerCase()))
    this.logins = new RecentLogins(clock)
    this.rates = new TokenBuckets({
      capacity: Math.max(20, 2 * limits.rate),
      pause: 1000 / limits.rate,
      maxClients: limits.clients,
      clock,
    })
  }

  /** Ways to log in, as the protocol tells them. */
  get loginMethods(): { method: string; realm: string }[] {
    return this.needsLogin ? this.authenticator.methods : []
  }

  /** Headers for every reply to this request. */
  headersFor(exchange: Exchange): Record<string, string> {
    return corsHeaders(exchange, this.origins, this.needsLogin)
  }

  /** @param inProgress requests under way, this one included. */
  async admit(exchange: Exchange, inProgress: number): Promise<Admission> {
    const { kind } = exchange.route
    const isPublic = this.settings.health.public && (kind === 'healthz' || kind === 'readyz')
    const known = this.needsLogin ? this.authenticator.recognise(exchange.req.headers.authorization) : undefined
    /* A token that is right was not sent by a page that only pretends to be ours: it could not know it. */
    const isOwnHost = known?.by === 'token' || this.access.isOwnHost(exchange.req)
    if (isPublic && !(isOwnHost && this.tellsWho(exchange))) return 'bare'
    if (!isOwnHost) return this.refuse(exchange, 403, 'the Host is not one of ours: list it in admin.allowedHosts')
    const client = this.clientOf(exchange, known)
    const limited = this.exceeded(exchange, client, inProgress)
    if (limited !== undefined) return isPublic ? 'bare' : limited
    if (exchange.method === 'OPTIONS') return this.preflight(exchange)
    if (exchange.route.kind === 'asset' && this.pageAsksItself) return 'bare'
    const identified = known ?? (await this.identify(exchange))
    if ('by' in identified) this.noteLogin(exchange, identified)
    /* Somebody else's guesses may be why there is no room for a login: that must not fail a check either. */
    if ('reply' in identified) return isPublic && identified.reply.status === 429 ? 'bare' : identified
    const { principal } = identified
    return this.crossSite(exchange, principal) ?? { principal, client }
  }

  /** Counts what a request turns out to ask beyond one thing: the client has to wait for that before the next one. */
  charge(client: string, requests: number): void {
    this.rates.charge(client, requests)
  }

  /** Whether a request has anything by which somebody could be known; a check of health has not. */
  private tellsWho({ req }: Exchange): boolean {
    const { identify } = this.access
    if (typeof identify === 'object') return true
    return req.headers.authorization !== undefined || (identify !== undefined && req.headers.cookie !== undefined)
  }

  /**
   * Whose requests are counted together. Who is known counts alone, so that nobody takes anything from him; so does who claims to
   * be a user, as far as that is possible without telling which users there are.
   */
  private clientOf({ req, network }: Exchange, known: Known | undefined): string {
    if (known !== undefined) return `known ${known.principal.name} ${network}`
    const user = this.needsLogin ? this.authenticator.claimedUser(req.headers.authorization) : undefined
    return user === undefined ? network : `claimed ${shareOf(user)} ${network}`
  }

  private get needsLogin(): boolean {
    return this.access.identify === undefined
  }

  /**
   * A browser asks for name and password, but not for a token: where there is nothing else, the page does. Its files are those of the
   * package and tell nothing.
   */
  private get pageAsksItself(): boolean {
    const { users, tokens } = this.settings.auth
    return this.needsLogin && users.length === 0 && tokens.length > 0
  }

  private exceeded(exchange: Exchange, client: string, inProgress: number): Admission | undefined {
    const { limits } = this.settings
    if (!this.rates.take(client)) {
      const wait = this.rates.secondsToWait(client)
      return this.refuse(exchange, 429, 'too many requests', { headers: { 'Retry-After': String(wait) } })
    }
    if (inProgress > limits.concurrency) {
      return this.refuse(exchange, 503, 'too many requests at once', { headers: { 'Retry-After': '1' } })
    }
    if ((exchange.req.url ?? '').length > limits.urlLength) return this.refuse(exchange, 414, 'the URL is too long')
    const announced = Number(exchange.req.headers['content-length'] ?? 0)
    return announced > limits.bodyBytes ? this.refuse(exchange, 413, 'the body is too large') : undefined
  }

  private async identify(exchange: Exchange): Promise<Known | { principal: Principal } | { reply: Reply }> {
    const { identify } = this.access
    if (typeof identify === 'object') return { principal: identify }
    if (identify !== undefined) {
      const found = await askWho(identify, exchange.req, this.settings.limits.identifyTimeout)
      return 'principal' in found ? found : this.refuse(exchange, 403, 'you may not see this', { note: found.reason })
    }
    const login = await this.authenticator.login(exchange.req.headers.authorization, exchange.network)
    if (login.state === 'known') return login
    if (login.state === 'missing') {
      return this.refuse(exchange, 401, 'a login is needed', { headers: this.challenges })
    }
    const claimed = { claimed: login.user }
    if (login.state === 'wrong') {
      return this.refuse(exchange, 401, 'the login is wrong', { headers: this.challenges, login: claimed })
    }
    const headers = { 'Retry-After': String(login.wait) }
    return this.refuse(exchange, 429, 'too many wrong logins', { headers, login: claimed })
  }

  private get challenges(): Reply['headers'] {
    return { 'WWW-Authenticate': this.authenticator.challenges }
  }

  private noteLogin({ address }: Exchange, { principal, by }: Known): void {
    if (!this.logins.isNew(principal.name, address)) return
    this.audit.add({ action: 'login', principal: principal.name, address, outcome: `done, by ${by}` })
  }

  private crossSite(exchange: Exchange, principal: Principal): Admission | undefined {
    const reason = crossSiteReason(exchange, this.origins)
    if (reason !== undefined) return this.refuse(exchange, 403, reason, { principal })
    if (exchange.method !== 'POST' || hasSafeContentType(exchange)) return undefined
    return this.refuse(exchange, 415, 'the Content-Type must be application/json', { principal })
  }

  private preflight(exchange: Exchange): Admission {
    const origin = headerOf(exchange.req, 'origin')?.toLowerCase()
    if (origin === undefined) return { reply: textReply(400, 'expected GET or POST') }
    if (!this.origins.has(origin)) return this.refuse(exchange, 403, 'the Origin is not allowed')
    return { reply: { status: 204, headers: preflightHeaders(exchange), body: '' } }
  }

  /** Clients of the protocol get a 403 in its form. */
  private refuse(exchange: Exchange, status: number, reason: string, more: Refusal = {}): { reply: Reply } {
    const { principal, headers = {}, note, login } = more
    const { address, route } = exchange
    const why = note === undefined ? reason : `${reason} (${note})`
    const outcome = `${status} ${why}: ${shownTarget(exchange)}`
    if (login !== undefined) this.audit.addWrongLogin({ ...login, address, outcome })
    else this.audit.add({ action: 'refused', principal: principal?.name, address, outcome })
    const inProtocol = route.kind === 'jolokia' && status === 403
    return { reply: inProtocol ? jsonReply(status, forbidden(reason), headers) : textReply(status, reason, headers) }
  }
}

/** What else there is to say of a refusal: who asked, why for the log only, whose login it was to be. */
interface Refusal {
  principal?: Principal
  headers?: Reply['headers']
  note?: string | undefined
  login?: { claimed: string | undefined }
}

/** Without what may be an id or a password in the wrong place. */
function shownTarget({ method, route }: Exchange): string {
  const shown = methods.has(method) ? method : 'another method'
  if (route.kind !== 'jolokia') return `${shown} ${route.kind === 'asset' ? 'a page' : `/${route.kind}`}`
  const type = /^\/(read|write|exec|search|list|version|config)\b/.exec(route.below)?.[1]
  return `${shown} /jolokia${type === undefined ? '' : `/${type}`}`
}

const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'OPTIONS', 'PUT', 'DELETE', 'PATCH'])

function forbidden(reason: string): object {
  return { ...faultOf(new Error(reason)), status: 403, error_type: 'java.lang.Exception' }
}

function shareOf(user: string): number {
  return createHash('sha256').update(user).digest().readUInt8(0) % SHARES
}
