/**
 * Two servers, each of which is to have every session, as one storage.
 *
 * @param {import('./storage.js').Storage} first @param {import('./storage.js').Storage} second
 * @returns {import('./storage.js').Storage}
 */
export function pairOf(first, second) {
  const pair = [first, second]
  return {
    ports: pair.flatMap(({ ports }) => ports),
    processes: pair.flatMap(({ processes }) => processes),
    ping: () => Promise.all(pair.map(({ ping }) => ping())),
    counts: async () => {
      const counts = await Promise.all(pair.map((server) => server.counts()))
      const sum = (name) => counts[0][name] + counts[1][name]
      return {
        items: Math.min(...counts.map(({ items }) => items)),
        operations: sum('operations'),
        writes: sum('writes'),
      }
    },
  }
}
