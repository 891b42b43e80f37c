import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createSessionManager } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, secret } from '../support/app-server.js'
import { Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { AdminClient, openAdmin } from './admin-client.js'

let cluster: Cluster

beforeEach(async () => {
  cluster = await Cluster.of('n1', 'n2')
})

afterEach(() => cluster.close())

const started = (options = {}): Promise<AppServer> => cluster.server('a', { admin: openAdmin, ...options })

describe('the stand-alone administration', () => {
  it('is off unless it is configured', async () => {
    const server = await cluster.server('a')
    expect(server.sessions.adminUrl).toBeUndefined()
  })

  it('fails ready() when it can not listen, and says so in the log; sessions work all the same', async () => {
    const taken = createServer()
    const port = await listening(taken)
    const errors: string[] = []
    const logger = { ...silentLogger, error: (message: string) => void errors.push(message) }
    const sessions = createSessionManager({ secret, logger, admin: { listen: `127.0.0.1:${port}` } })
    await expect(sessions.ready()).rejects.toMatchObject({ code: 'HOLDFAST_ADMIN' })
    expect(errors.join()).toContain('the port is taken')
    expect(sessions.stats().nodes.map(({ state }) => state)).toEqual(['up'])
    await sessions.close()
    taken.close()
  })

  it('ends with the session manager', async () => {
    const server = await started()
    const url = server.sessions.adminUrl as string
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    await server.sessions.close()
    await expect(fetch(`${url}/healthz`)).rejects.toThrow()
  })
})

describe('the health endpoints', () => {
  it('tell of a server that is not ready before it knows its storage nodes', async () => {
    await cluster.memcached('n1').suspend()
    const sessions = createSessionManager({
      secret,
      route: 'b',
      logger: silentLogger,
      nodes: cluster.nodes(),
      admin: openAdmin,
      operationTimeout: '60s',
    })
    await waitFor(() => sessions.adminUrl !== undefined, { message: 'the listener' })
    const readyz = async () => {
      const answer = await fetch(`${sessions.adminUrl}/readyz`)
      return { status: answer.status, ...(JSON.parse(await answer.text()) as object) }
    }
    expect(await readyz()).toMatchObject({ status: 'starting' })
    expect((await fetch(`${sessions.adminUrl}/readyz`)).status).toBe(503)
    await cluster.memcached('n1').resume()
    await sessions.ready()
    await waitFor(async () => (await fetch(`${sessions.adminUrl}/readyz`)).status === 200, { message: 'ready' })
    expect(await readyz()).toMatchObject({
      status: 'ready',
      detail: { nodes: { n1: 'up', n2: 'up' }, pendingBackups: 0, unprotectedSessions: 0 },
    })
    await sessions.close()
  })

  it('send visitors elsewhere while the server drains, and everything else goes on', async () => {
    const server = await started()
    const url = server.sessions.adminUrl as string
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    const closed = server.sessions.close({ drain: 4000 })
    const answer = await fetch(`${url}/readyz`)
    expect(answer.status).toBe(503)
    expect(await answer.json()).toMatchObject({ status: 'draining' })
    expect((await fetch(`${url}/healthz`)).status).toBe(200)
    expect((await visitor.post(server.url, { n: 2 })).status).toBe(200)
    expect(await new AdminClient(server).read('SessionManager', 'State')).toBe('draining')
    expect(await closed).toMatchObject({ unsaved: 0 })
    const other = await cluster.server('b')
    expect((await visitor.get(other.url)).json()).toMatchObject({ attributes: { n: 2 } })
  })
})

describe('the router for applications', () => {
  it('works behind a login of the application, and says whose call it was', async () => {
    const log: string[] = []
    const logger = { ...silentLogger, warn: (message: string) => void log.push(message) }
    const server = await started({ logger, admin: { readOnly: false } })
    const app = express()
    const identify = () => ({ name: 'ann', role: 'operator', values: false }) as const
    app.use('/admin', server.sessions.adminRouter({ unprotected: true, identify }))
    const http = createServer(app)
    const url = `http://127.0.0.1:${await listening(http)}/admin`
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    expect(await (await fetch(`${url}/metrics`)).text()).toContain('holdfast_build_info')
    const call = { type: 'exec', mbean: 'holdfast:type=SessionManager', operation: 'flush', arguments: [1000] }
    const answer = await fetch(`${url}/jolokia/`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(call),
    })
    expect(await answer.json()).toMatchObject({ status: 200, value: 0 })
    expect(log.join()).toContain('"principal":"ann"')
    http.close()
    http.closeAllConnections()
  })

  it('has to be called unprotected when nobody can log in', async () => {
    const server = await cluster.server('a')
    expect(() => server.sessions.adminRouter()).toThrow('unprotected: true')
  })
})

describe('every attribute', () => {
  it.each(['sticky', 'non-sticky'] as const)(
    'can be read in %s mode, and has the type that it is told of',
    async (mode) => {
      const server = await started({ mode })
      await new Visitor().post(server.url, { n: 1 })
      const client = new AdminClient(server)
      const { holdfast } = (await client.ask({ type: 'list' })).value
      const members = Object.entries<{ attr: Record<string, { type: string; desc: string }> }>(holdfast).flatMap(
        ([name, { attr }]) => Object.entries(attr).map(([attribute, told]) => ({ name, attribute, ...told })),
      )
      expect(members.length).toBeGreaterThan(130)
      for (const { name, attribute, type, desc } of members) {
        const { status, value } = await client.ask({ type: 'read', mbean: `holdfast:${name}`, attribute })
        expect([attribute, status]).toEqual([attribute, 200])
        expect(attribute).toMatch(/^[A-Z]/)
        expect(desc).toMatch(/[.]$/)
        expect(value).toSatisfy(isOf(type))
      }
    },
  )
})

describe('operations on the whole', () => {
  it('flush stores what is pending, and tells what could not be stored', async () => {
    const server = await started({ backup: { delay: '1s' } })
    const client = new AdminClient(server)
    const visitor = new Visitor()
    await visitor.post(server.url, { n: 1 })
    expect(await client.exec('SessionManager', 'flush', 5000)).toBe(0)
    await visitor.post(server.url, { n: 2 })
    expect(await client.exec('SessionManager', 'flush', 5000)).toBe(0)
    expect(await client.read('WriteBehind', 'PendingSessions')).toBe(0)
    expect((await client.call('SessionManager', 'flush', 60_000)).error).toContain('25000')
  })

  it('reset begins the statistics anew', async () => {
    const server = await started()
    const client = new AdminClient(server)
    await new Visitor().post(server.url, { n: 1 })
    await client.exec('SessionManager', 'flush', 5000)
    expect(await client.read('Statistics')).toMatchObject({ SessionsCreated: 1, RequestsWithoutSession: 1 })
    await client.exec('Statistics', 'reset')
    expect(await client.read('Statistics')).toMatchObject({ SessionsCreated: 0, Backup: { count: 0, p95: 0 } })
  })
})

function isOf(type: string): (value: unknown) => boolean {
  if (type === 'long') return (value) => Number.isSafeInteger(value)
  if (type === 'double') return (value) => typeof value === 'number'
  if (type === 'boolean') return (value) => typeof value === 'boolean'
  if (type === 'java.util.Map') return (value) => typeof value === 'object' && value !== null
  return (value) => typeof value === 'string'
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port))
  })
}
