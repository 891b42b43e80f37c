import flash from 'connect-flash'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Visitor } from '../support/visitor.js'
import { expressVersions } from './express-versions.js'
import { type AppParts, startTwoServers, sync, type TwoServers } from './two-servers.js'

function addMessages({ app, sessions }: AppParts): undefined {
  app.use(sessions.middleware(), flash())
  app.post('/messages/:kind/:text', (req, res) => {
    res.json(req.flash(req.params.kind, req.params.text))
  })
  app.get('/messages/:kind', (req, res) => void res.json(req.flash(req.params.kind)))
  app.get('/messages', (req, res) => void res.json(req.flash()))
}

/* It assigns its messages first and changes them inside afterwards: what they are when the request ends counts. */
describe.each(expressVersions)('connect-flash under $version', ({ express }) => {
  let servers: TwoServers
  let a: string
  let b: string
  let visitor: Visitor

  beforeEach(async () => {
    servers = await startTwoServers(express, sync, addMessages)
    a = servers.a.url
    b = servers.b.url
    visitor = new Visitor()
  })

  afterEach(() => servers.close())

  async function read(url: string): Promise<unknown> {
    return (await visitor.get(url)).json()
  }

  it('a message that is left on one server is read on the other, once', async () => {
    await visitor.post(`${a}/messages/info/saved`, {})
    expect(await read(`${b}/messages/info`)).toEqual(['saved'])
    expect(visitor.route).toBe('b')
    expect(await read(`${b}/messages/info`)).toEqual([])
    expect(await read(`${a}/messages/info`)).toEqual([])
  })

  it('messages that are left on both servers make one list', async () => {
    await visitor.post(`${a}/messages/info/one`, {})
    await visitor.post(`${a}/messages/info/two`, {})
    await visitor.post(`${b}/messages/info/three`, {})
    await visitor.post(`${a}/messages/error/four`, {})
    expect(await read(`${b}/messages`)).toEqual({ info: ['one', 'two', 'three'], error: ['four'] })
    expect(await read(`${a}/messages`)).toEqual({})
  })

  it('who was left no message reads none', async () => {
    expect(await read(`${a}/messages/info`)).toEqual([])
    expect(await read(`${b}/messages/info`)).toEqual([])
  })
})
