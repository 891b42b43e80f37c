import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { LogDetails, Logger } from '../../src/logger.js'
import { silentLogger } from '../../src/logger.js'
import { waitFor } from '../../src/testing/index.js'
import { startAppServer } from '../support/app-server.js'
import { Cluster, visitorsOf } from '../support/cluster.js'
import { modesAndStorages } from '../support/storages.js'
import { Visitor } from '../support/visitor.js'

interface Line {
  message: string
  details: LogDetails | undefined
}

function collecting(): { lines: Line[]; logger: Logger } {
  const lines: Line[] = []
  return { lines, logger: { ...silentLogger, warn: (message, details) => void lines.push({ message, details }) } }
}

const isRefusal = ({ message }: Line) => message.startsWith('a request gets a 503')

describe.each(modesAndStorages)('requests that get a 503, %s on %s', (mode, kind) => {
  let cluster: Cluster

  beforeEach(async () => {
    cluster = await Cluster.on(kind, 'n1', 'n2')
  })

  afterEach(() => cluster.close())

  it('have a log line that says why, with each node and its error; many at once have few', async () => {
    const { lines, logger } = collecting()
    const a = await cluster.server('a', { mode, backup: { mode: 'sync' } })
    const [visitor] = (await visitorsOf(a, 1)) as [Visitor]
    const b = await cluster.server('b', { mode, logger, operationTimeout: '200ms' })
    for (const id of cluster.ids) await cluster.node(id).kill()
    await waitFor(() => b.sessions.stats().nodes.every(({ state }) => state === 'down'))
    const began = Date.now()
    const answers = await Promise.all(Array.from({ length: 30 }, () => visitor.copy().get(`${b.url}/`)))
    const seconds = (Date.now() - began) / 1000
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 503))
    const refusals = lines.filter(isRefusal)
    expect(refusals.length).toBeGreaterThan(0)
    expect(refusals.length).toBeLessThanOrEqual(Math.floor(seconds) + 1)
    const [{ message, details }] = refusals as [Line]
    for (const { address } of b.sessions.stats().nodes)
      expect(message).toContain(`(${address}) is down: can't be reached`)
    expect(details).toMatchObject({ status: 503, code: 'HOLDFAST_STORAGE_UNAVAILABLE', node: 'n1 n2' })
    expect(details?.error).toBeInstanceOf(Error)
  })
})

describe('a request that gets a 503', () => {
  it.each([
    ['no room', { maxActiveSessions: 1 }, 'this server holds its maximum of 1 sessions'],
    ['a shutdown', {}, 'the session manager is closed'],
  ])('has a log line because of %s', async (why, options, text) => {
    const { lines, logger } = collecting()
    const server = await startAppServer({ nodes: 'memory://', logger, ...options })
    try {
      await new Visitor().post(`${server.url}/`, { first: 1 })
      if (why === 'a shutdown') await server.sessions.close()
      expect((await new Visitor().post(`${server.url}/`, { second: 2 })).status).toBe(503)
      expect(lines.filter(isRefusal).map(({ message }) => message)).toEqual([expect.stringContaining(text)])
    } finally {
      await server.close()
    }
  })

  it('has one when the lock can not be had', async () => {
    const { lines, logger } = collecting()
    const locking = { mode: 'app', timeout: '1ms' } as const
    const server = await startAppServer({ nodes: 'memory://', mode: 'non-sticky', logger, locking }, (app) => {
      app.get('/locked', async (req, res) => {
        await (req as unknown as { session: { lock(): Promise<unknown> } }).session.lock()
        res.send('locked')
      })
      app.get('/held', async (req, res) => {
        const { session } = req as unknown as { session: { lock(): Promise<unknown> } }
        await session.lock()
        res.write('held')
        req.on('close', () => res.end())
      })
    })
    try {
      const visitor = new Visitor()
      await visitor.post(`${server.url}/`, { first: 1 })
      const holder = new AbortController()
      const held = await fetch(`${server.url}/held`, {
        headers: { cookie: `sid=${visitor.id}` },
        signal: holder.signal,
      })
      expect((await visitor.get(`${server.url}/locked`)).status).toBe(503)
      holder.abort()
      await held.text().catch(() => {})
      expect(lines.filter(isRefusal)).toHaveLength(1)
    } finally {
      await server.close()
    }
  })
})
