/**
 * @typedef {object} Subject
 * @property {string} name also the name of its module in `server/`
 * @property {boolean} keepsSessions
 * @property {'redis' | 'memcached' | 'memcached-pair'} [storage]
 * @property {'sticky' | 'nonSticky'} [mode] of Holdfast: its targets are for it
 */

/** What everything is measured from. */
export const BASE = 'bare'

/** What the shares are shares of. */
export const REFERENCE = 'express-session-redis'

/** What the memory figures are shares of. */
export const MEMORY_REFERENCE = 'express-session-memory'

/** In the order in which a round runs them. @type {readonly Subject[]} */
export const subjects = [
  { name: BASE, keepsSessions: false },
  { name: MEMORY_REFERENCE, keepsSessions: true },
  { name: REFERENCE, keepsSessions: true, storage: 'redis' },
  { name: 'holdfast-sticky', keepsSessions: true, storage: 'memcached', mode: 'sticky' },
  { name: 'holdfast-non-sticky', keepsSessions: true, storage: 'memcached', mode: 'nonSticky' },
  { name: 'holdfast-non-sticky-pair', keepsSessions: true, storage: 'memcached-pair', mode: 'nonSticky' },
]
