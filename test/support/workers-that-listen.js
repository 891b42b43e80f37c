// Two workers of node:cluster that listen on the same addresses with what is never to be shared. Prints what each worker could do.
import cluster from 'node:cluster'
import { createSessionManager } from '../../dist/index.js'

const [embedPort, adminPort] = process.argv.slice(2).map(Number)

if (cluster.isPrimary) {
  const first = cluster.fork()
  first.on('message', (outcome) => {
    console.log(outcome)
    const second = cluster.fork()
    second.on('message', (later) => {
      console.log(later)
      for (const worker of [first, second]) worker.kill()
    })
  })
} else {
  const sessions = createSessionManager({
    secret: 'a secret of the workers, long enough',
    route: `w${cluster.worker.id}`,
    nodes: 'memory://',
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    ...(embedPort > 0 && { embed: `127.0.0.1:${embedPort}` }),
    ...(adminPort > 0 && { admin: { listen: `127.0.0.1:${adminPort}` } }),
  })
  sessions.ready().then(
    () => process.send('listens'),
    () => process.send('is refused'),
  )
}
