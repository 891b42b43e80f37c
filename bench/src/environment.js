import { execFileSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { cpus } from 'node:os'

const require = createRequire(import.meta.url)

const PACKAGES = [
  'express',
  'express-session',
  'connect-redis',
  'redis',
  'connect-memcached',
  'fastify',
  '@fastify/session',
]

/** What the figures depend on and nobody remembers a month later. */
export function describeEnvironment() {
  const processors = cpus()
  return {
    date: new Date().toISOString(),
    node: process.version,
    processor: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    servers: { memcached: version('memcached', '-V'), redis: version('redis-server', '--version') },
    packages: Object.fromEntries(PACKAGES.map((name) => [name, packageVersion(name)])),
  }
}

/** @param {string} name */
function packageVersion(name) {
  const lock = require('../package-lock.json')
  return lock.packages[`node_modules/${name}`].version
}

/** @param {string} program @param {string} flag */
function version(program, flag) {
  try {
    return /\d+(\.\d+)+/.exec(execFileSync(program, [flag], { encoding: 'utf8' }))?.[0] ?? 'unknown'
  } catch {
    return 'not installed'
  }
}
