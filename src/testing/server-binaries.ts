/** The programs that tests need, and where each comes from. */
export interface ServerProgram {
  name: 'memcached' | 'redis-server' | 'haproxy' | 'nginx' | 'apache2' | 'systemd-analyze' | 'chromium'
  /** Programs that do the same, and are taken where they are on the PATH: before `name`. */
  instead?: readonly string[]
  /**
   * Container image with a pinned version. None: only a program of this machine will do, because it has to reach other
   * servers of this machine under the addresses that tests know.
   */
  image: string | undefined
  debianPackage: string
}

export const memcachedProgram: ServerProgram = {
  name: 'memcached',
  image: 'memcached:1.6.32-bookworm',
  debianPackage: 'memcached',
}

export const redisProgram: ServerProgram = {
  name: 'redis-server',
  instead: ['valkey-server'],
  image: 'redis:7.4.1-bookworm',
  debianPackage: 'redis-server',
}

/** For servers that talk with each other: replicas, Sentinels, the nodes of a cluster. */
export const localRedisProgram: ServerProgram = { ...redisProgram, image: undefined }

export const haproxyProgram: ServerProgram = { name: 'haproxy', image: undefined, debianPackage: 'haproxy' }

export const nginxProgram: ServerProgram = { name: 'nginx', image: undefined, debianPackage: 'nginx' }

/** The server and its modules, without a site and without a service that starts. */
export const apacheProgram: ServerProgram = { name: 'apache2', image: undefined, debianPackage: 'apache2-bin' }

export const systemdProgram: ServerProgram = { name: 'systemd-analyze', image: undefined, debianPackage: 'systemd' }

export const chromiumProgram: ServerProgram = { name: 'chromium', image: undefined, debianPackage: 'chromium' }
