import http from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Express } from 'express'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import type { Logger } from '../../src/logger.js'
import { startMemcached, type TestMemcached } from '../../src/testing/index.js'
import { secret } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'

/** One server with an application of its own and the sessions that it shares with the other. */
export interface AppParts {
  url: string
  app: Express
  sessions: Sessions
  http: http.Server
  /** Everything that was logged, one line each. */
  log: string[]
}

/** Builds the application, the session middleware included. @returns how to end what it has started, if anything. */
export type Setup = (parts: AppParts) => undefined | (() => unknown)

/** Servers with the routes `a` and `b` of the same application over one memcached. */
export interface TwoServers {
  a: AppParts
  b: AppParts
  close(): Promise<void>
}

/** A backup that is waited for: the other server can take over as soon as a response is there. */
export const sync = { backup: { mode: 'sync', timeout: '5s' } } as const

/** A backup beside the response, as by default; only `save()` and the like wait for it, for as long as it takes. */
const patient = { backup: { mode: 'async', timeout: '5s' } } as const

type Options = Partial<HoldfastOptions>

export async function startTwoServers(express: () => Express, options: Options, setup: Setup): Promise<TwoServers> {
  const memcached = await startMemcached()
  const start = (route: string) => startServer(express(), { ...optionsOf(memcached), ...options, route }, setup)
  const [a, b] = await Promise.all([start('a'), start('b')])
  return {
    a,
    b,
    async close() {
      await Promise.all([a.close(), b.close()])
      await memcached.close()
    },
  }
}

/** What is left of a session that a browser knows by this id: asks `GET /` for the attributes. */
export async function attributesOf(server: AppParts, id: string): Promise<Record<string, unknown>> {
  const thief = new Visitor()
  thief.id = id
  return (await thief.get(`${server.url}/`)).json()
}

function optionsOf({ host, port }: TestMemcached): Options {
  return { secret, nodes: `n1:${host}:${port}`, ...patient }
}

async function startServer(app: Express, options: Options, setup: Setup) {
  const log: string[] = []
  const sessions = createSessionManager({ ...options, logger: loggerTo(log) } as HoldfastOptions)
  const server = http.createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const parts = { url, app, sessions, http: server, log }
  const cleanUp = setup(parts)
  await sessions.ready()
  return {
    ...parts,
    async close() {
      await cleanUp?.()
      server.close()
      server.closeAllConnections()
      await sessions.close({ timeout: 2000 })
    },
  }
}

function loggerTo(log: string[]): Logger {
  const write = (message: string) => void log.push(message)
  return { debug: write, info: write, warn: write, error: write }
}
