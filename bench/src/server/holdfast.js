import { createSessionManager } from '../../../dist/index.js'

/** Holdfast with everything but the mode as it comes. @param {'sticky' | 'non-sticky'} mode @param {number[]} storagePorts */
export function createHoldfast(mode, storagePorts) {
  const sessions = createSessionManager({
    secret: 'a secret of the benchmark, long enough to be accepted',
    mode,
    route: 'a',
    nodes: storagePorts.map((port, index) => `n${index + 1}:memcached://127.0.0.1:${port}`).join(','),
    cookie: { secure: false },
  })
  return {
    middleware: sessions.middleware(),
    // The backups that follow the last response belong to the requests that were counted.
    settle: () => sessions.flush(),
    close: () => sessions.close(),
  }
}
