// The entry point of a shop server's process; the demo starts two of them.
import { createServer, type Server } from 'node:http'
import { createSessionManager } from '../../create-session-manager.js'
import { OPTIONS_VARIABLE, type Question, type ServerMessage, type ShopOptions } from './server-messages.js'
import { readStats } from './server-stats.js'
import { createShopApp } from './shop-app.js'
import { LOOPBACK } from './storage-process.js'
import { until } from './within.js'

const EVENTS = [
  'created',
  'destroyed',
  'expired',
  'takenOver',
  'released',
  'relocated',
  'backupFailed',
  'attributeFailed',
  'nodeDown',
  'nodeReadOnly',
  'nodeUp',
  'restored',
] as const

const REQUESTS_END_WITHIN_MS = 3000
const FLUSH_WITHIN_MS = 5000
const STORAGE_WITHIN_MS = 5000

const options = JSON.parse(process.env[OPTIONS_VARIABLE] ?? '{}') as ShopOptions
const { route, mode, nodes, secret, adminPort } = options
const sessions = createSessionManager({
  secret,
  mode,
  route,
  nodes,
  idleTimeout: '30m',
  probeInterval: '500ms',
  // Whoever is on this machine may change things, as with the buttons of the page.
  ...(adminPort !== undefined && { admin: { listen: { host: LOOPBACK, port: adminPort }, readOnly: false } }),
})
for (const name of EVENTS) sessions.on(name, (payload: object) => tell({ is: 'event', name, payload: asText(payload) }))

const server = createServer(await createShopApp(route, sessions.middleware()))
// Longer than the balancer keeps an idle connection, so that it is the balancer that closes it.
server.keepAliveTimeout = 65_000

process.on('message', (question: Question) => void answer(question))
process.once('disconnect', () => process.exit(1))
process.once('SIGTERM', () => void end(server))
server.once('error', (error) => {
  console.error(error.message)
  process.exit(1)
})
await sessions.ready()
/* As a balancer waits for `/readyz`. With all storage dead, which the page makes possible, it serves after that all the same. */
await until('a storage node answers', STORAGE_WITHIN_MS, anyNodeUp).catch(() => {})
server.listen(options.port, options.host, () => tell({ is: 'listening' }))

async function answer({ ask, number }: Question): Promise<void> {
  if (ask === 'flush') await sessions.flush()
  tell({ is: 'answer', number, stats: readStats(sessions.stats()) })
}

function anyNodeUp(): boolean {
  return sessions.stats().nodes.some((node) => node.state === 'up')
}

/** The orderly end: requests first, then what is still to be stored, then a word about how that went. */
async function end(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeIdleConnections()
  const impatience = setTimeout(() => server.closeAllConnections(), REQUESTS_END_WITHIN_MS)
  await closed
  clearTimeout(impatience)
  const { unsaved } = await sessions.close({ timeout: FLUSH_WITHIN_MS })
  tell({ is: 'closed', report: { unsaved } }, () => process.exit(0))
}

/** Errors would arrive empty at the other end of the channel. */
function asText(payload: object): object {
  return Object.fromEntries(
    Object.entries(payload).map(([key, value]) => [key, value instanceof Error ? value.message : value]),
  )
}

function tell(message: ServerMessage, sent?: () => void): void {
  // A parent that has gone is noticed by 'disconnect'.
  if (process.connected) process.send?.(message, () => sent?.())
  else sent?.()
}
