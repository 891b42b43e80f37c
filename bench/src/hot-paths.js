// What one request costs in Holdfast's own code, without HTTP on the wire: `npm run bench -- hot-paths`.
// All subjects live in this process and take turns every few milliseconds, so that a noisy machine disturbs all alike; with
// `--before FILE` another build takes part. Needs the build, memcached and redis-server.
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { resolve } from 'node:path'
import { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import express from 'express'
import { table } from './report.js'
import { addRoutes } from './server/routes.js'
import { sizes, USUAL_SIZE } from './session-data.js'
import { quantile } from './statistics.js'
import { StopList } from './stop-list.js'
import { startStorages } from './storage/storage.js'
import { BASE, isHoldfast, REFERENCE, subjects, withBuild } from './subjects.js'

const SESSIONS = 256
/** Requests under way at once. */
const AT_ONCE = 24
/** Requests of one turn. */
const TURN = 240
const WARM_UP = 24

const usage = `npm run bench -- hot-paths [options]

  --rounds N         turns of each subject (default 150)
  --subjects A,B     of those on Express
  --scenarios A,B    of ignored, read, change, deep (default: all)
  --size S           of ${sizes.join(', ')} (default ${USUAL_SIZE})
  --before FILE      another build's dist/index.js`

const text = /** @type {const} */ ({ type: 'string' })

async function main() {
  const { values } = parseArgs({
    args: process.argv.slice(3),
    options: { rounds: text, subjects: text, scenarios: text, size: text, before: text, help: { type: 'boolean' } },
  })
  if (values.help) return console.log(usage)
  const { rounds = '150', scenarios = 'ignored,read,change,deep', size = USUAL_SIZE } = values
  const chosen = chooseSubjects(values.subjects?.split(','), values.before)
  const stopList = new StopList()
  try {
    const storages = await startStorages(chosen, stopList)
    const participants = []
    for (const subject of chosen) participants.push(await start(subject, storages, size, stopList))
    for (const scenario of scenarios.split(',')) {
      console.log(`\n## ${size}, ${scenario}\n\n${report(await measure(participants, scenario, Number(rounds)))}`)
    }
  } finally {
    await stopList.stopAll()
  }
  process.exit()
}

function chooseSubjects(names, before) {
  const onExpress = subjects.filter(({ server }) => !server.startsWith('fastify'))
  const wanted = onExpress.filter(({ name }) => names === undefined || name === BASE || names.includes(name))
  if (before === undefined) return wanted
  const build = pathToFileURL(resolve(process.env.INIT_CWD ?? '.', before)).href
  return wanted.flatMap((subject) => (isHoldfast(subject) ? [withBuild(subject, build), subject] : [subject]))
}

async function start(subject, storages, size, stopList) {
  const { createSubject } = await import(`./server/${subject.server}.js`)
  const made = await createSubject({
    storagePorts: storages.get(subject.storage)?.ports,
    options: subject.options,
    size,
  })
  stopList.add(() => made.close?.())
  const app = express()
  app.use(made.middleware)
  addRoutes(app, size)
  const cookies = []
  for (let number = 1; number <= SESSIONS; number += 1) {
    const { cookie } = await request(app, `/create/${number}`, undefined)
    cookies.push(cookie ?? `sid=${'x'.repeat(90)}`)
  }
  await made.settle?.()
  return { subject, app, cookies, settle: () => made.settle?.() }
}

async function measure(participants, scenario, rounds) {
  const cpu = participants.map(() => [])
  for (let round = -WARM_UP; round < rounds; round += 1) {
    for (const [index, participant] of participants.entries()) {
      const spent = await turn(participant, `/${scenario}`)
      if (round >= 0) cpu[index].push(spent)
    }
  }
  return participants.map(({ subject }, index) => ({ subject, cpu: cpu[index] }))
}

/** @returns microseconds of CPU time a request. */
async function turn({ app, cookies, settle }, path) {
  const used = process.cpuUsage()
  let next = 0
  const visitor = async () => {
    while (next < TURN) {
      const cookie = cookies[next % SESSIONS]
      next += 1
      const { status } = await request(app, path, cookie)
      if (status !== 200) throw new Error(`${path}: status ${status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, visitor))
  await settle()
  const { user, system } = process.cpuUsage(used)
  await setImmediate()
  return (user + system) / TURN
}

const sink = new Socket()

/** One request through Express, with a response that writes nowhere. */
function request(app, url, cookie) {
  const req = new IncomingMessage(sink)
  req.method = 'GET'
  req.url = url
  req.httpVersionMajor = 1
  req.httpVersionMinor = 1
  req.headers = { host: '127.0.0.1', 'user-agent': 'bench', accept: 'text/html' }
  if (cookie !== undefined) req.headers.cookie = cookie
  const res = new ServerResponse(req)
  const socket = new Writable({ write: (_chunk, _encoding, done) => done() })
  res.assignSocket(socket)
  return new Promise((resolve) => {
    res.on('finish', () => {
      const given = res.getHeader('set-cookie')
      const first = Array.isArray(given) ? given[0] : given
      res.detachSocket(socket)
      process.nextTick(() => {
        res.destroyed = true
        res.emit('close')
        resolve({ status: res.statusCode, cookie: first?.split(';')[0] })
      })
    })
    app(req, res)
  })
}

/**
 * What disturbs a turn only ever adds to it, so the lower quartile of a subject's turns tells more than their middle.
 */
function report(figures) {
  const low = ({ cpu }) => quantile(cpu, 0.25)
  const of = (name) => figures.find(({ subject }) => subject.name === name)
  const bare = low(of(BASE))
  const reference = of(REFERENCE) && low(of(REFERENCE)) - bare
  const rows = figures.map((row) => {
    const isBase = row.subject.name === BASE
    const over = low(row) - bare
    const share = reference === undefined || isBase ? '' : `${((over / reference) * 100).toFixed(0)} %`
    const levels = [0.1, 0.25, 0.5].map((level) => quantile(row.cpu, level).toFixed(1))
    return [row.subject.name, ...levels, isBase ? '' : over.toFixed(1), share]
  })
  return table(['subject', 'tenth', 'quarter', 'half', 'quarter over bare', 'share'], rows)
}

await main()
