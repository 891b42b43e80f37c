import { RedisStore } from 'connect-redis'
import session from 'express-session'
import { createClient } from 'redis'

/** @param {{ storagePorts: number[] }} settings */
export async function createSubject({ storagePorts }) {
  const client = createClient({ socket: { host: '127.0.0.1', port: storagePorts[0] } })
  client.on('error', (error) => console.error(error))
  await client.connect()
  const store = new RedisStore({ client })
  return {
    middleware: session({ secret: 'bench', resave: false, saveUninitialized: false, store }),
    close: () => client.close(),
  }
}
