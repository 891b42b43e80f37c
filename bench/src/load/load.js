import { scenarios } from '../scenarios.js'
import { Connection } from './connection.js'
import { checkSession, visit } from './visit.js'
import { Visitor } from './visitor.js'

/** Of the sessions that a scenario creates, one in so many is kept and checked at the end. */
const KEEP_ONE_IN = 50

/**
 * @typedef {object} Window
 * @property {number} seconds
 * @property {Float64Array} latencies milliseconds, one a request
 */

/**
 * The visitors of one server. Each belongs to one connection, so that no session has two requests at the same time
 * and it is certain what every answer must be.
 */
export class Load {
  /** @type {{ connection: Connection, visitors: Visitor[], next: number }[]} */
  #lanes
  #keepsSessions
  /** @type {Visitor[]} */
  #usedUp = []
  #lastNumber = 0

  /** @param {Connection[]} connections @param {boolean} keepsSessions */
  constructor(connections, keepsSessions) {
    this.#lanes = connections.map((connection) => ({ connection, visitors: [], next: 0 }))
    this.#keepsSessions = keepsSessions
  }

  /** @param {number} port @param {number} connections @param {boolean} keepsSessions */
  static async open(port, connections, keepsSessions) {
    const opened = Array.from({ length: connections }, () => Connection.open(port))
    return new Load(await Promise.all(opened), keepsSessions)
  }

  /** Creates sessions, all of which the following windows go around. @param {number} count */
  async createSessions(count) {
    await this.#spread(count, async (lane) => {
      const visitor = this.#newVisitor()
      await visit(lane.connection, visitor, scenarios.create)
      lane.visitors.push(visitor)
    })
  }

  /** Creates sessions that the next window uses up, each once. @param {number} count */
  async prepare(count) {
    await this.#spread(count, async (lane) => {
      const visitor = this.#newVisitor()
      await visit(lane.connection, visitor, scenarios.create)
      this.#usedUp.push(visitor)
    })
  }

  /**
   * @param {import('../scenarios.js').Scenario} scenario
   * @param {number} requests
   * @returns {Promise<Window>}
   */
  async run(scenario, requests) {
    const latencies = new Float64Array(requests)
    const started = performance.now()
    await this.#spread(requests, async (lane, index) => {
      const visitor = this.#visitorFor(scenario, lane)
      const sent = performance.now()
      await visit(lane.connection, visitor, scenario)
      latencies[index] = performance.now() - sent
    })
    return { seconds: (performance.now() - started) / 1000, latencies }
  }

  /** Every visitor's session holds what it must, or this throws. */
  async checkSessions() {
    if (!this.#keepsSessions) return
    await Promise.all(this.#lanes.map(checkLane))
  }

  /** Those that windows go around. */
  get sessions() {
    return this.#lanes.reduce((sum, { visitors }) => sum + visitors.length, 0)
  }

  close() {
    for (const { connection } of this.#lanes) connection.close()
  }

  /** @param {number} count @param {(lane: typeof this.#lanes[0], index: number) => Promise<void>} task */
  async #spread(count, task) {
    let index = 0
    const work = async (lane) => {
      while (index < count) {
        const mine = index
        index += 1
        await task(lane, mine)
      }
    }
    await Promise.all(this.#lanes.map(work))
  }

  #visitorFor(scenario, lane) {
    if (scenario.newVisitors) return this.#passingVisitor(lane)
    return scenario.usesUp ? this.#leavingVisitor(lane) : this.#nextVisitor(lane)
  }

  #newVisitor() {
    this.#lastNumber += 1
    return new Visitor(this.#lastNumber, this.#keepsSessions)
  }

  #passingVisitor(lane) {
    const visitor = this.#newVisitor()
    if (visitor.number % KEEP_ONE_IN === 0) lane.visitors.push(visitor)
    return visitor
  }

  #leavingVisitor(lane) {
    const visitor = this.#usedUp.pop()
    if (visitor.number % KEEP_ONE_IN === 0) lane.visitors.push(visitor)
    return visitor
  }

  #nextVisitor(lane) {
    const visitor = lane.visitors[lane.next % lane.visitors.length]
    lane.next += 1
    return visitor
  }
}

async function checkLane({ connection, visitors }) {
  for (const visitor of visitors) await checkSession(connection, visitor)
}
