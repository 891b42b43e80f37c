import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Clock, systemClock } from '../../clock.js'
import type { Logger } from '../../logger.js'
import { AuditLog } from '../access/audit-log.js'
import { Authenticator } from '../access/authenticator.js'
import { MemberAccess } from '../access/member-access.js'
import type { Principal } from '../access/principal.js'
import { TokenBuckets } from '../access/token-bucket.js'
import type { AdminSettings } from '../admin-settings.js'
import type { Context } from '../jolokia/context.js'
import { faultOf } from '../jolokia/fault.js'
import { answerJolokia } from '../jolokia/jolokia-handler.js'
import { withinTime } from '../jolokia/use-member.js'
import type { MBeanRegistry } from '../mbean/mbean-registry.js'
import { addressOf, type Exchange, headerOf, isSlashMissing, linkWithSlash, targetOf } from './exchange.js'
import { aliveReply, type Readiness, readyReply } from './health.js'
import type { HostCheck } from './host-check.js'
import { corsHeaders, crossSiteReason, hasSafeContentType, preflightHeaders } from './origin-check.js'
import { readBody } from './read-body.js'
import { jsonReply, type Reply, textReply } from './reply.js'
import { findRoute } from './routes.js'
import { pagePolicy, send } from './send.js'

/** A file of the page, in memory. */
export interface Asset {
  readonly contentType: string
  readonly body: string | Uint8Array
}

/** What the endpoint serves. */
export interface AdminHandlerOptions {
  registry: MBeanRegistry
  logger: Logger
  /** The version of the package, as clients are told. */
  version: string
  /** Default: one of its own, that writes to `logger`. */
  audit?: AuditLog | undefined
  clock?: Clock | undefined
  /** What `/metrics` says; left out: there is none. */
  metrics?: { contentType: string; render: () => Promise<string> } | undefined
  /** Default: ready. */
  readiness?: (() => Readiness) | undefined
  /** The page's files by path; `/` is the page itself. */
  assets?: ReadonlyMap<string, Asset> | undefined
}

/** How requests reach the endpoint. */
export interface AdminAccess {
  readonly settings: AdminSettings
  readonly isOwnHost: HostCheck
  /** Where it is mounted, without a final slash, if nobody takes that off before. */
  readonly basePath: string
  /** Who asks, where no login is asked for; `undefined`: they may not. Left out: a login is needed. */
  readonly identify: ((req: IncomingMessage) => Principal | undefined) | undefined
}

export type AdminHandler = (req: IncomingMessage, res: ServerResponse) => void

const bodyRefusals = {
  'too-large': [413, 'the body is too large'],
  'too-slow': [408, 'the body took too long'],
  aborted: [400, 'the body is not complete'],
  malformed: [400, 'the body is no JSON'],
  'too-deep': [400, 'the body is nested too deeply'],
} as const

/** The administration's HTTP side: takes each request through the checks, in their order, to where it belongs. */
export class AdminEndpoint {
  private readonly options: AdminHandlerOptions
  private readonly access: AdminAccess
  private readonly settings: AdminSettings
  private readonly clock: Clock
  private readonly id = randomUUID()
  private readonly authenticator: Authenticator
  private readonly members: MemberAccess
  private readonly rates: TokenBuckets
  private readonly origins: ReadonlySet<string>
  private inProgress = 0
  readonly audit: AuditLog

  constructor(options: AdminHandlerOptions, access: AdminAccess) {
    const { settings } = access
    const { limits } = settings
    this.options = options
    this.access = access
    this.settings = settings
    this.clock = options.clock ?? systemClock
    this.audit = options.audit ?? new AuditLog({ logger: options.logger, clock: this.clock })
    this.authenticator = new Authenticator(settings.auth, limits, this.clock)
    this.members = new MemberAccess(settings)
    this.origins = new Set(settings.allowedOrigins.map((origin) => origin.toLowerCase()))
    this.rates = new TokenBuckets({
      capacity: Math.max(20, 2 * limits.rate),
      pause: 1000 / limits.rate,
      maxClients: limits.clients,
      clock: this.clock,
    })
  }

