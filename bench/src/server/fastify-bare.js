import { onFastify } from './fastify.js'
import { standIn } from './stand-in.js'

/** No session at all, as in `bare.js`. */
export function createSubject({ size }) {
  const session = standIn(size)
  return onFastify(size, (app) => {
    app.decorateRequest('session', null)
    app.addHook('onRequest', (request, _reply, done) => {
      request.session = session
      done()
    })
  })
}
