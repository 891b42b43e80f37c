import type { Express } from 'express'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CodecOption, CodecsOption } from '../../src/config/options.js'
import { decodeSection, latestChange } from '../../src/record/attribute-section.js'
import { decodeRecord } from '../../src/record/record-format.js'
import { startMemcached, type TestMemcached } from '../../src/testing/index.js'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { keyOf, storedBytes } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'

type Codec = CodecOption | CodecsOption

const cartFields = [
  { name: 'total', type: 'int' },
  { name: 'items', type: { type: 'array', items: 'string' } },
]
const cartV1 = { type: 'record', name: 'Cart', fields: cartFields }
const cartV2 = {
  ...cartV1,
  fields: [{ name: 'total', type: 'long' }, ...cartFields.slice(1), { name: 'note', type: 'string', default: '' }],
}
/* Reads what the newer schema writes, before anybody writes with that. */
const cartV1AndNext = { ...cartV1, fields: [{ name: 'total', type: 'long' }, ...cartFields.slice(1)] }

const avroV1 = { type: 'avro', schemas: { cart: cartV1AndNext }, previous: { cart: [cartV1, cartV2] } } as const
const avroV2 = { type: 'avro', schemas: { cart: cartV2 }, previous: { cart: [cartV1, cartV1AndNext] } } as const

let memcached: TestMemcached
const open: AppServer[] = []

beforeAll(async () => {
  memcached = await startMemcached()
})

afterAll(async () => {
  await memcached.close()
})

afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function start(route: string, codec: Codec): Promise<AppServer> {
  const nodes = `n1:memcached://${memcached.host}:${memcached.port}`
  const server = await startAppServer({ route, nodes, codec, trustFor: 0 }, addRoutes)
  open.push(server)
  return server
}

async function stop(server: AppServer): Promise<void> {
  open.splice(open.indexOf(server), 1)
  await server.close()
}

interface Cart {
  total: number
  items: string[]
}

function addRoutes(app: Express): void {
  app.post('/buy', (req, res) => {
    const session = sessionOf(req) as unknown as { cart?: Cart; visits?: number; user?: unknown }
    session.user ??= { name: 'Grüße', roles: ['a', 'b'] }
    session.visits = (session.visits ?? 0) + 1
    session.cart ??= { total: 0, items: [] }
    session.cart.total++
    session.cart.items.push(req.body.item)
    res.end()
  })
}

/** When a visitor's record was last changed, its attributes as they are stored, and the codec of each. */
async function stored(visitor: Visitor) {
  const bytes = (await storedBytes(memcached, visitor)) as Buffer
  const record = decodeRecord(bytes, keyOf(visitor))
  const attributes = decodeSection(record.attributes)
  return {
    changedAt: latestChange(record.attributes),
    attributes,
    codecs: Object.fromEntries(attributes.map(({ name, codec }) => [name, codec])),
  }
}

async function attributesAt(server: AppServer, visitor: Visitor): Promise<Record<string, unknown>> {
  return (await visitor.get(server.url)).json<{ attributes: Record<string, unknown> }>().attributes
}

describe('a codec that changes while the site runs', () => {
  it('loses nothing of a session that servers of the old and the new one serve in turns', {
    timeout: 60_000,
  }, async () => {
    const visitor = new Visitor()
    const bought: string[] = []
    const visitInTurns = async (a: AppServer, b: AppServer): Promise<void> => {
      for (const server of [a, b, b, a, b, a]) {
        bought.push(`item ${bought.length}`)
        await visitor.post(`${server.url}/buy`, { item: bought.at(-1) })
        await server.sessions.flush()
        for (const reader of [a, b]) {
          const { cart, ...others } = await attributesAt(reader, visitor)
          expect(cart).toMatchObject({ total: bought.length, items: bought })
          expect(others).toEqual({ visits: bought.length, user: { name: 'Grüße', roles: ['a', 'b'] } })
        }
      }
    }
    const [json, dates] = [await start('json', 'json'), await start('dates', { type: 'json', dates: true })]
    await visitInTurns(json, dates)
    await stop(dates)
    const msgpack = await start('msgpack', { default: 'msgpack', alsoRead: [avroV1] })
    await visitInTurns(json, msgpack)
    await stop(json)
    const first = await start('first', avroV1)
    await visitInTurns(msgpack, first)
    await stop(msgpack)
    const second = await start('second', { ...avroV2, fallback: 'msgpack' })
    await visitInTurns(first, second)
    expect(await attributesAt(second, visitor)).toMatchObject({ cart: { note: '' } })
    expect(open.map(({ sessions }) => sessions.stats().counters.unreadableRecords)).toEqual([0, 0])
  })

  it.each<[string, Codec, Codec]>([
    ['json', 'json', 'msgpack'],
    ['json', 'json', { type: 'json', dates: true }],
    ['msgpack', 'msgpack', { default: 'json' }],
    ['json', 'json', { type: 'avro', schemas: { cart: cartV1 } }],
    ['avro', { type: 'avro', schemas: { cart: cartV1 } }, avroV2],
  ])('makes no request that only reads write (from %s)', async (_from, before, after) => {
    const visitor = new Visitor()
    const old = await start('same', before)
    await visitor.post(`${old.url}/buy`, { item: 'tea' })
    await stop(old)
    const { attributes } = await stored(visitor)
    const next = await start('same', after)
    /* The first request takes the session over, which is written whatever the codec. */
    await visitor.get(`${next.url}/untouched`)
    await attributesAt(next, visitor)
    await next.sessions.flush()
    const asStored = await stored(visitor)
    expect(asStored.attributes).toEqual(attributes)
    for (let request = 0; request < 3; request++) {
      expect((await attributesAt(next, visitor)).cart).toMatchObject({ total: 1, items: ['tea'] })
    }
    await next.sessions.flush()
    expect(await stored(visitor)).toEqual(asStored)
    await visitor.post(`${next.url}/buy`, { item: 'milk' })
    await next.sessions.flush()
    const { changedAt, codecs } = await stored(visitor)
    expect(changedAt).toBeGreaterThan(asStored.changedAt)
    expect(codecs.user).toBe(asStored.codecs.user)
    expect((await attributesAt(next, visitor)).cart).toMatchObject({ total: 2, items: ['tea', 'milk'] })
  })

  it('treats attributes of an unknown schema as unreadable and reports them, and keeps the others', async () => {
    const visitor = new Visitor()
    const newer = await start('same', { type: 'avro', schemas: { cart: cartV2 } })
    await visitor.post(`${newer.url}/buy`, { item: 'tea' })
    await stop(newer)
    const older = await start('same', { type: 'avro', schemas: { cart: cartV1 } })
    expect(await attributesAt(older, visitor)).toEqual({ visits: 1, user: { name: 'Grüße', roles: ['a', 'b'] } })
    expect(older.sessions.stats().counters.unreadableRecords).toBeGreaterThan(0)
  })
})
