import http from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { RedisStore } from 'connect-redis'
import express from 'express'
import expressSession, { type Store } from 'express-session'
import { createClient } from 'redis'
import { afterEach, describe, expect, it } from 'vitest'
import { startMemcached, startRedis, waitFor } from '../../src/testing/index.js'
import { sessionOf, startAppServer } from '../support/app-server.js'
import { type StorageKind, storage } from '../support/storages.js'

const oldSecret = 'cat'
const memcachedStore = createRequire(import.meta.url)('connect-memcached') as (
  session: typeof expressSession,
) => new (
  options: object,
) => Store

interface OldStorage {
  store: Store
  /** Where the new servers keep their sessions. */
  nodes: string
}

let running: (() => unknown)[] = []

afterEach(async () => {
  for (const close of running.reverse()) await close()
  running = []
})

const stores: Record<StorageKind, () => Promise<OldStorage>> = {
  redis: async () => {
    const redis = await startRedis()
    const client = await createClient({ url: redis.url }).connect()
    running.push(
      () => redis.close(),
      () => client.close(),
    )
    return { store: new RedisStore({ client }) as unknown as Store, nodes: storage.redis.url(redis) }
  },
  memcached: async () => {
    const memcached = await startMemcached()
    const store = new (memcachedStore(expressSession))({ hosts: [`${memcached.host}:${memcached.port}`] })
    running.push(
      () => memcached.close(),
      () => (store as unknown as { client: { end(): void } }).client.end(),
    )
    return { store, nodes: storage.memcached.url(memcached) }
  },
}

async function oldServer(store: Store): Promise<string> {
  const app = express()
  app.use(expressSession({ store, secret: oldSecret, resave: false, saveUninitialized: false }))
  app.get('/in', (req, res) => {
    Object.assign(req.session, { user: 'ann', cart: ['tea'] })
    req.session.cookie.maxAge = 3_600_000
    res.end()
  })
  app.get('/', (req, res) => void res.json({ user: (req.session as unknown as { user?: string }).user }))
  const server = http.createServer(app)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  running.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function newServer({ store, nodes }: OldStorage, route: string): Promise<string> {
  const server = await startAppServer(
    { nodes, route, operationTimeout: '10s', adopt: { secret: oldSecret, store } },
    (app) => app.get('/user', (req, res) => void res.json({ user: sessionOf(req).user, cart: sessionOf(req).cart })),
  )
  running.push(() => server.close())
  return server.url
}

/** A browser that keeps all cookies. */
class Browser {
  private readonly cookies = new Map<string, string>()

  async get(url: string): Promise<unknown> {
    const cookie = [...this.cookies].map((pair) => pair.join('=')).join('; ')
    const response = await fetch(url, { headers: { cookie } })
    for (const sent of response.headers.getSetCookie()) {
      const [pair = ''] = sent.split(';')
      this.cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1))
    }
    const text = await response.text()
    return text === '' ? undefined : JSON.parse(text)
  }
}

describe.each(['redis', 'memcached'] satisfies StorageKind[])(
  'sessions of express-session on %s, during a rolling deploy',
  (kind) => {
    it('are brought over once, are there on all new servers, and have left the old store', async () => {
      const old = await stores[kind]()
      const [before, a, b] = [await oldServer(old.store), await newServer(old, 'a'), await newServer(old, 'b')]
      const browser = new Browser()
      await browser.get(`${before}/in`)
      expect(await browser.get(before)).toEqual({ user: 'ann' })
      const all = { user: 'ann', cart: ['tea'] }
      expect(await browser.get(`${a}/user`)).toEqual(all)
      expect(await browser.get(`${b}/user`)).toEqual(all)
      /* The way back is not there: an old server has its visitors log in again, and the new ones have them as before. */
      await waitFor(async () => !('user' in ((await browser.get(before)) as object)), {
        message: 'the old record to go',
      })
      expect(await browser.get(`${b}/user`)).toEqual(all)
    })

    it('that begin on an old server meanwhile are brought over too', async () => {
      const old = await stores[kind]()
      const [a, before] = [await newServer(old, 'a'), await oldServer(old.store)]
      const browser = new Browser()
      expect(await browser.get(`${a}/user`)).toEqual({})
      await browser.get(`${before}/in`)
      expect(await browser.get(`${a}/user`)).toEqual({ user: 'ann', cart: ['tea'] })
    })
  },
)
