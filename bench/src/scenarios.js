/**
 * @typedef {import('./load/visitor.js').Visitor} Visitor
 *
 * @typedef {object} Scenario
 * @property {string} title
 * @property {boolean} newVisitors every request comes from a visitor without a session
 * @property {(visitor: Visitor) => string} path
 * @property {(visitor: Visitor) => string} expected notes what the request changes and returns the right body
 * @property {number} [target] the highest share of what express-session with connect-redis costs over bare Express
 */

/** @type {Record<string, Scenario>} */
export const scenarios = {
  ignored: {
    title: 'the handler does not look at the session',
    newVisitors: false,
    path: () => '/ignored',
    expected: () => 'ok',
    target: 0.1,
  },
  read: {
    title: 'the handler reads one attribute',
    newVisitors: false,
    path: () => '/read',
    expected: (visitor) => visitor.name,
    target: 0.15,
  },
  change: {
    title: 'the handler sets one small attribute',
    newVisitors: false,
    path: () => '/change',
    expected: (visitor) => visitor.expectChange(),
    target: 0.3,
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
