// Many sessions in one process: what each takes, and for how long the event loop is held up: `npm run bench -- scale`.
// Needs the build and memcached. The measuring is done in processes of its own, with `--expose-gc`.
import { fork } from 'node:child_process'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { cpus } from 'node:os'
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { table } from './report.js'
import { memoryUse } from './server/memory-use.js'
import { startMemcached } from './storage/memcached.js'
import { BUILT } from './subjects.js'

const usage = `npm run bench -- scale [options]

  --sessions A,B    numbers of sessions, each in a process of its own (default 1000,100000,1000000)`

/** Milliseconds between two looks at the event loop. */
const RESOLUTION = 1
/** Megabytes of old objects that the process may have. */
const HEAP = 8192
const WARM_UP = 1000
/** Requests at once. */
const AT_ONCE = 50

const what = process.env.HOLDFAST_SCALE

async function main() {
  const text = /** @type {const} */ ({ type: 'string' })
  const options = { sessions: text, help: /** @type {const} */ ({ type: 'boolean' }) }
  const { values } = parseArgs({ args: process.argv.slice(3), options })
  if (values.help) return console.log(usage)
  console.log(`Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}; sessions of 1 KB\n`)
  const memory = []
  const pauses = []
  for (const count of (values.sessions ?? '1000,100000,1000000').split(',').map(Number)) {
    for (const subject of ['MemoryStore', 'Holdfast']) {
      const figures = await measureIn(subject, count)
      memory.push([String(count), subject, figures.heap.toFixed(0), figures.resident.toFixed(0)])
      for (const [name, pause] of Object.entries(figures.pauses)) {
        pauses.push([String(count), name, pause.longest.toFixed(1), pause.gc.toFixed(1), pause.total.toFixed(0)])
      }
    }
  }
  console.log(`${table(['sessions', 'store', 'heap bytes/session', 'resident bytes/session'], memory)}\n`)
  console.log(table(['sessions', 'while', 'longest pause ms', 'longest collection ms', 'takes ms'], pauses))
}

/** @returns {Promise<{ heap: number, resident: number, pauses: Record<string, { longest: number, gc: number, total: number }> }>} */
async function measureIn(subject, count) {
  const memcached = await startMemcached()
  try {
    await memcached.processes[0].waitUntilUp(memcached.ping)
    const settings = JSON.stringify({ subject, count, port: memcached.ports[0] })
    return await new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(import.meta.url), [], {
        execArgv: ['--expose-gc', `--max-old-space-size=${HEAP}`],
        env: { ...process.env, NODE_ENV: 'production', HOLDFAST_SCALE: settings },
      })
      child.once('message', resolve)
      child.once('exit', (code) => reject(new Error(`its process ended with ${code}`)))
    })
  } finally {
    await memcached.processes[0].stop()
  }
}

async function child({ subject, count, port }) {
  const made = subject === 'Holdfast' ? await openHoldfast(port) : await openMemoryStore()
  await create(made, 0, WARM_UP)
  const before = await memoryUse()
  await create(made, WARM_UP, count)
  const after = await memoryUse()
  const pauses = made.sessions === undefined ? {} : await measurePauses(made.sessions)
  process.send({
    heap: (after.live - before.live) / count,
    resident: (after.resident - before.resident) / count,
    pauses,
  })
}

async function openHoldfast(port) {
  const { createSessionManager } = await import(BUILT)
  const sessions = createSessionManager({
    secret: 'a secret of the benchmark, long enough to be accepted',
    route: 'a',
    nodes: `n1:memcached://127.0.0.1:${port}`,
    cookie: { secure: false },
    logger: { debug() {}, info() {}, warn() {}, error() {} },
  })
  return { middleware: sessions.middleware(), waits: false, settle: () => sessions.flush(), sessions }
}

async function openMemoryStore() {
  const { default: session } = await import('express-session')
  const middleware = session({ secret: 'bench', resave: false, saveUninitialized: false })
  return { middleware, waits: true, settle: async () => {} }
}

/** Sessions are made by requests. */
async function create(made, from, count) {
  let visits = []
  for (let number = from; number < from + count; number += 1) {
    visits.push(visit(made, number))
    if (visits.length < AT_ONCE) continue
    await Promise.all(visits)
    visits = []
    if (number % 2000 < AT_ONCE) await made.settle()
  }
  await Promise.all(visits)
  await made.settle()
}

function visit({ middleware, waits }, number) {
  const req = Object.assign(new IncomingMessage(new Socket()), {
    method: 'GET',
    url: '/',
    originalUrl: '/',
    headers: {},
  })
  const res = new ServerResponse(req)
  return new Promise((resolve, reject) => {
    middleware(req, res, () => {
      const data = JSON.parse(template.replaceAll('{number}', String(number)))
      for (const name of Object.keys(data)) req.session[name] = data[name]
      res.finished = true
      if (waits) req.session.save(end)
      else setImmediate(end)
      function end(error) {
        if (error) return reject(error)
        res.emit('close')
        resolve()
      }
    })
  })
}

const template = JSON.stringify({
  name: 'Visitor number {number}',
  user: { id: 'user-{number}', roles: ['customer', 'reviewer'] },
  notes: 'Leave the parcel with the neighbour at number {number} if nobody opens the door. '.repeat(10),
})

async function measurePauses(sessions) {
  const pauses = {}
  pauses['nothing is asked'] = await pauseOf(() => sleep(500))
  pauses['stats()'] = await pauseOf(() => sessions.stats())
  pauses['flush()'] = await pauseOf(() => sessions.flush())
  pauses['mode switch to non-sticky'] = await pauseOf(async () => {
    sessions.reconfigure({ mode: 'non-sticky' })
    await until(() => sessions.stats().activeSessions === 0)
  })
  return pauses
}

async function until(isSo) {
  while (!isSo()) await sleep(20)
}

/** How long the event loop was held up at most, and how long a collection of garbage took at most. */
async function pauseOf(work) {
  globalThis.gc()
  let gc = 0
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) gc = Math.max(gc, duration)
  })
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION })
  await sleep(50)
  observer.observe({ entryTypes: ['gc'] })
  delay.enable()
  const started = performance.now()
  await sleep(20)
  await work()
  await sleep(20)
  delay.disable()
  const total = performance.now() - started - 40
  await sleep(20)
  observer.disconnect()
  return { longest: delay.max / 1e6, gc, total }
}

if (what === undefined) await main()
else {
  await child(JSON.parse(what))
  process.exit()
}
