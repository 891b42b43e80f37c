import http, { type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo, Server } from 'node:net'
import express from 'express'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import type { SessionState } from '../../src/local/session-state.js'
import type { Session } from '../../src/session/session.js'

/** Both versions of Express that are supported. */
export const expressVersions = [
  ['Express 5', express],
  ['Express 4', createRequire(import.meta.url)('express4') as typeof express],
] as const

/** When a change is stored: beside the response, before its end, or before its end as there is no stickiness. */
export const storingModes = ['async', 'sync', 'non-sticky'] as const
export type StoringMode = (typeof storingModes)[number]

export function storing(mode: StoringMode): Partial<HoldfastOptions> {
  return mode === 'non-sticky' ? { mode } : { backup: { mode } }
}

export type SessionRequest = IncomingMessage & { session: Session & Record<string, unknown>; originalUrl?: string }
export type Handler = (req: SessionRequest, res: ServerResponse) => unknown

/** A session manager, what it has logged, and the servers that use it. */
export class HttpFixture {
  readonly sessions: Sessions
  readonly warnings: string[] = []
  readonly errors: string[] = []
  private readonly servers: Server[] = []

  constructor(options: Partial<HoldfastOptions> = {}) {
    const logger = {
      debug: () => {},
      info: () => {},
      warn: (message: string) => this.warnings.push(message),
      error: (message: string) => this.errors.push(message),
    }
    this.sessions = createSessionManager({ secret: 'a secret for tests only', logger, ...options })
    this.warnings.length = 0
  }

  /** Starts a plain server whose requests go through the middleware. @returns its URL. */
  serve(handler: Handler): Promise<string> {
    const middleware = this.sessions.middleware()
    return this.listen(
      http.createServer((req, res) => middleware(req, res, () => void handler(req as SessionRequest, res))),
    )
  }

  /** Starts a server for an application that has the middleware itself. */
  serveApp(app: unknown): Promise<string> {
    return this.listen(http.createServer(app as RequestListener))
  }

  async listen(server: Server): Promise<string> {
    this.servers.push(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    await this.sessions.ready()
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  /** Requests that have used a session and are not over. */
  get activeRequests(): number {
    let sum = 0
    for (const state of this.states) sum += state.activeRequests
    return sum
  }

  /** The sessions in memory. */
  get states(): SessionState[] {
    const { context } = this.sessions as unknown as { context: { local: { values(): Iterable<SessionState> } } }
    return [...context.local.values()]
  }

  async close(): Promise<void> {
    for (const server of this.servers) {
      if ('closeAllConnections' in server) (server as http.Server).closeAllConnections()
      server.close()
    }
    await this.sessions.close({ timeout: 1000 })
  }
}
