// A shop that counts what its visitors do. It shows how a server starts, and how it goes away without losing anything.
import { createServer } from 'node:http'
import { setTimeout as passes } from 'node:timers/promises'
import express from 'express'
import { createSessionManager } from 'holdfast'

const { PORT = '3000', HOST = '0.0.0.0', ROUTE } = process.env
/** Longer than the balancer takes to notice that /readyz fails: its interval times its threshold, and a moment. */
const noticed = Number(process.env.DRAIN_MS ?? 6000)
/** Until the last request is answered. */
const lastRequests = 2000

const sessions = createSessionManager() // holdfast.config.yaml in the working directory
const app = express()
let draining = false
app.set('trust proxy', 1) // the balancer says whether the visitor came by TLS
// For balancers that can't ask the administration, on its port, for the same.
app.get('/readyz', (_req, res) => res.sendStatus(draining ? 503 : 200))
app.use((req, res, next) => {
  // nginx asks nobody whether he is ready. This makes it give the request to another server, with its body.
  if (draining && req.get('X-Balancer') === 'nginx') res.set('X-Accel-Redirect', `@holdfast_without_${ROUTE}`).end()
  else next()
})
app.use(sessions.middleware())
app.get('/', (req, res) => res.json({ server: ROUTE, count: req.session.count ?? 0 }))
app.post('/', (req, res) => {
  req.session.count = (req.session.count ?? 0) + 1
  res.json({ server: ROUTE, count: req.session.count })
})

await sessions.ready()
// exclusive: also as a worker of node:cluster it listens itself, on a port that no other worker has.
const server = createServer(app)
server.listen({ port: Number(PORT), host: HOST, exclusive: true }, () => {
  console.log(`server ${ROUTE} listens on ${HOST}:${PORT}`)
})

async function shutDown() {
  draining = true
  // From now on /readyz fails, and everything else goes on.
  const stored = sessions.close({ drain: noticed + lastRequests, timeout: 10_000 })
  await passes(noticed)
  // Whoever has not noticed finds nobody who takes his connection, and goes to another server.
  server.close()
  const { unsaved } = await stored
  // Streams and WebSockets that are still open.
  server.closeAllConnections()
  if (unsaved > 0) console.error(`${unsaved} sessions could not be stored`)
  // Only where another process started this one and talks with it (node:cluster): that would keep it alive.
  process.disconnect?.()
}

// Docker, Kubernetes and systemd send SIGTERM; pm2 and Ctrl-C SIGINT.
process.once('SIGTERM', shutDown)
process.once('SIGINT', shutDown)