  readonly handle: AdminHandler = (req, res) => {
    req.on('error', () => {})
    res.on('error', () => {})
    this.inProgress++
    this.replyTo(req)
      .catch((error: unknown) => this.unexpected(error))
      .then((reply) => send(req, res, reply))
      .finally(() => this.inProgress--)
  }

  private async replyTo(req: IncomingMessage): Promise<Reply> {
    const target = targetOf(req, this.access.basePath)
    if (target === undefined) return textReply(404, 'there is nothing here')
    const exchange: Exchange = {
      req,
      method: req.method ?? 'GET',
      route: findRoute(target.path),
      query: target.query,
      address: addressOf(req),
      slashMissing: target.path === '/' && isSlashMissing(req),
    }
    const reply = await this.checked(exchange)
    return { ...reply, headers: { ...corsHeaders(exchange, this.origins, this.needsLogin), ...reply.headers } }
  }

  /** The order of the checks: host, limits, login, other sites; what a member needs is checked where it is used. */
  private async checked(exchange: Exchange): Promise<Reply> {
    const { kind } = exchange.route
    const isPublic = this.settings.health.public && (kind === 'healthz' || kind === 'readyz')
    const ownHost = this.access.isOwnHost(exchange.req)
    if (!ownHost && !isPublic) return this.refuse(exchange, 403, 'the Host is not one of ours')
    const limited = this.exceeded(exchange)
    if (limited !== undefined) return limited
    const hasLogin = exchange.req.headers.authorization !== undefined
    if (isPublic && (!ownHost || (this.needsLogin && !hasLogin))) return this.health(exchange, false)
    if (exchange.method === 'OPTIONS') return this.preflight(exchange)
    const principal = await this.identify(exchange)
    if ('status' in principal) return principal
    const reason = crossSiteReason(exchange, this.origins)
    if (reason !== undefined) return this.refuse(exchange, 403, reason, principal)
    return this.serve(exchange, principal)
  }

  private get needsLogin(): boolean {
    return this.access.identify === undefined
  }

  private exceeded(exchange: Exchange): Reply | undefined {
    const { limits } = this.settings
    if (!this.rates.take(exchange.address)) {
      const wait = this.rates.secondsToWait(exchange.address)
      return this.refuse(exchange, 429, 'too many requests', undefined, { 'Retry-After': String(wait) })
    }
    if (this.inProgress > limits.concurrency) return textReply(503, 'too many requests at once', { 'Retry-After': '1' })
    if ((exchange.req.url ?? '').length > limits.urlLength) return this.refuse(exchange, 414, 'the URL is too long')
    const announced = Number(exchange.req.headers['content-length'] ?? 0)
    return announced > limits.bodyBytes ? this.refuse(exchange, 413, 'the body is too large') : undefined
  }

  /** The principal, or the reply that asks for a login. */
  private async identify(exchange: Exchange): Promise<Principal | Reply> {
    const { identify } = this.access
    if (identify !== undefined) return identify(exchange.req) ?? this.refuse(exchange, 403, 'you may not see this')
    const login = await this.authenticator.login(exchange.req.headers.authorization, exchange.address)
    if (login.state === 'known') return login.principal
    if (login.state === 'throttled') {
      const headers = { 'Retry-After': String(login.wait) }
      return this.refuse(exchange, 429, 'too many wrong logins', undefined, headers)
    }
    const reason = login.state === 'missing' ? 'a login is needed' : 'the login is wrong'
    return this.refuse(exchange, 401, reason, undefined, { 'WWW-Authenticate': this.authenticator.challenges })
  }

  private preflight(exchange: Exchange): Reply {
    const origin = headerOf(exchange.req, 'origin')?.toLowerCase()
    if (origin === undefined) return textReply(400, 'expected GET or POST')
    if (!this.origins.has(origin)) return this.refuse(exchange, 403, 'the Origin is not allowed')
    return { status: 204, headers: preflightHeaders(exchange), body: '' }
  }

