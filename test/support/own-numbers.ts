import type { TestMemcached } from '../../src/testing/start-memcached.js'

/** Whether a fence on that server is a number of our own, which holds on every connection: memcached 1.6.27 and later. */
export async function takesOwnNumbers(server: TestMemcached, protocol: 'binary' | 'meta'): Promise<boolean> {
  const [, minor, release] = ((await server.stats()).version ?? '').split('.').map((part) => Number.parseInt(part, 10))
  return protocol === 'meta' && (Number(minor) > 6 || Number(release) >= 27)
}
