import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Clock, systemClock } from '../../clock.js'
import { networkOf } from '../../connections.js'
import type { Logger } from '../../logger.js'
import { AuditLog } from '../access/audit-log.js'
import { MemberAccess } from '../access/member-access.js'
import type { Principal } from '../access/principal.js'
import type { AdminSettings } from '../admin-settings.js'
import type { Context } from '../jolokia/context.js'
import { answerJolokia } from '../jolokia/jolokia-handler.js'
import { withinTime } from '../jolokia/use-member.js'
import type { MBeanRegistry } from '../mbean/mbean-registry.js'
import { ClientAddresses } from './client-address.js'
import { type Exchange, isSlashMissing, linkWithSlash, targetOf } from './exchange.js'
import { type AdminAccess, Gate } from './gate.js'
import { aliveReply, type Readiness, readyReply } from './health.js'
import { readBody } from './read-body.js'
import { type Reply, textReply } from './reply.js'
import { findRoute } from './routes.js'
import { pagePolicy, send } from './send.js'

/** A file of the page, in memory. */
export interface Asset {
  readonly contentType: string
  readonly body: string | Uint8Array
}

/** Files of the page by path; `/` is the page itself. */
export interface Assets {
  get(path: string): Asset | undefined
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
  /** The page; left out: there is none. */
  assets?: Assets | undefined
}

export type AdminHandler = (req: IncomingMessage, res: ServerResponse) => void

const bodyRefusals = {
  'too-large': [413, 'the body is too large'],
  'too-slow': [408, 'the body took too long'],
  aborted: [400, 'the body is not complete'],
  malformed: [400, 'the body is no JSON'],
  'too-deep': [400, 'the body is nested too deeply'],
} as const

/** The administration's HTTP side: takes each request that passes the gate to where it belongs. */
export class AdminEndpoint {
  private readonly options: AdminHandlerOptions
  private readonly basePath: string
  private readonly settings: AdminSettings
  private readonly clock: Clock
  private readonly addresses: ClientAddresses
  private readonly id = randomUUID()
  private readonly audit: AuditLog
  private readonly gate: Gate
  private readonly members: MemberAccess
  private inProgress = 0

  constructor(options: AdminHandlerOptions, access: AdminAccess) {
    this.options = options
    this.basePath = access.basePath
    this.settings = access.settings
    this.clock = options.clock ?? systemClock
    this.addresses = new ClientAddresses(access.settings.trustedProxies)
    this.audit = options.audit ?? new AuditLog({ logger: options.logger, clock: this.clock })
    this.gate = new Gate(access, this.audit, this.clock)
    this.members = new MemberAccess(access.settings)
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
    const target = targetOf(req, this.basePath)
    if (target === undefined) return textReply(404, 'there is nothing here')
    const address = this.addresses.of(req)
    const exchange: Exchange = {
      req,
      method: req.method ?? 'GET',
      route: findRoute(target.path),
      query: target.query,
      address,
      network: networkOf(address),
      slashMissing: target.path === '/' && isSlashMissing(req),
    }
    const reply = await this.checked(exchange)
    return { ...reply, headers: { ...this.gate.headersFor(exchange), ...reply.headers } }
  }

  private async checked(exchange: Exchange): Promise<Reply> {
    const admission = await this.gate.admit(exchange, this.inProgress)
    if (admission === 'bare') return this.bare(exchange)
    return 'reply' in admission ? admission.reply : this.serve(exchange, admission.principal, admission.client)
  }

  private async serve(exchange: Exchange, principal: Principal, client: string): Promise<Reply> {
    const { route, method } = exchange
    if (route.kind === 'jolokia') return this.jolokia(exchange, route.below, principal, client)
    if (method !== 'GET' && method !== 'HEAD') return onlyGet()
    if (route.kind === 'metrics') return this.metrics()
    return route.kind === 'asset' ? this.asset(exchange, route.path) : this.health(exchange, true)
  }

  /** What anybody gets. */
  private bare(exchange: Exchange): Reply {
    const { route, method } = exchange
    if (route.kind !== 'asset') return this.health(exchange, false)
    return method === 'GET' || method === 'HEAD' ? this.asset(exchange, route.path) : onlyGet()
  }

  private async jolokia(exchange: Exchange, path: string, principal: Principal, client: string): Promise<Reply> {
    const { method, query, req, address } = exchange
    const isPost = method === 'POST'
    const body = isPost ? await readBody(req, this.settings.limits) : { value: undefined }
    if ('refused' in body) {
      const [status, reason] = bodyRefusals[body.refused]
      this.audit.add({ action: 'refused', principal: principal.name, address, outcome: `${status} ${reason}` })
      return textReply(status, reason)
    }
    const { bulk, answerBytes } = this.settings.limits
    if (Array.isArray(body.value)) this.gate.charge(client, Math.max(0, Math.min(body.value.length, bulk) - 1))
    const http = { method, path, query, body: body.value, maxBulk: bulk, maxAnswerBytes: answerBytes }
    return answerJolokia(http, this.contextFor(principal, address, isPost))
  }

  private contextFor(principal: Principal, address: string, mayChange: boolean): Context {
    const { limits } = this.settings
    return {
      registry: this.options.registry,
      access: this.members,
      audit: this.audit,
      agent: { version: this.options.version, id: this.id, methods: this.gate.loginMethods },
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
    const body = await withinTime('the metrics', this.settings.limits.memberTimeout, metrics.render)
    return { status: 200, headers: { 'Content-Type': metrics.contentType }, body }
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

  private unexpected(error: unknown): Reply {
    this.options.logger.error(`admin: ${error instanceof Error ? error.message : String(error)}`)
    return textReply(500, 'something went wrong; the log tells more')
  }
}

function onlyGet(): Reply {
  return textReply(405, 'expected GET', { Allow: 'GET, HEAD' })
}