  private async serve(exchange: Exchange, principal: Principal): Promise<Reply> {
    const { route, method } = exchange
    if (route.kind === 'jolokia') return this.jolokia(exchange, route.below, principal)
    if (method !== 'GET' && method !== 'HEAD') return textReply(405, 'expected GET', { Allow: 'GET, HEAD' })
    if (route.kind === 'metrics') return this.metrics()
    return route.kind === 'asset' ? this.asset(exchange, route.path) : this.health(exchange, true)
  }

  private async jolokia(exchange: Exchange, path: string, principal: Principal): Promise<Reply> {
    const { method, query, req, address } = exchange
    const isPost = method === 'POST'
    if (isPost && !hasSafeContentType(exchange)) {
      return this.refuse(exchange, 415, 'the Content-Type must be application/json', principal)
    }
    const body = isPost ? await readBody(req, this.settings.limits) : { value: undefined }
    if ('refused' in body) {
      const [status, reason] = bodyRefusals[body.refused]
      return textReply(status, reason)
    }
    const http = { method, path, query, body: body.value, maxBulk: this.settings.limits.bulk }
    return answerJolokia(http, this.contextFor(principal, address, isPost))
  }

  private contextFor(principal: Principal, address: string, mayChange: boolean): Context {
    const { limits } = this.settings
    return {
      registry: this.options.registry,
      access: this.members,
      audit: this.audit,
      agent: { version: this.options.version, id: this.id, methods: this.authenticator.methods },
      principal,
      address,
      mayChange,
      limits: { depth: limits.answerDepth, collection: limits.answerCollection, objects: limits.answerObjects },
      memberTimeout: limits.memberTimeout,
      now: this.clock.now(),
    }
  }

  private async metrics(): Promise<Reply> {
    const { metrics } = this.options
    if (metrics === undefined) return textReply(404, 'there are no metrics')
    return { status: 200, headers: { 'Content-Type': metrics.contentType }, body: await this.rendered(metrics) }
  }

  private rendered({ render }: NonNullable<AdminHandlerOptions['metrics']>): Promise<string> {
    return withinTime('the metrics', this.settings.limits.memberTimeout, render)
  }

  private health({ route }: Exchange, detailed: boolean): Reply {
    if (route.kind === 'healthz') return aliveReply(detailed, process.uptime())
    return readyReply(detailed, this.options.readiness?.() ?? { state: 'ready' })
  }

  private asset({ req, slashMissing }: Exchange, path: string): Reply {
    const asset = this.options.assets?.get(path)
    if (asset === undefined) return textReply(404, 'there is nothing here')
    if (slashMissing) return textReply(302, 'with a slash at the end, please', { Location: linkWithSlash(req) })
    const headers = { 'Content-Type': asset.contentType, 'Content-Security-Policy': pagePolicy }
    return { status: 200, headers, body: asset.body }
  }

  /** Refuses and notes it. Clients of the protocol get its form of an error. */
  private refuse(
    exchange: Exchange,
    status: number,
    reason: string,
    principal?: Principal,
    headers: Reply['headers'] = {},
  ): Reply {
    const { method, address, req, route } = exchange
    this.audit.add({
      action: 'refused',
      principal: principal?.name,
      address,
      outcome: `${status} ${reason}: ${method} ${req.url?.split('?', 1)[0]}`,
    })
    if (route.kind !== 'jolokia' || status !== 403) return textReply(status, reason, headers)
    return jsonReply(status, forbidden(reason), headers)
  }

  private unexpected(error: unknown): Reply {
    this.options.logger.error(`admin: ${error instanceof Error ? error.message : String(error)}`)
    return textReply(500, 'something went wrong; the log tells more')
  }
}

function forbidden(reason: string): object {
  return { ...faultOf(new Error(reason)), status: 403, error_type: 'java.lang.Exception' }
}
