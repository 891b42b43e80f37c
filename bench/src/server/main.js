// One subject's server. The parent asks over the IPC channel; when that closes, the process ends.
import express from 'express'
import { memoryUse } from './memory-use.js'
import { addRoutes } from './routes.js'

const { name, storagePorts } = JSON.parse(process.argv[2])

const { createSubject } = await import(`./${name}.js`)
const subject = await createSubject({ storagePorts })

const app = express()
app.use(subject.middleware)
addRoutes(app)

const server = app.listen(0, '127.0.0.1', (error) => {
  if (error) throw error
  process.send({ port: server.address().port })
})
// Between two windows the other subjects have their turn.
server.keepAliveTimeout = 120_000

const answers = {
  cpu: () => process.cpuUsage(),
  memory: memoryUse,
  settle: () => subject.settle(),
  close,
}

async function close() {
  server.closeAllConnections()
  server.close()
  await subject.close()
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
