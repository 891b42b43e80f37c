/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {string} server the module in `server/` that makes it
 * @property {object} [options] what that module is given beside the ports of the storage
 * @property {boolean} keepsSessions
 * @property {string} [base] the subject whose cost is taken off; none for a base itself
 * @property {'redis' | 'redis-pair' | 'memcached' | 'memcached-pair'} [storage]
 * @property {'sticky' | 'nonSticky' | 'pair' | 'nearCache'} [targets] which of a scenario's targets are for it
 */

/** What everything on Express is measured from. */
export const BASE = 'bare'

/** What everything on Fastify is measured from. */
const FASTIFY_BASE = 'bare-fastify'

/** What the shares are shares of. */
export const REFERENCE = 'express-session-redis'

/** What the memory figures are shares of. */
export const MEMORY_REFERENCE = 'express-session-memory'

/** The build in this repository. */
export const BUILT = new URL('../../dist/index.js', import.meta.url).href

/** @param {Subject['storage']} storage @param {Subject['targets']} targets @param {object} manager options of the session manager */
function holdfast(name, storage, targets, manager) {
  const options = { build: BUILT, scheme: storage.replace('-pair', ''), manager }
  return { name: `holdfast-${name}`, server: 'holdfast', options, keepsSessions: true, base: BASE, storage, targets }
}

const sync = { mode: 'sticky', backup: { mode: 'sync' } }
const nearCache = { mode: 'non-sticky', nearCache: {} }

/** In the order in which a round runs them. @type {readonly Subject[]} */
export const subjects = [
  { name: BASE, server: 'bare', keepsSessions: false },
  { name: MEMORY_REFERENCE, server: 'express-session-memory', keepsSessions: true, base: BASE },
  { name: REFERENCE, server: 'express-session-redis', keepsSessions: true, base: BASE, storage: 'redis' },
  {
    name: 'express-session-memcached',
    server: 'express-session-memcached',
    keepsSessions: true,
    base: BASE,
    storage: 'memcached',
  },
  { name: FASTIFY_BASE, server: 'fastify-bare', keepsSessions: false },
  { name: 'fastify-session-memory', server: 'fastify-session', keepsSessions: true, base: FASTIFY_BASE },
  holdfast('sticky-memcached', 'memcached', 'sticky', { mode: 'sticky' }),
  holdfast('sticky-redis', 'redis', 'sticky', { mode: 'sticky' }),
  holdfast('sticky-sync-memcached', 'memcached', undefined, sync),
  holdfast('sticky-sync-redis', 'redis', undefined, sync),
  holdfast('non-sticky-memcached', 'memcached', 'nonSticky', { mode: 'non-sticky' }),
  holdfast('non-sticky-redis', 'redis', 'nonSticky', { mode: 'non-sticky' }),
  holdfast('non-sticky-memcached-pair', 'memcached-pair', 'pair', { mode: 'non-sticky' }),
  holdfast('non-sticky-redis-pair', 'redis-pair', 'pair', { mode: 'non-sticky' }),
  holdfast('near-cache-redis', 'redis', 'nearCache', nearCache),
]

/** The same subject with another build of Holdfast, to compare two in one run. @param {Subject} subject @param {string} build */
export function withBuild(subject, build) {
  return { ...subject, name: `${subject.name}, before`, options: { ...subject.options, build } }
}

/** @param {Subject} subject */
export function isHoldfast({ server }) {
  return server === 'holdfast'
}
