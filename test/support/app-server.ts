import http from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express, type NextFunction, type Request, type Response } from 'express'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import type { Session } from '../../src/session/session.js'

export const secret = 'a secret for tests only'

/** The session of a request, with attributes of any name. */
export function sessionOf(req: Request): Session & Record<string, unknown> {
  return (req as unknown as { session: Session & Record<string, unknown> }).session
}

export function sessionIdOf(req: Request): string {
  return (req as unknown as { sessionID: string }).sessionID
}

/** One server of a cluster, in this process. */
export interface AppServer {
  url: string
  app: Express
  sessions: Sessions
  /** Requests that have come so far; each has been handed to the session manager when it counts. */
  readonly arrived: number
  /** Ends the HTTP server and the session manager. */
  close(): Promise<void>
}

/**
 * Starts an Express server with sessions and a few routes that the tests use:
 * GET /  the attributes and the id · POST /  sets the attributes in the body (null removes) · GET /untouched ·
 * POST /destroy · POST /regenerate. `routes` adds more.
 */
export async function startAppServer(
  options: Partial<HoldfastOptions> & { nodes?: HoldfastOptions['nodes'] },
  routes?: (app: Express, sessions: Sessions) => void,
): Promise<AppServer> {
  const sessions = createSessionManager({ secret, logger: silentLogger, ...options } as HoldfastOptions)
  const app = express()
  app.use(sessions.middleware() as never)
  app.use(express.json())
  routes?.(app, sessions)
  addRoutes(app)
  const server = await listen(app)
  let arrived = 0
  server.on('request', () => {
    arrived++
  })
  await sessions.ready()
  return {
    get arrived() {
      return arrived
    },
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    app,
    sessions,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await sessions.close({ timeout: 2000 })
    },
  }
}

function addRoutes(app: Express): void {
  app.get('/untouched', (_req, res) => void res.send('nothing to see'))
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...attributes } = sessionOf(req) as Record<string, unknown>
    res.json({ id: sessionIdOf(req), attributes })
  })
  app.post('/', (req, res) => {
    const session = sessionOf(req)
    for (const [name, value] of Object.entries(req.body)) {
      if (value === null) delete session[name]
      else session[name] = value
    }
    res.json({ id: sessionIdOf(req) })
  })
  app.post('/destroy', (req, res) => {
    sessionOf(req).destroy((error) => res.status(error ? 500 : 200).send('gone'))
  })
  app.post('/regenerate', (req, res) => {
    sessionOf(req).regenerate((error) => res.status(error ? 500 : 200).json({ id: sessionIdOf(req) }))
  })
  app.use(
    (
      error: Error & { status?: number; headers?: Record<string, string> },
      _req: Request,
      res: Response,
      _next: NextFunction,
    ) => {
      res
        .status(error.status ?? 500)
        .set(error.headers ?? {})
        .send(error.message)
    },
  )
}

function listen(app: Express): Promise<http.Server> {
  return new Promise((resolve) => {
    const server = http.createServer(app)
    server.listen(0, '127.0.0.1', () => resolve(server))
  })
}
