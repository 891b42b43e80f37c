// What a request costs in non-sticky mode by memcached's two protocols: `npm run bench -- protocols`.
// Needs the build and memcached, no packages of the benchmark.
import { existsSync } from 'node:fs'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { cpus } from 'node:os'
import { newSessionData, USUAL_SIZE } from './session-data.js'
import { median, quantile } from './statistics.js'
import { startMemcached } from './storage/memcached.js'
import { textQuery } from './storage/text-query.js'

const BUILT = new URL('../../dist/index.js', import.meta.url)
const ROUNDS = 25
const REQUESTS = 3000
const SESSIONS = 200
/** As many requests as that are under way at once. */
const LOADS = [1, 8, 32]

const protocols = ['binary', 'meta']

const works = {
  read: (session) => {
    if (session.name === undefined) throw new Error('bench: a session was lost')
  },
  change: (session) => {
    session.visits = (session.visits ?? 0) + 1
  },
}

async function main() {
  if (!existsSync(BUILT)) throw new Error('bench: Holdfast is not built. Run npm run build in the folder above')
  const { createSessionManager } = await import(BUILT)
  const memcached = await startMemcached()
  const [server] = memcached.processes
  await server.waitUntilUp(memcached.ping)
  const [port] = memcached.ports
  const open = (protocol) =>
    createSessionManager({
      secret: 'a secret of the benchmark, long enough to be accepted',
      mode: 'non-sticky',
      route: 'a',
      nodes: `memcached://127.0.0.1:${port}?protocol=${protocol}`,
      cookie: { secure: false },
    })
  const managers = Object.fromEntries(protocols.map((protocol) => [protocol, open(protocol)]))
  const version = (await textQuery(port, 'version\r\n', /\r\n$/)).trim()
  try {
    console.log(`Node ${process.version}, ${cpus()[0]?.model}; memcached ${version.replace('VERSION ', '')}`)
    console.log(`medians of ${ROUNDS} rounds of ${REQUESTS} requests, in turn\n`)
    console.log(
      '| request | at once | binary: CPU µs/request | quartiles | meta: CPU µs/request | quartiles | difference |',
    )
    console.log('| --- | ---: | ---: | ---: | ---: | ---: | ---: |')
    const ids = {}
    for (const protocol of protocols) ids[protocol] = await createSessions(managers[protocol])
    for (const name of Object.keys(works)) {
      for (const atOnce of LOADS) print(name, atOnce, await measure(managers, ids, works[name], atOnce))
    }
  } finally {
    for (const manager of Object.values(managers)) await manager.close()
    await server.stop()
  }
}

/** In each round each protocol in turn, so that a slow moment of the machine meets both. */
async function measure(managers, ids, work, atOnce) {
  const figures = Object.fromEntries(protocols.map((protocol) => [protocol, []]))
  for (let round = -3; round < ROUNDS; round++) {
    for (const protocol of round % 2 === 0 ? protocols : protocols.toReversed()) {
      const cpu = await window(managers[protocol].middleware(), ids[protocol], work, atOnce)
      if (round >= 0) figures[protocol].push(cpu)
    }
  }
  return figures
}

/** CPU time of one request, in microseconds. */
async function window(middleware, ids, work, atOnce) {
  const cpu = process.cpuUsage()
  let next = 0
  const visitor = async () => {
    while (next < REQUESTS) await visit(middleware, ids[next++ % ids.length], work)
  }
  await Promise.all(Array.from({ length: atOnce }, visitor))
  const { user, system } = process.cpuUsage(cpu)
  return (user + system) / REQUESTS
}

/** One request through the middleware, without a socket: when it has ended, its session is stored. */
function visit(middleware, id, work) {
  return request(middleware, id, async ({ session }) => {
    work(session)
    await session.save()
  })
}

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

/** The difference is the median of those within a round. */
function print(name, atOnce, { binary, meta }) {
  const cells = [binary, meta].flatMap((cpu) => [
    median(cpu).toFixed(1),
    [0.25, 0.75].map((share) => quantile(cpu, share).toFixed(1)).join(' to '),
  ])
  const difference = median(meta.map((cpu, round) => cpu - binary[round]))
  console.log(`| ${[name, atOnce, ...cells, difference.toFixed(1)].join(' | ')} |`)
}

await main()
