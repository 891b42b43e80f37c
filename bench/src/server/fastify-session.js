import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { onFastify } from './fastify.js'

/** With the store in memory that it brings along. */
export function createSubject({ size }) {
  return onFastify(size, (app) => {
    app.register(cookie)
    app.register(session, {
      secret: 'a secret of the benchmark, long enough to be accepted',
      saveUninitialized: false,
      cookie: { secure: false },
    })
  })
}
