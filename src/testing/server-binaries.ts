/** The server programs that tests need, and where each comes from. */
export interface ServerProgram {
  name: 'memcached' | 'redis-server'
  /** Container image with a pinned version. */
  image: string
  debianPackage: string
}

export const memcachedProgram: ServerProgram = {
  name: 'memcached',
  image: 'memcached:1.6.32-bookworm',
  debianPackage: 'memcached',
}

export const redisProgram: ServerProgram = {
  name: 'redis-server',
  image: 'redis:7.4.1-bookworm',
  debianPackage: 'redis-server',
}
