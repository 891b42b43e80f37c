import connectMemcached from 'connect-memcached'
import session from 'express-session'

/** @param {{ storagePorts: number[] }} settings */
export async function createSubject({ storagePorts }) {
  const MemcachedStore = connectMemcached(session)
  const store = new MemcachedStore({ hosts: [`127.0.0.1:${storagePorts[0]}`] })
  return {
    middleware: session({ secret: 'bench', resave: false, saveUninitialized: false, store }),
    close: () => store.client.end(),
  }
}
