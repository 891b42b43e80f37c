// One server of the shop for each core, each a process with a port and a route of its own: PORT, PORT + 1, …
// Workers of node:cluster usually share one port. Then nobody can send a visitor to the worker that has his session: use
// non-sticky mode there, or this.
import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'

const { PORT = '3000', ADMIN_PORT = '9400', ROUTE = 'app', WORKERS = String(availableParallelism()) } = process.env

cluster.setupPrimary({ exec: new URL('./server.js', import.meta.url).pathname })
let ending = false
const numbers = new Map()

function start(number) {
  const worker = cluster.fork({
    PORT: String(Number(PORT) + number),
    ADMIN_LISTEN: `127.0.0.1:${Number(ADMIN_PORT) + number}`,
    ROUTE: `${ROUTE}-${number + 1}`,
  })
  numbers.set(worker.id, number)
  console.log(`worker ${worker.process.pid}`)
}

for (let number = 0; number < Number(WORKERS); number++) start(number)

// One that died is started again, on its port and under its route.
cluster.on('exit', (worker) => {
  const number = numbers.get(worker.id)
  numbers.delete(worker.id)
  if (!ending) start(number)
})

process.once('SIGTERM', () => {
  ending = true
  for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGTERM')
})
