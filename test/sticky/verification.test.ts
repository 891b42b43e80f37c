import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startMemcachedServer } from '../../src/memcached-server/server.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { startMemcached, startRedis, waitFor } from '../../src/testing/index.js'
import { type AppServer, startAppServer } from '../support/app-server.js'
import { attributesAt, quick } from '../support/cluster.js'
import { Detour } from '../support/detour.js'
import { type Place, type StorageKind, storage } from '../support/storages.js'
import { keyOf, readStored } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

interface Kind {
  name: string
  /** In whose language it is asked. */
  speaks: StorageKind
  start(): Promise<Place & { close(): Promise<void> }>
  url(place: Place): string
  /** The server compares for us: of what is unchanged it sends nothing. */
  comparesThere: boolean
}

const memcached = (protocol: 'meta' | 'binary'): Kind => ({
  name: `memcached, ${protocol} protocol`,
  speaks: 'memcached',
  start: startMemcached,
  url: ({ host, port }) => `memcached://${host}:${port}?protocol=${protocol}`,
  comparesThere: true,
})

const kinds: Kind[] = [
  memcached('meta'),
  memcached('binary'),
  {
    name: 'an embedded node',
    speaks: 'memcached',
    start: startMemcachedServer,
    url: ({ host, port }) => `embedded://${host}:${port}`,
    comparesThere: true,
  },
  {
    name: 'Redis',
    speaks: 'redis',
    start: startRedis,
    url: ({ host, port }) => `redis://${host}:${port}`,
    comparesThere: false,
  },
]

const text = 'x'.repeat(50_000)
/* A tombstone lives for 5 minutes at least, the copy of such a session for a minute and a half at most. */
const options = { ...quick, trustFor: 0, idleTimeout: '1m', backup: { mode: 'sync', timeout: '60s' } } as const

describe.each(kinds)(
  'a session that is verified with every request ($name)',
  ({ speaks, start, url, comparesThere }) => {
    let opened: { close(): Promise<unknown> }[]
    let ways: { n1: Detour; n2: Detour }
    let nodes: { n1: StorageNode; n2: StorageNode }
    let servers: { n1: Place; n2: Place }
    let a: AppServer
    let visitor: Visitor

    const opens = <T extends { close(): Promise<unknown> }>(thing: T): T => {
      opened.unshift(thing)
      return thing
    }
    const serve = async (route: string): Promise<AppServer> => {
      const urls = `n1:${url(ways.n1)} n2:${url(ways.n2)}`
      return opens(await startAppServer({ ...options, route, nodes: urls }))
    }
    /** The node that the session is on, and the other one. */
    const places = (): [StorageNode, StorageNode] =>
      visitor.node === 'n1' ? [nodes.n1, nodes.n2] : [nodes.n2, nodes.n1]
    const storedOn = async (node: StorageNode) => {
      const value = await node.get(keyOf(visitor))
      return value && readStored(value.bytes, visitor)
    }
    const verifications = (): number => a.sessions.stats().counters.verifications

    beforeEach(async () => {
      opened = []
      servers = { n1: opens(await start()), n2: opens(await start()) }
      ways = { n1: opens(await Detour.to(servers.n1)), n2: opens(await Detour.to(servers.n2)) }
      const open = (place: Place) => opens(openNode(parseNodeAddress(url(place)), { operationTimeout: 10_000 }))
      nodes = { n1: open(servers.n1), n2: open(servers.n2) }
      a = await serve('a')
      visitor = new Visitor()
      await visitor.post(`${a.url}/`, { text })
    })

    afterEach(async () => {
      for (const thing of opened) await thing.close()
    })

    it(
      comparesThere ? 'is not sent while it is unchanged' : 'is sent, and not decoded while it is unchanged',
      async () => {
        await attributesAt(a, visitor)
        const [before, brought] = [verifications(), ways.n1.brought + ways.n2.brought]
        const decoded = (): number => a.sessions.stats().histograms.deserialization.count
        const decodedBefore = decoded()
        for (let count = 0; count < 20; count++) expect(await attributesAt(a, visitor)).toEqual({ text })
        expect(verifications() - before).toBe(20)
        expect(decoded()).toBe(decodedBefore)
        const sent = ways.n1.brought + ways.n2.brought - brought
        if (comparesThere) expect(sent).toBeLessThan(text.length)
        else expect(sent).toBeGreaterThan(20 * text.length)
      },
    )

    it('is written by the fence of what was verified', async () => {
      for (let turn = 0; turn < 3; turn++) {
        await attributesAt(a, visitor)
        await visitor.post(`${a.url}/`, { turn })
      }
      expect((await storedOn(places()[0]))?.attributes).toEqual({ text, turn: 2 })
      expect(a.sessions.stats().counters.backupsRefused).toBe(0)
    })

    it('has what another server has changed', async () => {
      const b = await serve('b')
      const old = visitor.copy()
      await visitor.post(`${b.url}/`, { by: 'b' })
      expect(await attributesAt(a, old)).toEqual({ text, by: 'b' })
      expect((await storedOn(places()[0]))?.owner).toBe('a')
    })

    it('is gone when another server has ended it, and the tombstone keeps its life', async () => {
      const b = await serve('b')
      const place = visitor.node as 'n1' | 'n2'
      await visitor.copy().post(`${b.url}/destroy`, {})
      expect(await attributesAt(a, visitor.copy())).toEqual({})
      expect((await storedOn(nodes[place]))?.kind).toBe('tombstone')
      const secondsToLive = () => storage[speaks].secondsToLive(servers[place], keyOf(visitor))
      await waitFor(async () => (await secondsToLive()) > 200, { message: 'the tombstone to have its life back' })
    })

    it('goes on from where it was moved to', async () => {
      const [from, to] = places()
      const value = await from.get(keyOf(visitor))
      await to.put(keyOf(visitor), value?.bytes ?? Buffer.alloc(0), Date.now() + 60_000, 'absent')
      await from.delete(keyOf(visitor))
      expect(await attributesAt(a, visitor)).toEqual({ text })
      await a.sessions.flush()
      expect((await storedOn(places()[0]))?.attributes).toEqual({ text })
    })

    it('is stored again where it is absent', async () => {
      const [place] = places()
      await place.delete(keyOf(visitor))
      expect(await attributesAt(a, visitor)).toEqual({ text })
      await a.sessions.flush()
      expect((await storedOn(place))?.attributes).toEqual({ text })
      expect(a.sessions.stats().counters.restores).toBe(1)
    })

    it('is stored again where something stands that nobody can read', async () => {
      const [place] = places()
      await place.put(keyOf(visitor), Buffer.from('something else'), Date.now() + 60_000, 'any')
      expect(await attributesAt(a, visitor)).toEqual({ text })
      await a.sessions.flush()
      expect((await storedOn(place))?.attributes).toEqual({ text })
      expect(a.sessions.stats().counters.unreadableRecords).toBe(1)
    })
  },
)
