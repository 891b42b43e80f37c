import { Load } from './load/load.js'
import { scenarios } from './scenarios.js'
import { SubjectProcess } from './subject-process.js'

/**
 * @typedef {object} Sample what one window showed
 * @property {number} cpu microseconds of the server's CPU time a request
 * @property {number} requestsPerSecond
 * @property {Float64Array} latencies milliseconds
 * @property {number} operations on the storage server, a request
 * @property {number} writes of them
 */

/** A subject that takes part in a scenario: its server, its storage, its visitors. */
export class Participant {
  #server
  #load
  #storage

  /** @param {SubjectProcess} server @param {Load} load @param {import('./storage/storage.js').Storage} [storage] */
  constructor(server, load, storage) {
    this.#server = server
    this.#load = load
    this.#storage = storage
  }

  /**
   * @param {import('./subjects.js').Subject} subject
   * @param {object} surroundings
   * @param {Map<string, import('./storage/storage.js').Storage>} surroundings.storages
   * @param {import('./stop-list.js').StopList} surroundings.stopList
   * @param {number} surroundings.connections
   * @param {string} surroundings.size of a session
   * @param {boolean} [surroundings.exposeGc]
   */
  static async start(subject, { storages, stopList, connections, size, exposeGc }) {
    const storage = storages.get(subject.storage)
    const server = new SubjectProcess(subject, { storagePorts: storage?.ports, size, exposeGc })
    stopList.add(() => server.stop())
    const load = await Load.open(await server.port(), connections, subject.keepsSessions)
    return new Participant(server, load, storage)
  }

  get subject() {
    return this.#server.subject
  }

  /** Creates sessions and makes sure that the storage server, if there is one, has them all. @param {number} count */
  async createSessions(count) {
    const before = await this.#counts()
    await this.#server.alive(this.#load.createSessions(count))
    await this.#server.settle()
    const stored = (await this.#counts()).items - before.items
    if (this.#storage !== undefined && stored < count) {
      throw new Error(`${this.subject.name}: only ${stored} of ${count} sessions are in the storage`)
    }
  }

  /** @param {import('./scenarios.js').Scenario} scenario @param {number} requests @returns {Promise<Sample>} */
  async measure(scenario, requests) {
    await this.#warm(scenario)
    if (scenario.usesUp) await this.#server.alive(this.#load.prepare(requests))
    await this.#server.settle()
    const counts = await this.#counts()
    const cpu = await this.#server.cpuTime()
    const { seconds, latencies } = await this.#server.alive(this.#load.run(scenario, requests))
    await this.#server.settle()
    const cpuUsed = (await this.#server.cpuTime()) - cpu
    const { operations, writes } = await this.#counts()
    return {
      cpu: cpuUsed / requests,
      requestsPerSecond: requests / seconds,
      latencies,
      operations: (operations - counts.operations) / requests,
      writes: (writes - counts.writes) / requests,
    }
  }

  /**
   * Each session is used once before a window: between two of them the others have their turn, which may take longer than a server
   * trusts what it has.
   */
  async #warm(scenario) {
    if (scenario.newVisitors || scenario.usesUp) return
    await this.#server.alive(this.#load.run(scenarios.read, this.#load.sessions))
  }

  memory() {
    return this.#server.memory()
  }

  checkSessions() {
    return this.#server.alive(this.#load.checkSessions())
  }

  stop() {
    this.#load.close()
    return this.#server.stop()
  }

  async #counts() {
    return (await this.#storage?.counts()) ?? { items: 0, operations: 0, writes: 0 }
  }
}
