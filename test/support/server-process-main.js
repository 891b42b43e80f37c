// An Express server of the built package in a process of its own.
// GET /  the attributes · POST /  sets the attributes in the body · POST /later  the same, when POST /internal/go was called ·
// POST /hold-lock  holds the session's lock until then
import express from 'express'
import { createSessionManager } from '../../dist/index.js'

const [port, options] = process.argv.slice(2)
const silent = { debug() {}, info() {}, warn() {}, error() {} }
const sessions = createSessionManager({ logger: silent, ...JSON.parse(options) })
const events = []
const names = [
  'created',
  'destroyed',
  'expired',
  'takenOver',
  'released',
  'relocated',
  'restored',
  'nodeDown',
  'nodeUp',
]
for (const name of names) sessions.on(name, () => events.push(name))

let go
const told = new Promise((resolve) => {
  go = resolve
})

const app = express()
app.get('/internal/stats', (_req, res) => res.json(sessions.stats()))
app.get('/internal/events', (_req, res) => res.json(events))
app.post('/internal/go', (_req, res) => {
  go()
  res.send('gone')
})
app.use(sessions.middleware())
app.use(express.json())
app.get('/', (req, res) => {
  const { cookie: _cookie, ...attributes } = req.session
  res.json({ id: req.sessionID, attributes })
})
app.post('/', (req, res) => {
  Object.assign(req.session, req.body)
  res.json({ id: req.sessionID })
})
app.post('/later', async (req, res) => {
  Object.assign(req.session, req.body)
  await told
  res.json({ id: req.sessionID })
})
app.post('/hold-lock', async (req, res) => {
  const lock = await req.session.lock()
  await told
  await lock.release()
  res.json({ id: req.sessionID })
})

const server = app.listen(Number(port), '127.0.0.1', async () => {
  await sessions.ready()
  console.log('listening')
})

process.once('SIGTERM', async () => {
  server.close()
  const report = await sessions.close({ timeout: 5000 })
  console.log(`report ${JSON.stringify(report)}`)
  process.exit(0)
})
