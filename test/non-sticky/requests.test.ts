import http from 'node:http'
import type { Express } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { type AppServer, sessionIdOf, sessionOf } from '../support/app-server.js'
import { attributesAt, Cluster, Gate, record } from '../support/cluster.js'
import { storedSession } from '../support/stored-session.js'
import { Visitor } from '../support/visitor.js'
import { copiesOf, startPair, untilSettled } from './non-sticky-fixture.js'

describe('requests without stickiness', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let gate: Gate

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    visitor = new Visitor()
    gate = new Gate()
    ;[a, b] = await startPair(cluster, {}, addRoutes)
  })

  afterEach(async () => {
    gate.open()
    await cluster.close()
  })

  function addRoutes(app: Express): void {
    app.get('/head', (req, res) => {
      const session = sessionOf(req)
      session.visits = ((session.visits as number | undefined) ?? 0) + 1
      res.set('ETag', '"same"').send('page')
    })
    app.get('/stream', async (req, res) => {
      sessionOf(req).begun = true
      res.write('first part')
      await gate.pass()
      sessionOf(req).streamed = true
      res.end('last part')
    })
    app.post('/leave', async (req, res) => {
      sessionOf(req).before = true
      await gate.pass()
      sessionOf(req).after = true
      res.end('nobody reads this')
    })
    app.post('/save', async (req, res) => {
      sessionOf(req).saved = true
      await sessionOf(req).save()
      await gate.pass()
      res.send('done')
    })
    app.post('/reload', async (req, res) => {
      const session = sessionOf(req)
      const before = session.value
      session.dropped = true
      await gate.pass()
      await session.reload()
      res.json({ before, after: session.value, dropped: session.dropped ?? null })
    })
    app.post('/new/:what', async (req, res) => {
      const session = sessionOf(req)
      session.made = req.params.what
      if (req.params.what === 'save and lock') void session.save()
      if (req.params.what?.endsWith('lock')) await (await session.lock()).release()
      if (req.params.what === 'save and reload') await session.save().then(() => session.reload())
      session.goesOn = true
      res.json({ id: sessionIdOf(req) })
    })
    app.post('/keep', async (req, res) => {
      await sessionOf(req).regenerate({ keep: true })
      sessionOf(req).fresh = true
      res.json({ id: sessionIdOf(req) })
    })
  }

  it('HEAD, 304 and redirects are answered after the change can be read elsewhere', async () => {
    await visitor.get(`${a.url}/head`)
    expect((await visitor.request('HEAD', `${a.url}/head`)).status).toBe(200)
    expect(await attributesAt(b, visitor)).toEqual({ visits: 2 })
    expect((await visitor.get(`${b.url}/head`, { 'if-none-match': '"same"' })).status).toBe(304)
    expect(await attributesAt(a, visitor)).toEqual({ visits: 3 })
  })

  it('a streamed response has stored its last change when it ends, and its cookie went with the head', async () => {
    const streaming = visitor.get(`${a.url}/stream`)
    await waitFor(() => gate.waiting === 1)
    gate.open()
    expect((await streaming).body).toBe('first partlast part')
    expect(await attributesAt(b, visitor)).toEqual({ begun: true, streamed: true })
  })

  it('what a request changed whose visitor went away is stored, before and after that', async () => {
    await visitor.post(`${a.url}/`, { user: 'ann' })
    const client = http.request(`${a.url}/leave`, { method: 'POST', headers: { cookie: `sid=${visitor.id}` } })
    client.on('error', () => {})
    client.end()
    await waitFor(() => gate.waiting === 1)
    client.destroy()
    await waitFor(async () => (await attributesAt(b, visitor)).before === true)
    gate.open()
    await waitFor(async () => (await attributesAt(b, visitor)).after === true)
    await waitFor(() => a.sessions.stats().activeSessions === 0)
  })

  it('save() resolves when other servers can read the change, on both nodes', async () => {
    await visitor.post(`${a.url}/`, { user: 'ann' })
    const request = visitor.copy().post(`${a.url}/save`, {})
    await waitFor(() => gate.waiting === 1)
    expect(await attributesAt(b, visitor)).toEqual({ user: 'ann', saved: true })
    expect(await copiesOf(cluster, visitor, ['n1', 'n2'])).toHaveLength(2)
    gate.open()
    await request
  })

  it('reload() shows what another server has stored since, and drops what was not committed', async () => {
    await visitor.post(`${a.url}/`, { value: 'old' })
    const request = visitor.copy().post(`${a.url}/reload`, {})
    await waitFor(() => gate.waiting === 1)
    await visitor.post(`${b.url}/`, { value: 'new' })
    gate.open()
    expect((await request).json()).toEqual({ before: 'old', after: 'new', dropped: null })
    expect(await attributesAt(b, visitor)).toEqual({ value: 'new' })
  })

  it.each(['lock', 'save and lock', 'save and reload'])(
    'a session that the same request has just made can do: %s',
    async (what) => {
      const answer = await visitor.post(`${a.url}/new/${what}`, {})
      expect(answer.status).toBe(200)
      expect(await attributesAt(b, visitor)).toMatchObject({ goesOn: true })
      await waitFor(() => a.sessions.stats().locksHeld === 0)
    },
  )

  it('regenerate() leaves the old session dead and the new one stored, for both servers', async () => {
    await visitor.post(`${a.url}/`, { cart: ['tea'] })
    const old = visitor.copy()
    await visitor.post(`${b.url}/keep`, {})
    expect(await attributesAt(a, visitor)).toEqual({ cart: ['tea'], fresh: true })
    const kept = visitor.copy()
    await visitor.post(`${a.url}/regenerate`, {})
    for (const dead of [old, kept]) {
      for (const server of [a, b]) expect(await attributesAt(server, dead.copy())).toEqual({})
      expect(await copiesOf(cluster, dead, ['n1', 'n2'])).toEqual([])
    }
  })

  it('of a visitor who alternates between the servers find each change, and change objects inside', async () => {
    await visitor.post(`${a.url}/`, { nested: { list: [0] } })
    for (let i = 1; i <= 6; i++) {
      const server = i % 2 === 0 ? a : b
      const session = (await server.sessions.get(visitor.id as string)) as unknown as Nested
      session.nested.list.push(i)
      await session.save()
    }
    expect(await attributesAt(a, visitor)).toEqual({ nested: { list: [0, 1, 2, 3, 4, 5, 6] } })
  })
})

