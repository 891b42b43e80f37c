/**
 * @typedef {import('./visitor.js').Visitor} Visitor
 * @typedef {import('./connection.js').Connection} Connection
 * @typedef {import('../scenarios.js').Scenario} Scenario
 */

/**
 * One request, and the proof that its answer is right. Figures of a server that loses sessions are worth nothing, so
 * a wrong answer ends the run.
 *
 * @param {Connection} connection @param {Visitor} visitor @param {Scenario} scenario
 */
export async function visit(connection, visitor, scenario) {
  const path = scenario.path(visitor)
  const expected = scenario.expected(visitor)
  const reply = await connection.get(path, visitor.cookie)
  checkReply(path, reply, visitor, expected)
  if (visitor.keepsSessions && reply.cookie !== undefined) visitor.cookie = reply.cookie
  if (scenario.newVisitors && visitor.cookie === undefined) throw new Error(`${path}: no cookie was set`)
}

/** Asks for all that the session holds and compares. @param {Connection} connection @param {Visitor} visitor */
export async function checkSession(connection, visitor) {
  const reply = await connection.get('/show', visitor.cookie)
  checkReply('/show', reply, visitor, visitor.everything)
}

/** @param {string} path @param {import('./connection.js').Reply} reply @param {Visitor} visitor @param {string} expected */
function checkReply(path, reply, visitor, expected) {
  if (reply.status !== 200) throw new Error(`${path}: status ${reply.status}: ${reply.body.slice(0, 500)}`)
  const right = visitor.keepsSessions ? reply.body === expected : reply.body !== ''
  if (!right) throw new Error(`${path}: '${reply.body.slice(0, 500)}' instead of '${expected}'`)
}
