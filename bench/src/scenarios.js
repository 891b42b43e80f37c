/**
 * @typedef {import('./load/visitor.js').Visitor} Visitor
 *
 * @typedef {object} Scenario
 * @property {string} title
 * @property {boolean} [newVisitors] every request comes from a visitor without a session
 * @property {boolean} [usesUp] every request needs a session of its own, which is made before
 * @property {(visitor: Visitor) => string} path
 * @property {(visitor: Visitor) => string} expected notes what the request changes and returns the right body
 * @property {Partial<Record<'sticky' | 'nonSticky' | 'pair' | 'nearCache', number>>} [targets] the highest share of what
 *   express-session with connect-redis costs over bare Express
 */

/** @type {Record<string, Scenario>} */
export const scenarios = {
  ignored: {
    title: 'the handler does not look at the session',
    path: () => '/ignored',
    expected: () => 'ok',
    targets: { sticky: 0.08 },
  },
  read: {
    title: 'the handler reads one attribute',
    path: () => '/read',
    expected: (visitor) => visitor.name,
    targets: { sticky: 0.1, nonSticky: 0.3, pair: 0.35, nearCache: 0.15 },
  },
  change: {
    title: 'the handler sets one small attribute',
    path: () => '/change',
    expected: (visitor) => visitor.expectChange(),
    targets: { sticky: 0.25, nonSticky: 0.5, pair: 0.75 },
  },
  deep: {
    title: 'the handler changes a list inside an attribute (push and shift)',
    path: () => '/deep',
    expected: (visitor) => visitor.expectItem(),
    targets: { sticky: 0.35, nonSticky: 0.55, pair: 0.8 },
  },
  create: {
    title: 'a visitor without a cookie gets a session',
    newVisitors: true,
    path: (visitor) => `/create/${visitor.number}`,
    expected: (visitor) => visitor.name,
  },
  destroy: {
    title: 'the handler ends the session',
    usesUp: true,
    path: () => '/destroy',
    expected: (visitor) => visitor.expectEnd(),
  },
}

/** The scenario that measures memory instead of CPU time. */
export const MEMORY = 'memory'

export const scenarioNames = [...Object.keys(scenarios), MEMORY]
