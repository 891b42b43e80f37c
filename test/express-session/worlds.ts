import http from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type NextFunction, type Request, type Response } from 'express'
import expressSession from 'express-session'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { createSessionManager } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { secret } from '../support/app-server.js'

/** Whatever serves the sessions: applications know one interface. */
// biome-ignore lint/suspicious/noExplicitAny: as untyped as the applications that come from express-session
export type AnySession = any
export type AnyRequest = Omit<Request, 'session' | 'sessionID'> & { session: AnySession; sessionID: string }
export type Handle = (req: AnyRequest, res: Response) => unknown

/** Options that both know, in express-session's words. */
export interface CommonOptions {
  saveUninitialized?: boolean
  rolling?: boolean
  unset?: 'destroy' | 'keep'
  cookie?: Record<string, unknown>
}

/** An application, and a browser that visits it. */
export interface World {
  /** One visit with the browser's cookie. @returns what an onlooker sees of the answer. */
  visit(path: string, headers?: Record<string, string>): Promise<Seen>
  close(): Promise<void>
}

export interface Seen {
  status: number
  /** Ids are replaced by `id1`, `id2` … in the order of their appearance. */
  body: string
  /** The session cookie of the answer, with the id's name for its value; without it there was none. */
  cookie?: string
}

export const modes = ['sticky', 'sync', 'non-sticky'] as const
export type Mode = (typeof modes)[number]

/** The application over express-session and its MemoryStore. */
export function originalWorld(options: CommonOptions, handle: Handle): Promise<World> {
  const middleware = expressSession({
    name: 'sid',
    secret,
    resave: false,
    saveUninitialized: false,
    ...options,
    cookie: { sameSite: 'lax', ...options.cookie },
  })
  return open(middleware as never, handle, async () => {})
}

/** The same application over Holdfast. */
export async function holdfastWorld(mode: Mode, options: CommonOptions, handle: Handle): Promise<World> {
  const storing = mode === 'non-sticky' ? { mode } : { backup: { mode: mode === 'sync' ? mode : 'async' } }
  const sessions = createSessionManager({ secret, logger: silentLogger, ...storing, ...options } as HoldfastOptions)
  await sessions.ready()
  return open(sessions.middleware() as never, handle, async () => void (await sessions.close()))
}

async function open(middleware: express.RequestHandler, handle: Handle, closed: () => Promise<void>): Promise<World> {
  const app = express()
  app.use(middleware)
  app.use(async (req: Request, res: Response) => void (await handle(req as unknown as AnyRequest, res)))
  app.use((error: { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    /* Where the end has failed there may be no other way to answer. */
    const isAnswered = !res.headersSent && (res.status(error.status ?? 500).end('error') as unknown) !== false
    if (!isAnswered) res.destroy()
  })
  const server = http.createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const browser = new Browser((server.address() as AddressInfo).port)
  return {
    visit: (path, headers) => browser.visit(path, headers),
    close: async () => {
      server.closeAllConnections()
      server.close()
      await closed()
    },
  }
}

class Browser {
  private cookie: string | undefined
  private readonly port: number
  private readonly names = new Map<string, string>()

  constructor(port: number) {
    this.port = port
  }

  async visit(path: string, headers: Record<string, string> = {}): Promise<Seen> {
    const sent = { ...headers }
    if (this.cookie !== undefined) sent.cookie ??= `sid=${this.cookie}`
    const answer = await request(this.port, path, sent)
    const cookies = [answer.headers['set-cookie'] ?? []].flat().filter((cookie) => cookie.startsWith('sid='))
    const body = answer.body.replace(/[\w-]{32,}/g, (id) => this.nameOf(id))
    const seen: Seen = { status: answer.status, body }
    for (const cookie of cookies) {
      const [pair = '', ...attributes] = cookie.split('; ')
      this.cookie = pair.slice('sid='.length)
      const told = [this.nameOf(idIn(this.cookie)), ...attributes.filter((text) => !text.startsWith('Max-Age')).sort()]
      seen.cookie = [seen.cookie, told.join('; ').replace(/Expires=[^;]*/, 'Expires')].filter(Boolean).join(' and ')
    }
    return seen
  }

  private nameOf(id: string): string {
    const name = this.names.get(id) ?? `id${this.names.size + 1}`
    this.names.set(id, name)
    return name
  }
}

/* What an application knows as the session's id. */
function idIn(cookie: string): string {
  const text = decodeURIComponent(cookie)
  return text.startsWith('s:') ? text.slice(2, text.lastIndexOf('.')) : text
}

function request(port: number, path: string, headers: Record<string, string>) {
  return new Promise<{ status: number; body: string; headers: http.IncomingHttpHeaders }>((resolve, reject) => {
    const req = http.get({ port, host: '127.0.0.1', path, headers, agent: false, timeout: 60_000 }, (res) => {
      let body = ''
      res.setEncoding('utf8')
      res.on('data', (text) => {
        body += text
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, body, headers: res.headers }))
      res.on('error', () => resolve({ status: res.statusCode ?? 0, body: `${body} (cut off)`, headers: res.headers }))
    })
    req.on('timeout', () => req.destroy(new Error('no answer')))
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') resolve({ status: 0, body: 'no answer', headers: {} })
      else reject(error)
    })
  })
}
