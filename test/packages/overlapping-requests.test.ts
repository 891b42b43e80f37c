import { json } from 'express'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/index.js'
import { sessionOf } from '../support/app-server.js'
import { attributesAt, Gate } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, type TwoServers } from './two-servers.js'

describe.each(expressVersions)('two overlapping requests of one visitor, under $version', ({ express }) => {
  let servers: TwoServers
  let a: AppParts
  let gate: Gate
  let visitor: Visitor

  beforeEach(async () => {
    gate = new Gate()
    servers = await startTwoServers(express, {}, addRoutes)
    a = servers.a
    visitor = new Visitor()
    await visitor.post(`${a.url}/`, { basket: ['tea'] })
  })

  afterEach(async () => {
    gate.open()
    await servers.close()
  })

  function addRoutes({ app, sessions }: AppParts): undefined {
    app.use(sessions.middleware(), json())
    app.get('/', (req, res) => {
      const { cookie: _cookie, ...attributes } = sessionOf(req)
      res.json({ attributes })
    })
    app.post('/', (req, res) => {
      Object.assign(sessionOf(req), req.body)
      res.end()
    })
    app.post('/slow', async (req, res) => {
      const session = sessionOf(req)
      const basket = session.basket as string[]
      basket.push('milk')
      session.slow = 'before'
      await gate.pass()
      basket.push('sugar')
      res.json({ fast: session.fast, basket })
    })
    app.post('/fast', (req, res) => {
      const session = sessionOf(req)
      const basket = session.basket as string[]
      basket.push('bread')
      session.fast = true
      res.json({ slow: session.slow, basket })
    })
  }

  it('see what the other has changed, and both changes are there on the other server', async () => {
    const slow = visitor.copy().post(`${a.url}/slow`, {})
    await waitFor(() => gate.waiting === 1)
    const fast = await visitor.post(`${a.url}/fast`, {})
    expect(fast.json()).toEqual({ slow: 'before', basket: ['tea', 'milk', 'bread'] })
    gate.open()
    const basket = ['tea', 'milk', 'bread', 'sugar']
    expect((await slow).json()).toEqual({ fast: true, basket })
    await a.sessions.flush()
    expect(await attributesAt(servers.b, visitor)).toEqual({ basket, slow: 'before', fast: true })
  })

  it('in great number and for different attributes, all leave their change', async () => {
    const numbers = Array.from({ length: 100 }, (_, number) => number)
    await Promise.all(numbers.map((number) => visitor.copy().post(`${a.url}/`, { [`n${number}`]: number })))
    await a.sessions.flush()
    const expected = Object.fromEntries(numbers.map((number) => [`n${number}`, number]))
    expect(await attributesAt(servers.b, visitor)).toEqual({ basket: ['tea'], ...expected })
  })
})
