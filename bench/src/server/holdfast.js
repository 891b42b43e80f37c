/**
 * Holdfast with everything as it comes but what a subject is about.
 *
 * @param {object} settings
 * @param {number[]} settings.storagePorts
 * @param {{ build: string, scheme: string, manager: object }} settings.options `build`: the URL of the module to measure
 */
export async function createSubject({ storagePorts, options: { build, scheme, manager } }) {
  const { createSessionManager } = await import(build)
  const sessions = createSessionManager({
    secret: 'a secret of the benchmark, long enough to be accepted',
    route: 'a',
    nodes: storagePorts.map((port, index) => `n${index + 1}:${scheme}://127.0.0.1:${port}`).join(','),
    cookie: { secure: false },
    ...manager,
  })
  return {
    middleware: sessions.middleware(),
    // The backups that follow the last response belong to the requests that were counted.
    settle: () => sessions.flush(),
    close: () => sessions.close(),
  }
}
