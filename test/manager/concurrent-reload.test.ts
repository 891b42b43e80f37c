import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../../src/testing/wait-for.js'
import { type AppServer, sessionOf, startAppServer } from '../support/app-server.js'
import { Visitor } from '../support/visitor.js'

describe('a reload', () => {
  let server: AppServer

  afterEach(async () => {
    await server.close()
  })

  it('drops what its request has not saved', async () => {
    server = await startAppServer({}, (app) => {
      app.get('/reload', async (req, res) => {
        sessionOf(req).a = 2
        sessionOf(req).own = 'dropped'
        await sessionOf(req).reload()
        res.json(sessionOf(req).a)
      })
    })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { a: 1 })
    expect((await visitor.get(`${server.url}/reload`)).body).toBe('1')
    expect((await visitor.get(`${server.url}/`)).json()).toMatchObject({ attributes: { a: 1 } })
  })

  it('drops nothing that another request has not saved yet (promise 3)', async () => {
    let release: (() => void) | undefined
    server = await startAppServer({}, (app) => {
      app.get('/slow', async (req, res) => {
        sessionOf(req).slow = 'kept'
        await new Promise<void>((go) => {
          release = go
        })
        res.end()
      })
      app.get('/reload', async (req, res) => {
        await sessionOf(req).reload()
        res.end()
      })
    })
    const visitor = new Visitor()
    await visitor.post(`${server.url}/`, { a: 1 })
    const slow = visitor.copy().get(`${server.url}/slow`)
    await waitFor(() => release)
    await visitor.get(`${server.url}/reload`)
    release?.()
    await slow
    const { attributes } = (await visitor.get(`${server.url}/`)).json<{ attributes: unknown }>()
    expect(attributes).toMatchObject({ a: 1, slow: 'kept' })
  })

  it.each(['sticky', 'non-sticky'] as const)(
    'drops nothing that another request assigns while the storage is asked (%s)',
    async (mode) => {
      let assign: (() => void) | undefined
      let end: (() => void) | undefined
      const told = (take: (go: () => void) => void) => new Promise<void>(take)
      server = await startAppServer({ mode, trustFor: 0 }, (app) => {
        app.get('/slow', async (req, res) => {
          void sessionOf(req).a
          await told((go) => {
            assign = go
          })
          sessionOf(req).slow = 'kept'
          sessionOf(req).list = [1]
          await told((go) => {
            end = go
          })
          res.json([sessionOf(req).slow, sessionOf(req).list])
        })
        app.get('/reload', async (req, res) => {
          sessionOf(req).a = 2
          const reloaded = sessionOf(req).reload()
          assign?.()
          await reloaded
          res.json(sessionOf(req).a)
        })
      })
      const visitor = new Visitor()
      await visitor.post(`${server.url}/`, { a: 1 })
      await server.sessions.flush()
      const slow = visitor.copy().get(`${server.url}/slow`)
      await waitFor(() => assign)
      await visitor.copy().get(`${server.url}/reload`)
      await waitFor(() => end)
      end?.()
      expect((await slow).json()).toEqual(['kept', [1]])
      const { attributes } = (await visitor.get(`${server.url}/`)).json<{ attributes: unknown }>()
      expect(attributes).toMatchObject({ slow: 'kept', list: [1] })
    },
  )
})
