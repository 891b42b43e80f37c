import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { AdminMount } from './admin/admin-router.js'
import type { AdminHandler } from './admin/http/admin-handler.js'
import { systemClock } from './clock.js'
import { describeSettings } from './config/describe-settings.js'
import { loadOptions } from './config/load-file.js'
import { changeSettings, type HoldfastOptions, parseSettings } from './config/parse-settings.js'
import type { Settings } from './config/settings.js'
import { configurationWarnings } from './config/warnings.js'
import { EndNotStoredError } from './errors.js'
import { type FetchRequest, type RequestSession, sessionForRequest } from './http/fetch-request.js'
import { OpenRequests } from './http/open-requests.js'
import { candidateIds } from './http/request-cookie.js'
import { createSessionMiddleware, type SessionMiddleware } from './http/session-middleware.js'
import { ManagerContext } from './manager/context/manager-context.js'
import type { SessionEventName, SessionListener } from './manager/context/session-events.js'
import { within } from './manager/context/within.js'
import { type FlushReport, ServerSessions } from './manager/server-sessions.js'
import { SessionUse } from './manager/session-use.js'
import { Administration } from './mbeans/administration.js'
import { type MemcachedServer, startMemcachedServer } from './memcached-server/server.js'
import { openNode } from './node/open-node.js'
import type { NodeStatus } from './placement/watched-node.js'
import type { DestroyOptions, Session, SessionData } from './session/session.js'
import { parseSessionId, type SessionId } from './session-id/session-id.js'
import type { StatisticsSnapshot } from './statistics/statistics.js'
import { SessionStore } from './store/session-store.js'

const FLUSH_TIMEOUT = 10_000
/** Milliseconds of a shutdown that requests under way leave for what is to be stored, or half of it. */
const FLUSH_RESERVE = 2000

/** What a shutdown could not wait for, or not store. */
export interface CloseReport extends FlushReport {
  /** Requests with a session that were not answered: what they change from now on is not stored. */
  openRequests: number
}

/** What has a Cookie header: a request, an upgrade request, a socket's handshake, a plain object. */
export interface WithCookieHeader {
  readonly headers: { readonly cookie?: string | undefined }
}

/** Figures of one session manager at one moment. */
export interface SessionManagerStats extends StatisticsSnapshot {
  mode: string
  route: string | undefined
  enabled: boolean
  /** Sessions in this server's memory. */
  activeSessions: number
  /** Sessions whose newest content is on its way to a storage node. */
  pendingBackups: number
  pendingBytes: number
  /** Milliseconds since the oldest pending backup was queued. */
  oldestPendingAge: number
  /** Sessions that no storage node can take at the moment. What a node has lost by itself is noticed, and stored again, at the next comparison. */
  unprotectedSessions: number
  /** Sessions with fewer copies than there should be, or on the wrong nodes, as far as this server knows (non-sticky). */
  underReplicatedSessions: number
  /** Sessions in the storage whose places this server remembers (non-sticky). */
  knownSessions: number
  /** Requests that wait for a session's lock. */
  lockWaiters: number
  /** Locks of sessions that requests of this server hold. */
  locksHeld: number
  /** Whether sessions are being moved or stored again in the background. */
  protecting: boolean
  nodes: (NodeStatus & { sessions: number })[]
}

/** How a session manager is shut down; times in milliseconds. */
export interface CloseOptions {
  /** How long it waits for requests that are under way, and tries to store what is pending. Default 10 s. */
  timeout?: number
  /** How long it goes on as before while `/readyz` says that it is draining, so that balancers send visitors elsewhere. Default 0. */
  drain?: number
}

/** A session manager; made by `createSessionManager`. */
export class Sessions {
  private readonly context: ManagerContext
  private readonly manager: ServerSessions
  /* Truly private: it holds secrets as they were given, and must not show when the manager is printed. */
  #options: HoldfastOptions
  private readonly starting: Promise<void>
  private readonly requests = new OpenRequests()
  private embedded: MemcachedServer | undefined
  private fetchMiddleware: SessionMiddleware | undefined
  private closing: Promise<CloseReport> | undefined
  private readonly startedAt = systemClock.now()
  private isReady = false
  private reachedStorage = false
  private administration: Administration | undefined

