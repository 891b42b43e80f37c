// What a session costs that is read in non-sticky mode, from Redis and from the near cache: `npm run bench -- near-cache`.
// Needs the build and redis-server, no packages.
import { existsSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { cpus } from 'node:os'
import { newSessionData, USUAL_SIZE } from './session-data.js'
import { median, quantile } from './statistics.js'
import { startRedis } from './storage/redis.js'

const BUILT = new URL('../../dist/index.js', import.meta.url)
const ROUNDS = 15
const REQUESTS = 4000
const SESSIONS = 200
/** As many requests as that are under way at once. */
const AT_ONCE = 8

async function main() {
  if (!existsSync(BUILT)) throw new Error('bench: Holdfast is not built. Run npm run build in the folder above')
  const { createSessionManager } = await import(BUILT)
  const redis = await startRedis()
  await redis.processes[0].waitUntilUp(redis.ping)
  const open = (nearCache) =>
    createSessionManager({
      secret: 'a secret of the benchmark, long enough to be accepted',
      mode: 'non-sticky',
      route: 'a',
      nodes: `redis://127.0.0.1:${redis.ports[0]}`,
      cookie: { secure: false },
      nearCache,
    })
  const managers = { 'from Redis': open(undefined), 'from the near cache': open({}) }
  try {
    print(await measure(managers, redis))
  } finally {
    for (const manager of Object.values(managers)) await manager.close()
    await redis.processes[0].stop()
  }
}

/**
 * In each round each manager in turn, so that a slow moment of the machine meets both. Each has sessions of its own: a read
 * that renews a session's life, as those without the near cache do, takes it out of the near cache of others.
 */
async function measure(managers, redis) {
  const names = Object.keys(managers)
  const ids = {}
  for (const name of names) ids[name] = await createSessions(managers[name])
  const figures = Object.fromEntries(names.map((name) => [name, { cpu: [], time: [], operations: [] }]))
  for (let round = -3; round < ROUNDS; round++) {
    for (const name of names) {
      const before = await redis.counts()
      const [cpu, time] = await window(managers[name].middleware(), ids[name])
      const { operations } = await redis.counts()
      if (round < 0) continue
      figures[name].cpu.push(cpu)
      figures[name].time.push(time)
      figures[name].operations.push((operations - before.operations) / REQUESTS)
    }
  }
  return figures
}

/** CPU time and time of one request, in microseconds. */
async function window(middleware, ids) {
  const started = performance.now()
  const cpu = process.cpuUsage()
  let next = 0
  const visitor = async () => {
    while (next < REQUESTS) await readOnce(middleware, ids[next++ % ids.length])
  }
  await Promise.all(Array.from({ length: AT_ONCE }, visitor))
  const { user, system } = process.cpuUsage(cpu)
  return [(user + system) / REQUESTS, ((performance.now() - started) * 1000) / REQUESTS]
}

/** One request through the middleware, without a socket. */
function request(middleware, id, handler) {
  const req = new IncomingMessage(new Socket())
  Object.assign(req, { method: 'GET', url: '/', headers: id === undefined ? {} : { cookie: `sid=${id}` } })
  const res = new ServerResponse(req)
  return new Promise((resolve, reject) => {
    middleware(req, res, (error) => {
      if (error !== undefined) reject(error)
      else resolve(handler(req))
    })
  })
}

function readOnce(middleware, id) {
  return request(middleware, id, ({ session }) => {
    if (session.name === undefined) throw new Error('bench: a session was lost')
  })
}

async function createSessions(manager) {
  const ids = []
  for (let number = 0; number < SESSIONS; number++) {
    ids.push(
      await request(manager.middleware(), undefined, async (req) => {
        Object.assign(req.session, newSessionData(number, USUAL_SIZE))
        await req.session.save()
        return req.sessionID
      }),
    )
  }
  return ids
}

function print(figures) {
  console.log(`Node ${process.version}, ${cpus()[0]?.model}; medians of ${ROUNDS} rounds of ${REQUESTS} requests\n`)
  console.log('| the session comes | CPU µs/request | quartiles | µs/request | commands/request |')
  console.log('| --- | ---: | ---: | ---: | ---: |')
  for (const [name, { cpu, time, operations }] of Object.entries(figures)) {
    const quartiles = [0.25, 0.75].map((share) => quantile(cpu, share).toFixed(1)).join(' to ')
    const cells = [median(cpu).toFixed(1), quartiles, median(time).toFixed(1), median(operations).toFixed(2)]
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
}

await main()
