import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach } from 'vitest'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { secret } from '../support/app-server.js'

const toClose: (() => Promise<unknown>)[] = []

/** A session manager that ends with the test. */
export function manager(options: { route: string; nodes?: string }): Sessions {
  const sessions = createSessionManager({ secret, logger: silentLogger, ...options })
  toClose.unshift(() => sessions.close({ timeout: 2000 }))
  return sessions
}

/** Serves with `listener` until the test ends. @returns the server's URL. */
export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  toClose.unshift(async () => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Has `close` called when the test ends, after the servers. */
export function closeLast(close: () => Promise<unknown>): void {
  toClose.push(close)
}

afterEach(async () => {
  for (const close of toClose.splice(0)) await close()
})