describe('changes of the same attribute on two servers', () => {
  let cluster: Cluster
  let a: AppServer
  let b: AppServer
  let visitor: Visitor
  let gate: Gate
  let merges: unknown[][]
  let merge: (...args: unknown[]) => unknown

  beforeEach(async () => {
    cluster = await Cluster.of('n1', 'n2')
    visitor = new Visitor()
    gate = new Gate()
    merges = []
    const options = {
      merge: (...args: unknown[]) => {
        merges.push(args)
        return merge(...args)
      },
    }
    ;[a, b] = await startPair(cluster, options, (app) => {
      app.post('/push/:value', async (req, res) => {
        ;(sessionOf(req).list as unknown[]).push(req.params.value)
        await gate.pass()
        res.send('done')
      })
    })
    await visitor.post(`${a.url}/`, { list: ['base'] })
  })

  afterEach(async () => {
    gate.open()
    await cluster.close()
  })

  async function pushOnBoth(): Promise<void> {
    const requests = [a, b].map(({ url }, i) => visitor.copy().post(`${url}/push/${i}`, {}))
    await waitFor(() => gate.waiting === 2)
    gate.open()
    for (const { status } of await Promise.all(requests)) expect(status).toBe(200)
    await untilSettled(a, b)
  }

  it('are decided by the merge function, called with base, mine and theirs', async () => {
    merge = (_name, base, mine, theirs) => [
      ...(theirs as string[]),
      ...(mine as string[]).slice((base as string[]).length),
    ]
    await pushOnBoth()
    expect(((await attributesAt(a, visitor)).list as string[]).sort()).toEqual(['0', '1', 'base'])
    expect(merges).toHaveLength(1)
    const [name, base, mine, theirs] = merges[0] as [string, string[], string[], string[]]
    expect([name, base, [...mine, ...theirs].sort()]).toEqual(['list', ['base'], ['0', '1', 'base', 'base']])
    for (const id of ['n1', 'n2']) {
      expect((await storedSession(cluster.memcached(id), visitor))?.attributes.list).toHaveLength(3)
    }
  })

  it('are those of the last writer when the merge function throws; an event and a counter tell', async () => {
    merge = () => {
      throw new Error('no idea')
    }
    const events = [a, b].map(({ sessions }) => record(sessions, 'attributeFailed'))
    await pushOnBoth()
    expect((await attributesAt(a, visitor)).list).toHaveLength(2)
    expect(events.flat()).toMatchObject([{ attribute: 'list', error: { message: 'no idea' } }])
    expect(a.sessions.stats().counters.mergeFailures + b.sessions.stats().counters.mergeFailures).toBe(1)
  })

  it('remove the attribute when the merge function gives undefined', async () => {
    merge = () => undefined
    await pushOnBoth()
    expect(await attributesAt(b, visitor)).toEqual({})
  })

  it('do not call it when only one side changed the attribute', async () => {
    const request = visitor.copy().post(`${a.url}/push/0`, {})
    await waitFor(() => gate.waiting === 1)
    await visitor.copy().post(`${b.url}/`, { other: true })
    gate.open()
    await request
    expect(await attributesAt(b, visitor)).toEqual({ list: ['base', '0'], other: true })
    expect(merges).toEqual([])
  })
})

interface Nested {
  nested: { list: number[] }
  save(): Promise<void>
}
