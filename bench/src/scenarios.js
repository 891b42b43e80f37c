/**
 * @typedef {import('./load/visitor.js').Visitor} Visitor
 *
 * @typedef {object} Scenario
 * @property {string} title
 * @property {boolean} newVisitors every request comes from a visitor without a session
 * @property {(visitor: Visitor) => string} path
 * @property {(visitor: Visitor) => string} expected notes what the request changes and returns the right body
 * @property {Partial<Record<'sticky' | 'nonSticky', number>>} [targets] the highest share, in each mode, of what express-session with
 *   connect-redis costs over bare Express
 */

/** @type {Record<string, Scenario>} */
export const scenarios = {
  ignored: {
    title: 'the handler does not look at the session',
    newVisitors: false,
    path: () => '/ignored',
    expected: () => 'ok',
    targets: { sticky: 0.1 },
  },
  read: {
    title: 'the handler reads one attribute',
    newVisitors: false,
    path: () => '/read',
    expected: (visitor) => visitor.name,
    targets: { sticky: 0.15, nonSticky: 0.35 },
  },
  change: {
    title: 'the handler sets one small attribute',
    newVisitors: false,
    path: () => '/change',
    expected: (visitor) => visitor.expectChange(),
    targets: { sticky: 0.3, nonSticky: 0.55 },
  },
  deep: {
    title: 'the handler changes a list inside an attribute (push and shift)',
    newVisitors: false,
    path: () => '/deep',
    expected: (visitor) => visitor.expectItem(),
  },
  create: {
    title: 'a visitor without a cookie gets a session',
    newVisitors: true,
    path: (visitor) => `/create/${visitor.number}`,
    expected: (visitor) => visitor.name,
  },
}

/** The scenario that measures memory instead of CPU time. */
export const MEMORY = 'memory'

export const scenarioNames = [...Object.keys(scenarios), MEMORY]
