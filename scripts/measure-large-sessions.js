/**
 * How other visitors fare while one visitor with a session of 3 MB sends 60 requests at once: on memcached and on Redis, in both modes.
 *
 *     npm run build && node scripts/measure-large-sessions.js
 */
import { createServer, request as send } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'
import express from 'express'
import { createSessionManager } from '../dist/index.js'
import { startMemcached, startRedis } from '../dist/testing/index.js'

const SESSION_BYTES = 3_000_000
const AT_ONCE = 60
const ROUNDS = 3

if (isMainThread) await measure()
else parentPort.on('message', async (task) => parentPort.postMessage(await tasks[task.name](task)))

async function measure() {
  for (const kind of ['memcached', 'redis'])
    for (const mode of ['sticky', 'non-sticky'])
      for (const changes of [true, false]) await measureOne(kind, mode, changes)
}

async function measureOne(kind, mode, changes) {
  const stores = await Promise.all(
    [1, 2].map(() => (kind === 'memcached' ? startMemcached({ memoryMb: 256 }) : startRedis())),
  )
  const nodes = stores.map(({ host, port }, index) => ({ id: `n${index + 1}`, url: `${kind}://${host}:${port}` }))
  const logger = { debug() {}, info() {}, warn: console.warn, error: console.error }
  const sessions = createSessionManager({ mode, nodes, route: 'a', secret: 's'.repeat(32), logger })
  let down = 0
  sessions.on('nodeDown', () => down++)
  const app = express()
  app.use(sessions.middleware())
  app.get('/fill', (req, res) => {
    req.session.blob = 'x'.repeat(SESSION_BYTES)
    res.send('done')
  })
  app.get('/change', (req, res) => {
    req.session.n = (req.session.n ?? 0) + 1
    res.send(String(req.session.n))
  })
  app.get('/read', (req, res) => res.send(String(req.session.n ?? 0)))
  const server = createServer(app).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  await sessions.ready()
  /* The visitors are in threads of their own: what they measure is the server's doing alone. */
  const [large, small] = ['large', 'small'].map((name) => new Worker(new URL(import.meta.url), { workerData: name }))
  const ask = (worker, task) =>
    new Promise((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
      worker.postMessage({ ...task, port: server.address().port })
    })
  const cookie = await ask(large, { name: 'login', path: '/fill' })
  const quiet = await ask(small, { name: 'steady', ms: 1500 })
  const steady = ask(small, { name: 'steady', ms: 4000 })
  const burst = []
  for (let round = 0; round < ROUNDS; round++) {
    await sleep(300)
    burst.push(await ask(large, { name: 'burst', path: changes ? '/change' : '/read', count: AT_ONCE, cookie }))
  }
  const others = await steady
  const statuses = [...new Set(burst.flatMap(({ statuses: all }) => all))].join(' ')
  const states = sessions.stats().nodes.map(({ state }) => state)
  console.log(
    `${kind} ${mode} ${changes ? 'changing' : 'reading'}: others ${show(others)}; before ${show(quiet)}; ` +
      `burst ${burst.map(({ ms }) => Math.round(ms)).join('/')} ms, status ${statuses}; nodes ${states}, down ${down} times`,
  )
  await Promise.all([large.terminate(), small.terminate()])
  await sessions.close()
  server.closeAllConnections()
  server.close()
  for (const store of stores) await store.close()
}

function show({ latencies, bad }) {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])
  return `${sorted.length} answers, median ${at(0.5)} ms, 99 % ${at(0.99)} ms, worst ${at(1)} ms${bad ? `, ${bad} bad` : ''}`
}

const tasks = {
  async login({ port, path }) {
    return (await get(port, path)).cookie
  },

  /** Ten visitors with small sessions, who change them again and again. */
  async steady({ port, ms }) {
    const until = performance.now() + ms
    const latencies = []
    let bad = 0
    await Promise.all(
      Array.from({ length: 10 }, async () => {
        let cookie
        while (performance.now() < until) {
          const started = performance.now()
          const answer = await get(port, '/change', cookie)
          latencies.push(performance.now() - started)
          if (answer.status !== 200) bad++
          cookie = answer.cookie ?? cookie
          await sleep(20)
        }
      }),
    )
    return { latencies, bad }
  },

  async burst({ port, path, count, cookie }) {
    const started = performance.now()
    const answers = await Promise.all(Array.from({ length: count }, () => get(port, path, cookie)))
    return { ms: performance.now() - started, statuses: answers.map(({ status }) => status) }
  },
}

function get(port, path, cookie) {
  return new Promise((resolve, reject) => {
    const req = send({ host: '127.0.0.1', port, path, headers: cookie ? { cookie } : {}, agent: false }, (res) => {
      res.resume()
      const [set] = res.headers['set-cookie'] ?? []
      res.once('end', () => resolve({ status: res.statusCode, cookie: set?.split(';')[0] }))
    })
    req.once('error', reject).end()
  })
}
