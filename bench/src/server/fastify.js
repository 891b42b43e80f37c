import Fastify from 'fastify'
import { handlers } from './routes.js'

/** A server on Fastify with the handlers of all subjects. @param {string} size @param {(app: any) => void} addSessions */
export async function onFastify(size, addSessions) {
  const app = Fastify({ logger: false })
  addSessions(app)
  for (const [path, answer] of Object.entries(handlers(size))) {
    app.get(path, async (request, reply) => {
      reply.type('text/html; charset=utf-8')
      return answer(request)
    })
  }
  await app.ready()
  return { server: app.server }
}