  constructor(options: HoldfastOptions, settings: Settings) {
    this.#options = options
    this.context = new ManagerContext(settings, systemClock)
    const manager = new ServerSessions(this.context, (address) =>
      openNode(address, {
        operationTimeout: () => this.context.settings.operationTimeout,
        wait: () => this.context.settings.wait,
        keyPrefix: settings.keyPrefix,
        nearCache: {
          limits: () => this.context.settings.nearCache,
          keyPrefix: settings.keyPrefix,
          onFlush: () => this.context.statistics.count('nearCacheFlushes'),
        },
      }),
    )
    this.manager = manager
    /* Secrets and live ids hang on them, and whoever prints the manager, or an object that has it, wants neither. */
    for (const part of ['context', 'manager', 'administration', 'embedded'])
      Object.defineProperty(this, part, { enumerable: false })
    for (const warning of configurationWarnings(options, settings)) settings.logger.warn(warning)
    this.starting = this.start()
    /* Whoever waits for `ready()` gets the error; nobody has to. */
    this.starting.catch((error) => settings.logger.error(String(error.message)))
    void this.noteReady()
  }

  /** What `console.log` and the like show: no secrets, no ids. */
  [inspect.custom](): string {
    return `Sessions ${inspect(this.toJSON())}`
  }

  /** The same for `JSON.stringify`. */
  toJSON(): { mode: string; route: string | undefined; activeSessions: number } {
    const { mode, route } = this.context.settings
    return { mode, route, activeSessions: this.context.local.size }
  }

  private get forFetch(): SessionMiddleware {
    this.fetchMiddleware ??= this.middleware()
    return this.fetchMiddleware
  }

  /** For `app.use(…)` of Express, connect and the like. */
  middleware(): SessionMiddleware {
    return createSessionMiddleware(this.manager, this.requests)
  }

  /**
   * Resolves when it is known which storage nodes are up. Requests need not wait for it.
   * @throws when the embedded storage node or the administration can't listen.
   */
  async ready(): Promise<void> {
    await this.starting
    await this.manager.nodes.ready()
  }

  /** Stores what is pending, for at most `timeout` milliseconds (default 10 s). */
  flush(options: { timeout?: number } = {}): Promise<FlushReport> {
    return this.manager.flush(options.timeout ?? FLUSH_TIMEOUT)
  }

  /**
   * For an orderly shutdown: waits for requests that are under way, stores what is pending, then closes connections and stops timers. From
   * the call on, `/readyz` says that the server is draining; with `drain`, everything else goes on for so long. A change that is made
   * afterwards is refused: an assignment throws a `ShutDownError`, one inside of a value is logged.
   * @returns what it could not wait for, and what could not be stored.
   */
  close(options: CloseOptions = {}): Promise<CloseReport> {
    this.closing ??= this.shutDown(options)
    return this.closing
  }

  /**
   * The administration as a request handler, for `app.use('/admin', …)` or plain node:http: MBeans under `/jolokia`, `/metrics`, `/healthz`,
   * `/readyz`. It asks for the logins of `admin.auth`, unless it is called `unprotected` because the application has checked
   * already who asks.
   * @throws ConfigError when it would have no login without being called `unprotected`.
   */
  adminRouter(mount: AdminMount = {}): AdminHandler {
    return this.ownAdministration().router(mount)
  }

  /** Where the stand-alone server of the administration listens; `undefined`: it does not, or not yet. */
  get adminUrl(): string | undefined {
    return this.administration?.url
  }

  /**
   * Changes settings while running; requests under way are not disturbed. Where there is an administration, its audit log notes which
   * keys were changed.
   * @throws ConfigError when the change, or what results from it, can't be used: then nothing changes.
   */
  reconfigure(change: Partial<HoldfastOptions>): void {
    const apply = () => this.change(change)
    if (this.administration === undefined) apply()
    else this.administration.audited(Object.keys(change), apply)
  }

