/*
 * What a dead and a hanging Redis master cost, measured: three Sentinels, a master and two replicas, and two servers in
 * sticky mode with asynchronous backups, under load. The master is killed, then the next one is stopped in its tracks.
 *
 *   npm run build && node examples/redis-sentinel-outage.js [--visitors 50] [--down-after 2000] [--mode sticky]
 *
 * With `--mode non-sticky` each request goes to either server, and the storage has the sessions.
 * `--memcached` does the same to two memcached servers instead, which have nobody who would elect anything.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort, startMemcached, startRedisSentinel, waitFor } from 'holdfast/testing'

const { values } = parseArgs({
  options: {
    visitors: { type: 'string', default: '50' },
    'down-after': { type: 'string', default: '2000' },
    mode: { type: 'string', default: 'sticky' },
    memcached: { type: 'boolean', default: false },
  },
})
/** Milliseconds from which an answer counts as slow. */
const slow = 200
const calm = 2000

const serverProgram = fileURLToPath(new URL('outage-server.js', import.meta.url))

async function startServer(route, nodes) {
  const port = await freePort()
  const child = fork(serverProgram, [String(port), route, nodes, values.mode])
  const exited = once(child, 'exit')
  await Promise.race([once(child, 'message'), exited.then(() => Promise.reject(new Error('the server ended at once')))])
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    flush: () => fetch(`${url}/flush`, { method: 'POST' }),
    outages: async () => (await fetch(`${url}/outages`)).json(),
    async close() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** A browser that counts in its session, on the server that it was sent to. */
class Visitor {
  count = 0
  #cookie

  async countUp(server) {
    const { count } = await this.#request(server, 'POST')
    const lost = count <= this.count
    this.count = count
    return lost
  }

  async countAt(server) {
    return (await this.#request(server, 'GET')).count
  }

  async #request({ url }, method) {
    const headers = this.#cookie === undefined ? {} : { cookie: this.#cookie }
    const answer = await fetch(`${url}/`, { method, headers, signal: AbortSignal.timeout(30_000) })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`status ${answer.status}`)
    const [cookie] = answer.headers.getSetCookie()
    this.#cookie = cookie?.split(';')[0] ?? this.#cookie
    return JSON.parse(text)
  }
}

function startLoad(visitors, serverOf) {
  const report = { requests: 0, failed: 0, slow: 0, slowest: 0, lost: 0 }
  let stopped = false
  const visit = async (visitor) => {
    const started = performance.now()
    try {
      if (await visitor.countUp(serverOf(visitor))) report.lost++
    } catch (error) {
      report.failed++
      report.error ??= error.message
    }
    const took = performance.now() - started
    report.requests++
    report.slowest = Math.max(report.slowest, took)
    if (took > slow) report.slow++
  }
  const work = visitors.map(async (visitor) => {
    for (; !stopped; await sleep(20)) await visit(visitor)
  })
  return {
    async stop() {
      stopped = true
      await Promise.all(work)
      return report
    },
  }
}

/** Writes to every server again and again. The longest time in which none of them took a write, from the last to the next. */
function watchWrites(servers) {
  let last = performance.now()
  let longest = 0
  let stopped = false
  const write = async (server) => {
    const taken = await server.command('SET', 'probe', '1').then(
      () => true,
      () => false,
    )
    if (!taken) return
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }
  const work = servers.map(async (server) => {
    for (; !stopped; await sleep(5)) await write(server)
  })
  return {
    async stop() {
      stopped = true
      await Promise.all(work)
      return Math.round(longest)
    },
  }
}

async function sentinelStorage() {
  // At the pace that Sentinels have by themselves, so that the figures are those of a real group.
  const group = await startRedisSentinel({ downAfter: Number(values['down-after']), brisk: false })
  const failing = (how) => async () => {
    const master = await group.currentMaster()
    const writes = watchWrites(group.servers)
    await master[how]()
    await group.waitForFailover(master, 60_000)
    await sleep(calm)
    return `${await writes.stop()} ms`
  }
  return { nodes: group.url, killed: failing('kill'), stopped: failing('suspend'), close: () => group.close() }
}

async function memcachedStorage() {
  const [first, second] = await Promise.all([startMemcached(), startMemcached()])
  return {
    nodes: `n1:memcached://${first.host}:${first.port},n2:memcached://${second.host}:${second.port}`,
    async killed() {
      await first.kill()
      await sleep(calm)
      await first.restart()
      await sleep(calm)
      return 'never: one of the two is left'
    },
    async stopped() {
      await second.suspend()
      await sleep(2 * calm)
      await second.resume()
      return 'never: one of the two is left'
    },
    close: () => Promise.all([first.close(), second.close()]),
  }
}

/** Sessions that the other server does not find in the storage as they were last acknowledged. */
async function countLost(visitors, otherServerOf) {
  const counts = await Promise.all(visitors.map((visitor) => visitor.countAt(otherServerOf(visitor)).catch(() => -1)))
  return counts.filter((count, index) => count !== visitors[index].count).length
}

async function measure(title, fail, servers) {
  const visitors = Array.from({ length: Number(values.visitors) }, () => new Visitor())
  const homeOf = (visitor) => servers[visitors.indexOf(visitor) % 2]
  let turn = 0
  const serverOf = (visitor) => (values.mode === 'sticky' ? homeOf(visitor) : servers[turn++ % 2])
  const load = startLoad(visitors, serverOf)
  await waitFor(() => visitors.every(({ count }) => count > 5), { timeout: 20_000, message: 'the load' })
  const unavailable = await fail()
  await sleep(calm)
  const report = await load.stop()
  await Promise.all(servers.map((server) => server.flush()))
  const lost = await countLost(visitors, (visitor) => servers.find((server) => server !== homeOf(visitor)))
  console.log(`\n${title}`)
  console.log(`  storage took no write for       ${unavailable}`)
  for (const [index, server] of servers.entries()) {
    console.log(`  server ${index + 1} took it for down for   ${(await server.outages()).join(', ') || '0'} ms`)
  }
  console.log(`  requests                        ${report.requests}`)
  console.log(`  failed                          ${report.failed} ${report.error ?? ''}`)
  console.log(`  slower than ${slow} ms              ${report.slow} (slowest: ${Math.round(report.slowest)} ms)`)
  console.log(`  counts that went back           ${report.lost}`)
  console.log(`  sessions lost, seen elsewhere   ${lost} of ${visitors.length}`)
}

const storage = await (values.memcached ? memcachedStorage() : sentinelStorage())
const servers = []
try {
  for (const route of ['a', 'b']) servers.push(await startServer(route, storage.nodes))
  await measure('Killed (SIGKILL)', storage.killed, servers)
  await measure('Stopped in its tracks (SIGSTOP)', storage.stopped, servers)
} finally {
  await Promise.all(servers.map((server) => server.close()))
  await storage.close()
}
