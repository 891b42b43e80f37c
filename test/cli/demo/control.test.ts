import { request, type Server } from 'node:http'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../../src/cli/demo/cluster.js'
import { Control } from '../../../src/cli/demo/control.js'
import { EventLog } from '../../../src/cli/demo/event-log.js'
import { freePorts } from '../../../src/cli/demo/free-ports.js'
import { portOf, serve, stop } from './listening.js'

let log: EventLog
let cluster: Cluster
let control: Control
let front: Server

beforeEach(async () => {
  const ports = await freePorts(4, '127.0.0.1')
  log = new EventLog()
  cluster = new Cluster(
    { memcached: undefined, mode: 'sticky', serverPorts: ports.slice(0, 2), nodePorts: ports.slice(2) },
    log,
  )
  control = new Control(cluster, log)
  front = await serve((req, res) => {
    if (!control.handle(req, res)) res.end('the shop')
  })
})

afterEach(async () => {
  control.close()
  await cluster.stop()
  await stop(front)
})

function ask(
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port: portOf(front), method, path, headers, agent: false }, (res) => {
      let body = ''
      res.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk
      })
      res.once('end', () => resolve({ status: res.statusCode ?? 0, body }))
    })
    req.once('error', reject)
    req.end()
  })
}

const kill = '/demo/processes/n1/kill'
const origin = (host: string): Record<string, string> => ({ origin: `http://${host}:${portOf(front)}` })

describe('the control of the demo', () => {
  it('leaves everything else to the shop', async () => {
    expect(await ask('GET', '/demonstration')).toEqual({ status: 200, body: 'the shop' })
  })

  it('shows every process', async () => {
    const { status, body } = await ask('GET', '/demo/state')
    expect(status).toBe(200)
    const processes = (JSON.parse(body) as { processes: { name: string; state: string }[] }).processes
    expect(processes.map(({ name, state }) => `${name} ${state}`)).toEqual(['a dead', 'b dead', 'n1 dead', 'n2 dead'])
  })

  it('refuses a POST from the page of another site', async () => {
    expect((await ask('POST', kill, { origin: 'http://evil.example' })).status).toBe(403)
    expect((await ask('POST', kill, { origin: 'null' })).status).toBe(403)
    expect((await ask('POST', kill, { 'sec-fetch-site': 'cross-site' })).status).toBe(403)
    expect((await ask('POST', kill, { 'sec-fetch-site': 'same-site', ...origin('127.0.0.1') })).status).toBe(403)
    expect((await ask('POST', kill, { origin: `http://127.0.0.1:${portOf(front) + 1}` })).status).toBe(403)
  })

  it('refuses a foreign host name, even if it leads to this machine', async () => {
    const host = `evil.example:${portOf(front)}`
    expect((await ask('POST', kill, { host, origin: `http://${host}` })).status).toBe(403)
    expect((await ask('GET', '/demo/state', { host })).status).toBe(403)
    expect((await ask('GET', '/demo/events', { host })).status).toBe(403)
  })

  it('refuses GET where something is done, and says so when it makes no sense', async () => {
    expect((await ask('GET', kill)).status).toBe(405)
    expect(await ask('POST', kill)).toMatchObject({ status: 409, body: expect.stringContaining('dead already') })
    expect((await ask('POST', '/demo/processes/zz/kill')).status).toBe(409)
    expect((await ask('POST', '/demo/processes/a/eat')).status).toBe(405)
    expect((await ask('GET', '/demo/nothing')).status).toBe(404)
  })

  it('lets the page itself through', async () => {
    const headers = { 'sec-fetch-site': 'same-origin', ...origin('127.0.0.1') }
    expect((await ask('POST', kill, headers)).status).toBe(409)
  })

  it('sends what happened and what happens', async () => {
    log.publish('a', 'takenOver', 'from=b')
    const text = await new Promise<string>((resolve, reject) => {
      const req = request({ host: '127.0.0.1', port: portOf(front), path: '/demo/events', agent: false }, (res) => {
        let body = ''
        res.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk
          if (body.includes('takenOver') && !body.includes('relocated')) log.publish('b', 'relocated')
          if (body.includes('relocated')) resolve(body)
        })
        res.once('error', () => {})
        res.once('close', () => req.destroy())
      })
      req.once('error', reject)
      req.end()
    })
    expect(text).toMatch(/data: \{.*"source":"a","name":"takenOver","detail":"from=b"\}\n\n/)
  })
})
