// A process that opens session storage, stores a session there, and closes. It has to end by itself.
import { createSessionManager } from '../../dist/index.js'

const [nodes, mode] = process.argv.slice(2)
const sessions = createSessionManager({
  secret: 'a secret of the natural end, long enough',
  nodes,
  mode,
  route: 'a',
  operationTimeout: '30s',
})
await sessions.ready()
const store = sessions.asStore()
await new Promise((resolve, reject) => {
  store.set('a session', { cookie: {}, number: 1 }, (error) => (error ? reject(error) : resolve()))
})
console.log(JSON.stringify(await sessions.close()))
