import { Agent, get, type IncomingMessage, type ServerResponse } from 'node:http'
import { Backend, type BackendAddress } from './backend.js'
import { forward, hasBody, type Outcome, unlessArrived } from './forward.js'
import { routeOf } from './route-cookie.js'

export interface BalancerOptions {
  backends: readonly BackendAddress[]
  /** Whether the session id says who serves a request; if not, the servers take turns. Default true. */
  sticky?: boolean
  /** The session cookie's name. Default `sid`. */
  cookieName?: string
  /** Milliseconds to connect to a server. Default 1000. */
  connectTimeout?: number
  /** Milliseconds without a byte from a server. Default 15000. */
  responseTimeout?: number
  /** Milliseconds that a request waits at most for a server that is held. Default 5000. */
  holdTimeout?: number
  /** Milliseconds between two looks at a server's `/healthz`. Default 500. */
  healthInterval?: number
  /** Called when a server turns out to be up or down. */
  onChange?: (route: string, up: boolean) => void
  /** Answers when no server does. Default: 503 in JSON. */
  onUnavailable?: (req: IncomingMessage, res: ServerResponse) => void
}

export interface BalancerCounters {
  requests: number
  /** Attempts that were made again, on another server or a fresh connection. */
  retries: number
  /** Requests that the balancer answered itself because no server did. */
  failures: number
}

const MAX_ATTEMPTS = 6
const IDEMPOTENT = new Set(['GET', 'HEAD'])

/**
 * A small balancer, sticky or not: the text after the last dot of the session id names the server, or the servers take turns. A server
 * that is down is left out, and its visitors go to the others in turn.
 *
 * What failed is tried again only where that can't do a thing twice: anything when no connection could be made, GET and
 * HEAD also when the server gave no byte of an answer. Other methods never go over a kept connection, where a closed
 * one can't be told from a request that was begun.
 */
export class Balancer {
  readonly counters: BalancerCounters = { requests: 0, retries: 0, failures: 0 }
  readonly #backends: readonly Backend[]
  readonly #options: Required<BalancerOptions>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 256, maxFreeSockets: 32, timeout: 30_000 })
  readonly #timers = new Map<Backend, NodeJS.Timeout>()
  #turn = 0
  #closed = false

  constructor(options: BalancerOptions) {
    this.#options = {
      sticky: true,
      cookieName: 'sid',
      connectTimeout: 1000,
      responseTimeout: 15_000,
      holdTimeout: 5000,
      healthInterval: 500,
      onChange: () => {},
      onUnavailable: unavailable,
      ...options,
    }
    this.#backends = options.backends.map((address) => new Backend(address))
    for (const backend of this.#backends) this.#watch(backend)
  }

  /** A request handler for `node:http`. */
  readonly handle = (req: IncomingMessage, res: ServerResponse): void => {
    this.#serve(req, res).catch(() => {
      // Only a request that can't be sent on at all (an impossible path, say) comes here.
      if (res.headersSent) res.destroy()
      else res.writeHead(400).end()
    })
  }

  isUp(route: string): boolean {
    return this.#backend(route).up
  }

  /** New requests for that server wait, for `holdTimeout` at most, until `drain` or `join`. */
  hold(route: string): void {
    this.#backend(route).hold()
  }

  /** Sends that server's visitors to the others, those that wait included, until `join`. */
  drain(route: string): void {
    const backend = this.#backend(route)
    backend.drained = true
    backend.release()
  }

  /** The server takes part again. */
  join(route: string): void {
    const backend = this.#backend(route)
    backend.drained = false
    backend.release()
  }

  /** Requests that are with a server at this moment. */
  inFlight(route: string): number {
    return this.#backend(route).inFlight
  }

  close(): void {
    this.#closed = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    for (const backend of this.#backends) backend.release()
    this.#agent.destroy()
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    this.counters.requests += 1
    const { sticky, cookieName } = this.#options
    const route = sticky ? routeOf(req.headers.cookie, cookieName) : undefined
    const safe = IDEMPOTENT.has(req.method ?? '') && !hasBody(req)
    const failed = new Set<Backend>()
    let fresh = !safe
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const backend = await this.#choose(route, failed)
      if (backend === undefined || res.destroyed) break
      if (attempt > 0) this.counters.retries += 1
      const outcome = await this.#attempt(backend, req, res, fresh)
      if (outcome === 'answered') return
      if (outcome === 'stale' && safe) {
        fresh = true
        continue
      }
      failed.add(backend)
      this.#mark(backend, false)
      if (outcome === 'unanswered' && !safe) break
    }
    this.counters.failures += 1
    if (!res.destroyed) this.#options.onUnavailable(req, res)
  }

  async #attempt(backend: Backend, req: IncomingMessage, res: ServerResponse, fresh: boolean): Promise<Outcome> {
    const { connectTimeout, responseTimeout } = this.#options
    backend.inFlight += 1
    try {
      return await forward(backend, req, res, { agent: fresh ? false : this.#agent, connectTimeout, responseTimeout })
    } finally {
      backend.inFlight -= 1
    }
  }

  async #choose(route: string | undefined, failed: ReadonlySet<Backend>): Promise<Backend | undefined> {
    const named = this.#backends.find((backend) => backend.route === route)
    if (named !== undefined && !failed.has(named)) {
      await named.pass(this.#options.holdTimeout)
      if (named.up && !named.drained) return named
    }
    const others = this.#backends.filter((backend) => !failed.has(backend) && !backend.drained)
    // When all seem down they are asked all the same: a refused connection costs nothing, and one may be back.
    return this.#next(others.filter((backend) => backend.open)) ?? this.#next(others)
  }

  #next(backends: readonly Backend[]): Backend | undefined {
    if (backends.length === 0) return undefined
    this.#turn += 1
    return backends[this.#turn % backends.length]
  }

  #mark(backend: Backend, up: boolean): void {
    if (backend.up === up || this.#closed) return
    backend.up = up
    this.#options.onChange(backend.route, up)
  }

  #watch(backend: Backend): void {
    const look = async (): Promise<void> => {
      const healthy = await answersHealth(backend, this.#options.connectTimeout)
      if (this.#closed) return
      this.#mark(backend, healthy)
      this.#watch(backend)
    }
    this.#timers.set(backend, setTimeout(() => void look(), this.#options.healthInterval).unref())
  }

  #backend(route: string): Backend {
    const backend = this.#backends.find((candidate) => candidate.route === route)
    if (backend === undefined) throw new RangeError(`no server ${route}`)
    return backend
  }
}

function answersHealth({ host, port }: BackendAddress, timeout: number): Promise<boolean> {
  return new Promise((resolve) => {
    let answered = false
    const probe = get({ host, port, path: '/healthz', agent: false, timeout }, (answer) => {
      answered = true
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    probe.once('timeout', () => unlessArrived(() => !answered, probe, 'no answer in time'))
    probe.once('error', () => resolve(false))
    probe.once('close', () => resolve(false))
  })
}

function unavailable(_req: IncomingMessage, res: ServerResponse): void {
  const body = JSON.stringify({ error: 'no server answered' })
  res.writeHead(503, { 'Content-Type': 'application/json', 'Retry-After': '1', Connection: 'close' }).end(body)
}
