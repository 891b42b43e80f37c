// A server for redis-sentinel-outage.js: counts in the session, and tells how long its storage was down.
import express from 'express'
import { createSessionManager } from 'holdfast'

const [port, route, nodes, mode] = process.argv.slice(2)
const sessions = createSessionManager({
  mode,
  ...(mode === 'sticky' && { route }),
  nodes,
  secret: 'for this demonstration only, never elsewhere',
  logger: { debug() {}, info() {}, warn() {}, error() {} },
})

/** Milliseconds each, since the last time that somebody asked. */
const outages = []
const downSince = new Map()
sessions.on('nodeDown', ({ node }) => downSince.set(node, performance.now()))
sessions.on('nodeUp', ({ node }) => {
  const since = downSince.get(node)
  downSince.delete(node)
  if (since !== undefined) outages.push(Math.round(performance.now() - since))
})

const app = express()
app.post('/flush', async (_req, res) => {
  await sessions.flush()
  res.send('flushed')
})
app.get('/outages', (_req, res) => res.json(outages.splice(0)))
app.use(sessions.middleware())
app.post('/', (req, res) => {
  req.session.count = (req.session.count ?? 0) + 1
  res.json({ count: req.session.count })
})
app.get('/', (req, res) => res.json({ count: req.session.count ?? 0 }))

app.use((error, _req, res, _next) =>
  res
    .status(error.status ?? 500)
    .set(error.headers ?? {})
    .send(error.message),
)

const server = app.listen(Number(port), '127.0.0.1', async () => {
  await sessions.ready()
  process.send?.('ready')
})

process.once('SIGTERM', async () => {
  server.close()
  server.closeAllConnections()
  await sessions.close({ timeout: 5000 })
  process.disconnect?.()
})
