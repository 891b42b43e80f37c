import http from 'node:http'
import { Socket } from 'node:net'
import { setImmediate as pause } from 'node:timers/promises'
import { createSessionManager } from '../../dist/index.js'
import { median } from './statistics.js'

/*
 * What counting costs a request: the middleware alone, without a server and a network around it, so that the share is larger than in
 * any application. Rounds with statistics and without take turns.
 */

const ROUNDS = 21
const REQUESTS = 10_000
const warmUp = 4

const sessions = createSessionManager({ secret: 'a secret of the benchmark', route: 'a', trustFor: '1h' })
const middleware = sessions.middleware()
const socket = new Socket()

/** @param {string | undefined} cookie @param {(session: Record<string, unknown>) => void} work */
function request(cookie, work) {
  const req = new http.IncomingMessage(socket)
  req.method = 'GET'
  req.url = '/'
  if (cookie !== undefined) req.headers.cookie = cookie
  const res = new http.ServerResponse(req)
  return new Promise((resolve, reject) => {
    res.once('close', () => resolve(res))
    middleware(req, res, (error) => {
      if (error) return reject(error)
      work(req.session)
      res.end('ok')
      res.emit('finish')
      res.emit('close')
    })
  })
}

const first = await request(undefined, (session) => {
  session.n = 0
})
const cookie = String(first.getHeader('set-cookie')).split(';')[0]
await sessions.flush()

const scenarios = {
  read: (session) => session.n,
  change: (session) => {
    session.n++
  },
}

/** Microseconds of processor time a request. */
async function round(work) {
  const before = process.cpuUsage()
  for (let i = 0; i < REQUESTS; i++) {
    await request(cookie, work)
    /* Saves in the background have their turn, as they do between requests that come over a network. */
    if (i % 50 === 0) await pause()
  }
  const { user, system } = process.cpuUsage(before)
  return (user + system) / REQUESTS
}

async function compare(name, work) {
  const figures = { with: [], without: [] }
  for (let i = -warmUp; i < ROUNDS; i++) {
    for (const statistics of i % 2 === 0 ? [true, false] : [false, true]) {
      sessions.reconfigure({ statistics })
      const taken = await round(work)
      if (i >= 0) figures[statistics ? 'with' : 'without'].push(taken)
    }
  }
  const differences = figures.with.map((taken, i) => taken - figures.without[i])
  const [counted, plain, difference] = [figures.with, figures.without, differences].map(median)
  console.log(
    `${name.padEnd(7)} ${counted.toFixed(2)} µs with statistics, ${plain.toFixed(2)} µs without: ` +
      `${difference.toFixed(3)} µs, ${((100 * difference) / plain).toFixed(1)} % of the middleware alone`,
  )
}

for (const [name, work] of Object.entries(scenarios)) await compare(name, work)
await sessions.close()
