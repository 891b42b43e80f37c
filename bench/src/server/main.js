// One subject's server. The parent asks over the IPC channel; when that closes, the process ends.
import { memoryUse } from './memory-use.js'

const { server: module, storagePorts, options, size } = JSON.parse(process.argv[2])

const { createSubject } = await import(`./${module}.js`)
const subject = await createSubject({ storagePorts, options, size })
const server = subject.server ?? (await onExpress(subject.middleware))

async function onExpress(middleware) {
  const [{ default: express }, { addRoutes }] = await Promise.all([import('express'), import('./routes.js')])
  const { createServer } = await import('node:http')
  const app = express()
  app.use(middleware)
  addRoutes(app, size)
  return createServer(app)
}

server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }))
// Between two windows the other subjects have their turn.
server.keepAliveTimeout = 120_000

const answers = {
  cpu: () => process.cpuUsage(),
  memory: memoryUse,
  settle: () => subject.settle?.(),
  close,
}

async function close() {
  server.closeAllConnections()
  server.close()
  await subject.close?.()
}

process.on('message', async ({ question }) => {
  try {
    process.send({ answer: await answers[question]() })
  } catch (error) {
    process.send({ error: String(error.stack) })
  }
})
process.on('disconnect', () => process.exit())
// Ctrl-C reaches the whole process group; the parent decides.
process.on('SIGINT', () => {})
