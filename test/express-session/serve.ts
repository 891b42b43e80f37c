import type { Express } from 'express'
import { afterEach } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import type { Sessions } from '../../src/create-session-manager.js'
import { type AppServer, startAppServer } from '../support/app-server.js'

const running: AppServer[] = []

/** A server with sessions in memory, which ends with the test. */
export async function serve(
  options: Partial<HoldfastOptions> = {},
  routes?: (app: Express, sessions: Sessions) => void,
): Promise<AppServer> {
  const server = await startAppServer(options, routes)
  running.push(server)
  return server
}

/** How often sessions were written to the storage so far, when everything pending has been. */
export async function writes(server: AppServer): Promise<number> {
  await server.sessions.flush()
  return server.sessions.stats().counters.backupsStored
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.close()))
})
