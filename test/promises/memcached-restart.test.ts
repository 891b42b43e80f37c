import { afterEach, describe, expect, it } from 'vitest'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import { exchange } from '../../src/testing/exchange.js'
import { startMemcached, waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { attributesAt, Gate, quick } from '../support/cluster.js'
import type { Place } from '../support/storages.js'
import { keyOf } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

let opened: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const thing of opened) await thing.close()
  opened = []
})

function opens<T extends { close(): Promise<unknown> }>(thing: T): T {
  opened.unshift(thing)
  return thing
}

/** The number of the state that memcached has under a key. */
async function numberOf(place: Place, key: string): Promise<bigint> {
  const answer = await exchange(place, `mg ${key} c`, (text) => text.endsWith('\r\n'))
  return BigInt(/ c(\d+)/.exec(answer)?.[1] ?? 0)
}

describe.each(['meta', 'binary'])('memcached that restarts between read and write (%s protocol)', (protocol) => {
  it.each(['sticky', 'non-sticky'] as const)(
    'lets no stale fence pass, although it counts from 1 again (%s)',
    async (mode) => {
      const memcached = opens(await startMemcached())
      const nodes = `memcached://${memcached.host}:${memcached.port}?protocol=${protocol}`
      const gate = new Gate()
      const options = { ...quick, mode, nodes, backup: { mode: 'sync', timeout: '60s' } } as const
      const a = opens(
        await startAppServer({ ...options, route: 'a' }, (app) => {
          app.post('/slow', async (req, res) => {
            const before = sessionOf(req).number
            await gate.pass()
            sessionOf(req).slow = before
            res.send('done')
          })
        }),
      )
      const b = opens(await startAppServer({ ...options, route: 'b' }))
      const client = opens(openNode(parseNodeAddress(nodes), { operationTimeout: 10_000 }))
      const put = (key: string, bytes: Buffer) => client.put(key, bytes, Date.now() + 600_000, 'any')
      /* So that the numbers of the first life are not reached by what the servers write in the next one by themselves. */
      for (let count = 0; count < 100; count++) await put('other', Buffer.from('x'))
      const visitor = new Visitor()
      await visitor.post(`${a.url}/`, { number: 1 })
      const key = keyOf(visitor)
      const seen = await numberOf(memcached, key)
      const slow = visitor.copy().post(`${a.url}/slow`, {})
      await waitFor(() => gate.waiting === 1)
      await visitor.copy().post(`${b.url}/`, { by: 'b' })
      const changed = await client.get(key)
      await memcached.restart()
      await waitFor(() => client.ping().then(() => true))
      /* Another server's copy is stored again, and has the number that the one had that was read. */
      const counts = seen < 1_000_000n
      do await put(key, changed?.bytes ?? Buffer.alloc(0))
      while (counts && (await numberOf(memcached, key)) < seen)
      if (counts) expect(await numberOf(memcached, key)).toBe(seen)
      const isUp = ({ sessions }: AppServer): boolean => sessions.stats().nodes.every(({ state }) => state === 'up')
      await waitFor(() => isUp(a) && isUp(b))
      gate.open()
      expect((await slow).status).toBe(200)
      expect(await attributesAt(a, visitor.copy())).toEqual({ number: 1, by: 'b', slow: 1 })
      expect(await attributesAt(b, visitor.copy())).toEqual({ number: 1, by: 'b', slow: 1 })
    },
  )
})
