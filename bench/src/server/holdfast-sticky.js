import { createSessionManager } from '../../../dist/index.js'

/** @param {{ storagePort: number }} settings */
export async function createSubject({ storagePort }) {
  const sessions = createSessionManager({
    secret: 'a secret of the benchmark, long enough to be accepted',
    route: 'a',
    nodes: `n1:memcached://127.0.0.1:${storagePort}`,
    cookie: { secure: false },
  })
  return {
    middleware: sessions.middleware(),
    // The backups that follow the last response belong to the requests that were counted.
    settle: () => sessions.flush(),
    close: () => sessions.close(),
  }
}
