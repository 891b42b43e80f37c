import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf } from '../support/app-server.js'
import { attributesAt, record } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, sync, type TwoServers } from './two-servers.js'

function cycle(): object {
  const value: Record<string, unknown> = { name: 'cycle' }
  value.self = value
  return value
}

const values = {
  bigint: () => 10n,
  'bigint-inside': () => ({ price: [10n] }),
  cycle,
  'throwing-toJSON': () => ({
    toJSON() {
      throw new Error('not me')
    },
  }),
}

type Kind = keyof typeof values
const kinds = Object.keys(values) as Kind[]

function addBasket({ app, sessions }: AppParts): undefined {
  app.use(sessions.middleware())
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...attributes } = sessionOf(req)
    res.json({ attributes })
  })
  app.post('/spoil/:kind', (req, res) => {
    const session = sessionOf(req)
    session.before = 'a'
    session.broken = values[req.params.kind as Kind]()
    session.after = 'b'
    res.json('done')
  })
  app.post('/spoil-and-save/:kind', (req, res, next) => {
    const session = sessionOf(req)
    session.broken = values[req.params.kind as Kind]()
    session.after = 'b'
    session.save((error) => (error ? next(error) : res.json('done')))
  })
  app.post('/basket', (req, res) => {
    sessionOf(req).basket = { items: ['tea'] }
    res.end()
  })
  app.post('/basket/:kind', (req, res) => {
    const session = sessionOf(req)
    const basket = session.basket as { items: unknown[] }
    basket.items.push(values[req.params.kind as Kind]())
    session.visits = 1
    res.json('done')
  })
  app.post('/basket-without-last', (req, res) => {
    const basket = sessionOf(req).basket as { items: unknown[] }
    basket.items[1] = 'milk'
    res.json('done')
  })
  app.get('/type', (req, res) => void res.json(typeof sessionOf(req).broken))
}

/* Without it whoever waits for the storage is answered with a 500: see `promises/11-large-sessions`. */
const onUnstorable = 'report'
const modes = [
  { mode: 'async', options: { backup: { onUnstorable } } },
  { mode: 'sync', options: { backup: { ...sync.backup, onUnstorable } } },
] as const

describe.each(expressVersions)('a value without a stored form, under $version', ({ express }) => {
  describe.each(modes)('with backup mode $mode', ({ options }) => {
    let servers: TwoServers
    let a: AppParts
    let visitor: Visitor

    beforeEach(async () => {
      servers = await startTwoServers(express, options, addBasket)
      a = servers.a
      visitor = new Visitor()
    })

    afterEach(() => servers.close())

    async function send(path: string): Promise<void> {
      const answer = await visitor.post(a.url + path, {})
      expect(answer.status).toBe(200)
      expect(answer.json()).toBe('done')
    }

    async function takenOver(): Promise<Record<string, unknown>> {
      await a.sessions.flush()
      const attributes = await attributesAt(servers.b, visitor)
      expect(visitor.route).toBe('b')
      return attributes
    }

    it.each(kinds)('%s: the response ends, an event and a log line name it, the others are stored', async (kind) => {
      const failed = record(a.sessions, 'attributeFailed')
      await send(`/spoil/${kind}`)
      await waitFor(() => failed.length > 0)
      expect(failed[0]).toMatchObject({ attribute: 'broken', error: { code: 'HOLDFAST_UNSERIALIZABLE' } })
      expect(a.log.filter((line) => line.includes('"broken"'))).toHaveLength(1)
      expect(await takenOver()).toEqual({ before: 'a', after: 'b' })
    })

    it('goes on in the memory of its server', async () => {
      await send('/spoil/bigint')
      expect((await visitor.get(`${a.url}/type`)).json()).toBe('bigint')
    })

    it.each(kinds)('%s: save calls back', async (kind) => {
      await send(`/spoil-and-save/${kind}`)
      expect(await takenOver()).toEqual({ after: 'b' })
    })

    it.each(kinds)('%s: one that was put inside another value leaves what was stored of that', async (kind) => {
      const failed = record(a.sessions, 'attributeFailed')
      await visitor.post(`${a.url}/basket`, {})
      await send(`/basket/${kind}`)
      await waitFor(() => failed.length > 0)
      expect(failed[0]?.attribute).toBe('basket')
      expect(await takenOver()).toEqual({ basket: { items: ['tea'] }, visits: 1 })
    })

    it('is stored when it has been put right', async () => {
      await visitor.post(`${a.url}/basket`, {})
      await send('/basket/bigint')
      await send('/basket-without-last')
      expect(await takenOver()).toEqual({ basket: { items: ['tea', 'milk'] }, visits: 1 })
    })
  })
})