  private change(change: Partial<HoldfastOptions>): void {
    const { options, settings } = changeSettings(this.#options, change, this.context.settings)
    const wasEnabled = this.context.settings.enabled
    this.#options = options
    this.context.settings = settings
    this.manager.settingsChanged(wasEnabled)
  }

  /** The settings in force as text, without secrets. */
  settings(): Record<string, string> {
    return describeSettings(this.context.settings)
  }

  /**
   * A session by its id, outside of a request: for jobs. Changes are stored by its `save()`.
   * @returns `undefined` when there is none. @throws StorageUnavailableError
   */
  async get(id: string): Promise<(Session & Partial<SessionData>) | undefined> {
    const parsed = this.parse(id)
    return parsed && this.sessionOf(parsed)
  }

  /**
   * The session of whoever sent this cookie header, outside of the middleware: for sockets. Of several cookies of our name
   * the first that leads to a session counts. Changes are stored by the session's `save()`.
   * @returns `undefined` when there is none; none is made. @throws StorageUnavailableError
   */
  async fromRequest(req: WithCookieHeader): Promise<(Session & Partial<SessionData>) | undefined> {
    for (const id of candidateIds(this.context, req.headers.cookie)) {
      const session = await this.sessionOf(id)
      if (session !== undefined) return session
    }
    return undefined
  }

  /**
   * The session of a `Request` of the Fetch standard, for frameworks that give a `Response` back (Hono, h3, Next route handlers):
   * `commit(response.headers)` stores what was changed and adds the cookie. It has to be called for each request, or the request counts as
   * one that is not over.
   * @throws what the middleware would hand to an error handler: StorageUnavailableError, LockTimeoutError, … with `status` and `headers`
   */
  forRequest(request: FetchRequest): Promise<RequestSession> {
    return sessionForRequest(this.forFetch, request)
  }

  /**
   * The sessions behind the interface of an express-session `Store`, for libraries that take one. Each call gives a store of
   * its own over the same sessions.
   */
  asStore(): SessionStore {
    return new SessionStore(this.manager)
  }

  /** Ends a session on all servers; resolves when the storage has answered. @returns whether there was one. */
  async destroy(id: string): Promise<boolean> {
    const parsed = this.parse(id)
    const state = parsed && (await this.manager.open(parsed))
    if (state === undefined) return false
    await this.manager.destroy(state)
    return true
  }

  /**
   * Logs everybody out: ends every session that was created before a time, on all servers, also those that no server has in
   * its memory. Other servers know within 15 seconds, and sessions that storage nodes still have count for nothing.
   * @param time milliseconds since the epoch, or a date; default: now. Not in the future.
   * @throws RangeError for another time; EndNotStoredError with `durable`, when some storage node has not taken that: it is
   * told as soon as it answers.
   */
  async endAllBefore(time: Date | number = this.context.clock.now(), { durable }: DestroyOptions = {}): Promise<void> {
    const before = Number(time)
    if (!(before >= 0 && before <= this.context.clock.now())) {
      throw new RangeError(`sessions can be ended that began before a time in the past, not before ${String(time)}`)
    }
    const isDurable = await this.manager.endAllBefore(Math.ceil(before))
    if (!isDurable && durable === true) throw new EndNotStoredError()
  }

  stats(): SessionManagerStats {
    const { settings, statistics, placement } = this.context
    const sessions = this.manager.sessionsByNode()
    return {
      mode: settings.mode,
      route: settings.route,
      enabled: settings.enabled,
      ...this.manager.figures(),
      ...statistics.snapshot(),
      nodes: placement.nodes.map((node) => ({ ...node.status(), sessions: sessions.get(node) ?? 0 })),
    }
  }

  resetStats(): void {
    this.context.statistics.reset()
  }

  on<N extends SessionEventName>(name: N, listener: SessionListener<N>): this {
    this.context.events.on(name, listener)
    return this
  }

  once<N extends SessionEventName>(name: N, listener: SessionListener<N>): this {
    this.context.events.once(name, listener)
    return this
  }

  off<N extends SessionEventName>(name: N, listener: SessionListener<N>): this {
    this.context.events.off(name, listener)
    return this
  }

  private async sessionOf(id: SessionId): Promise<(Session & Partial<SessionData>) | undefined> {
    const state = await this.manager.open(id)
    return state && new SessionUse(this.manager, state, undefined).session
  }

  private parse(id: string): SessionId | undefined {
    const parsed = parseSessionId(id)
    if (parsed === undefined) this.context.statistics.count('invalidIds')
    return parsed
  }

  private async start(): Promise<void> {
    const { admin } = this.context.settings
    const listening = admin?.listen === undefined ? undefined : this.ownAdministration().listen()
    const results = await Promise.allSettled([this.startStorage(), listening])
    const failed = results.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  private ownAdministration(): Administration {
    const state = (): 'starting' | 'ready' | 'draining' => {
      if (this.closing !== undefined) return 'draining'
      return this.isReady && this.hasStorage() ? 'ready' : 'starting'
    }
    this.administration ??= new Administration({
      manager: this.manager,
      startedAt: this.startedAt,
      get state() {
        return state()
      },
      reconfigure: (change) => this.change(change),
    })
    return this.administration
  }

  /* Whoever has never reached any storage node is likely to be set up wrong, and is to take nobody's place. */
  private hasStorage(): boolean {
    const { placement, settings } = this.context
    this.reachedStorage ||= placement.nodes.some((node) => node.wasReached)
    return this.reachedStorage || !settings.enabled || settings.admin?.health.storage === false
  }

  private async noteReady(): Promise<void> {
    try {
      await this.ready()
      this.isReady = true
    } catch {
      /* Whoever waits for it is told. */
    }
  }

  /* The embedded node first: it is likely to be among the nodes that are asked next. */
  private async startStorage(): Promise<void> {
    const { embed } = this.context.settings
    if (embed === undefined) return this.manager.start()
    try {
      this.embedded = await startMemcachedServer(embed)
    } finally {
      if (this.closing === undefined) this.manager.start()
    }
  }

  /** @returns how many are not over. What those have changed so far counts. */
  private async waitForRequests(timeout: number): Promise<number> {
    await within(systemClock, this.requests.over(), timeout)
    for (const request of this.requests.current()) request.commitSoFar()
    return this.requests.size
  }

  private async shutDown({ timeout = FLUSH_TIMEOUT, drain = 0 }: CloseOptions): Promise<CloseReport> {
    await this.starting.catch(() => {})
    if (drain > 0) await sleep(drain)
    const until = systemClock.monotonic() + timeout
    const reserve = Math.min(timeout / 2, FLUSH_RESERVE)
    const openRequests = await this.waitForRequests(timeout - reserve)
    const report = { ...(await this.manager.close(Math.max(until - systemClock.monotonic(), reserve))), openRequests }
    if (openRequests > 0) {
      const requests = `${openRequests} requests with a session were not answered before the shutdown`
      this.context.settings.logger.warn(`${requests}: what they change from now on is not stored`)
    }
    if (report.unsaved > 0) {
      this.context.settings.logger.error(`${report.unsaved} sessions could not be stored before the shutdown`)
    }
    if (report.unwrittenEnds > 0) {
      const ends = `${report.unwrittenEnds} ends of sessions could not be stored before the shutdown`
      this.context.settings.logger.error(`${ends}: these sessions may come back with their storage nodes`)
    }
    await within(systemClock, this.embedded?.close() ?? Promise.resolve(), timeout)
    await this.administration?.close()
    return report
  }
}

/**
 * Makes a session manager from a configuration file, an options object, or, with nothing given, the `holdfast.config.*` in
 * the working directory.
 * @throws ConfigError that lists everything that is wrong.
 */
export function createSessionManager(configuration?: string | HoldfastOptions): Sessions {
  if (typeof configuration === 'object') return new Sessions(configuration, parseSettings(configuration))
  const { options, source } = loadOptions(configuration)
  return new Sessions(options, parseSettings(options, source))
}
