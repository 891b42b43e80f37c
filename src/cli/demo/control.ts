import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Cluster } from './cluster.js'
import { DemoError } from './demo-error.js'
import type { EventLog } from './event-log.js'
import { EventStream } from './event-stream.js'

const PREFIX = '/demo/'
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i
const ACTION = /^\/demo\/processes\/(\w+)\/(kill|revive|restart)$/

/**
 * What the page's buttons and its live log talk to: `GET /demo/state`, `GET /demo/events` (server-sent events) and
 * `POST /demo/processes/<name>/<kill|revive|restart>`.
 *
 * It ends processes, so it is particular about who asks: the address bar must show this machine (against a foreign name
 * that resolves to 127.0.0.1), and a POST must come from our own page.
 */
export class Control {
  readonly #cluster: Cluster
  readonly #stream: EventStream

  constructor(cluster: Cluster, log: EventLog) {
    this.#cluster = cluster
    this.#stream = new EventStream(log)
  }

  /** `false`: not a request for the control. */
  handle(req: IncomingMessage, res: ServerResponse): boolean {
    const path = req.url?.split('?', 1)[0] ?? ''
    if (!path.startsWith(PREFIX)) return false
    this.#answer(path, req, res).catch((error) => {
      const expected = error instanceof DemoError
      reply(res, expected ? 409 : 500, { error: expected ? error.message : 'the demo failed' })
    })
    return true
  }

  close(): void {
    this.#stream.close()
  }

  async #answer(path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (!LOOPBACK_HOST.test(req.headers.host ?? ''))
      return reply(res, 403, { error: 'open the demo by its local address' })
    const action = ACTION.exec(path)
    if (action !== null) return await this.#act(action[1] ?? '', action[2] ?? '', req, res)
    if (req.method !== 'GET') return reply(res, 405, { error: 'GET, please' })
    if (path === '/demo/events') return this.#stream.add(req, res)
    if (path !== '/demo/state') return reply(res, 404, { error: 'no such thing' })
    const { counters } = this.#cluster.balancer
    reply(res, 200, { balancer: counters, processes: await this.#cluster.view() })
  }

  async #act(name: string, action: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
    if (req.method !== 'POST') return reply(res, 405, { error: 'POST, please' })
    if (!isFromOurPage(req)) return reply(res, 403, { error: 'this is only for the page itself' })
    if (action === 'kill') await this.#cluster.kill(name)
    else if (action === 'revive') await this.#cluster.revive(name)
    else await this.#cluster.restart(name)
    reply(res, 200, { done: true })
  }
}

/** Browsers send `Origin` with every POST; what sends none is not a browser that somebody else's page could misuse. */
function isFromOurPage({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return false
  return origin === undefined ? site === undefined : origin.toLowerCase() === `http://${host}`.toLowerCase()
}

function reply(res: ServerResponse, status: number, body: unknown): void {
  if (res.headersSent) return void res.destroy()
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }).end(JSON.stringify(body))
}
