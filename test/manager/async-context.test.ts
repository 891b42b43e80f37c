import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import type http from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { HoldfastOptions } from '../../src/config/parse-settings.js'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { WatchedNode } from '../../src/placement/watched-node.js'
import { freePort, waitFor } from '../../src/testing/index.js'
import { secret, sessionOf } from '../support/app-server.js'
import { Cluster, quick } from '../support/cluster.js'
import { keyOf } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

/** Whose request it is. */
const context = new AsyncLocalStorage<Visitor>()

/** Something that users can see of a server's work. */
interface Done {
  what: string
  /** The session that it is about: its key or its id; `undefined`: it is about none. */
  about: string | undefined
  by: Visitor | undefined
}

const operations = ['get', 'getCached', 'put', 'touch', 'delete'] as const
const kinds = ['memory', 'embedded', 'memcached', 'redis'] as const
const all = kinds.flatMap((kind) => (['sticky', 'non-sticky'] as const).map((mode) => [mode, kind] as const))

describe.each(all)('the work of a server and async contexts, %s on %s', (mode, kind) => {
  let cluster: Cluster | undefined
  let sessions: Sessions
  let server: http.Server
  let visitors: Visitor[]
  let done: Done[]

  const note = (what: string, about?: string) => void done.push({ what, about, by: context.getStore() })

  async function start(storage: Partial<HoldfastOptions>): Promise<void> {
    const logger = { ...silentLogger, warn: (message: string) => note(`log: ${message}`) }
    const backup = { delay: '20ms', concurrency: 2 }
    sessions = createSessionManager({ ...quick, ...storage, secret, mode, logger, backup } as HoldfastOptions)
    for (const name of ['nodeDown', 'nodeUp'] as const) sessions.on(name, () => note(name))
    for (const name of ['relocated', 'backupFailed'] as const) sessions.on(name, ({ id }) => note(name, id))
    const app = express()
    app.use((req, _res, next) => context.run(visitors[Number(req.headers['x-visitor'])] as Visitor, next))
    app.use(sessions.middleware() as never)
    app.post('/', express.json(), (req, res) => void res.json(Object.assign(sessionOf(req), req.body) && {}))
    server = app.listen(0, '127.0.0.1')
    await once(server, 'listening')
    await sessions.ready()
  }

  beforeEach(async () => {
    done = []
    visitors = Array.from({ length: 6 }, () => new Visitor())
    for (const name of operations) {
      const original = WatchedNode.prototype[name] as (...args: unknown[]) => unknown
      vi.spyOn(WatchedNode.prototype, name).mockImplementation(function (this: WatchedNode, ...args: unknown[]) {
        note(name, args[0] as string)
        return original.apply(this, args)
      } as never)
    }
    const port = await freePort()
    const embedded = { embed: `127.0.0.1:${port}`, nodes: `n1:embedded://127.0.0.1:${port}` }
    if (kind === 'memcached' || kind === 'redis') cluster = await Cluster.on(kind, 'n1', 'n2')
    await start(kind === 'memory' ? { nodes: 'memory://' } : cluster ? { nodes: cluster.nodes() } : embedded)
  })

  afterEach(async () => {
    vi.restoreAllMocks()
    server.close()
    server.closeAllConnections()
    await sessions.close({ timeout: 2000 })
    await cluster?.close()
    cluster = undefined
  })

  async function changeAll(change: object): Promise<void> {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
    await Promise.all(visitors.map((visitor, i) => visitor.post(url, change, { 'x-visitor': String(i) })))
  }

  const stored = () => waitFor(() => sessions.stats().pendingBackups === 0)

  /* What is about one session may be done in the context of its own visitor. */
  function ownerOf(about: string | undefined): Visitor | undefined {
    return visitors.find((visitor) => about === keyOf(visitor) || about?.startsWith(visitor.token as string))
  }

  function inForeignContext(): string[] {
    const foreign = done.filter(({ by, about }) => by !== undefined && ownerOf(about) !== by)
    return foreign.map(({ what, about }) => `${what} ${about}`)
  }

  it('nothing is done in the context of another visitor, or of any when it is nobody’s', async () => {
    for (let round = 0; round < 4; round++) await changeAll({ round })
    await stored()
    expect(done.filter(({ what }) => what === 'put').length).toBeGreaterThan(visitors.length)
    expect(inForeignContext()).toEqual([])
  })

  it('what a request waits for is done in its own context', async () => {
    await changeAll({ first: 1 })
    await stored()
    const own = done.filter(({ what, by }) => what === 'put' && by !== undefined)
    expect(own.length).toBeGreaterThan(0)
  })

  /* The others live in this process. */
  if (kind === 'memcached' || kind === 'redis')
    it('a node that fails, and what follows, is nobody’s', async () => {
      await changeAll({ first: 1 })
      await stored()
      await (cluster as Cluster).node('n1').kill()
      await waitFor(async () => {
        await changeAll({ second: 2 })
        return done.some(({ what }) => what === 'nodeDown')
      })
      await waitFor(() => !sessions.stats().protecting)
      await stored()
      expect(
        done.filter(({ what }) => what === 'nodeDown' || what.startsWith('log:')).map(({ by }) => by),
      ).not.toContainEqual(expect.anything())
      expect(inForeignContext()).toEqual([])
    })
})
