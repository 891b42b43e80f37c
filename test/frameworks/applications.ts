import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import connect from 'connect'
import type { Sessions } from '../../src/create-session-manager.js'
import { sessionOf } from '../../src/session/express.js'

export interface Shop {
  cart: string[]
}

/* The examples of docs/frameworks.md. */

/** An application made with connect. */
export function connectApp(sessions: Sessions): RequestListener {
  const app = connect()
  app.use(sessions.middleware())
  app.use('/add', (req, res) => {
    const session = sessionOf<Shop>(req)
    session.cart = [...(session.cart ?? []), 'tea']
    res.end('added')
  })
  app.use('/logout', (req, res, next) => {
    sessionOf(req).destroy((error) => (error ? next(error) : res.end('bye')))
  })
  app.use('/', (req, res) => {
    res.end(JSON.stringify(sessionOf<Shop>(req).cart ?? []))
  })
  return app
}

/** An application on node:http alone. */
export function plainApp(sessions: Sessions): RequestListener {
  const withSession = sessions.middleware()
  const routes: Record<string, (req: IncomingMessage, res: ServerResponse) => unknown> = {
    '/add': (req, res) => {
      const session = sessionOf<Shop>(req)
      session.cart = [...(session.cart ?? []), 'tea']
      res.end('added')
    },
    '/logout': async (req, res) => {
      await sessionOf(req).destroy()
      res.end('bye')
    },
    '/': (req, res) => res.end(JSON.stringify(sessionOf<Shop>(req).cart ?? [])),
  }
  return (req, res) =>
    withSession(req, res, (error) => {
      const route = routes[new URL(req.url ?? '/', 'http://localhost').pathname]
      if (error || route === undefined) res.writeHead(error ? 503 : 404).end()
      else route(req, res)
    })
}
