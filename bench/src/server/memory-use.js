import { setImmediate } from 'node:timers/promises'

/** Collections after which the figure no longer moves: finalisers and weak references need more than one. */
const COLLECTIONS = 4

/**
 * Bytes that live JavaScript objects and buffers take. Needs `--expose-gc`. `external` has the array buffers in it.
 *
 * @returns {Promise<{ live: number, resident: number }>}
 */
export async function memoryUse() {
  for (let count = 0; count < COLLECTIONS; count += 1) {
    globalThis.gc()
    await setImmediate()
  }
  const { heapUsed, external, rss } = process.memoryUsage()
  return { live: heapUsed + external, resident: rss }
}
