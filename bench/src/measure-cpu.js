import { Participant } from './participant.js'
import { scenarios } from './scenarios.js'
import { median, quantile } from './statistics.js'

/** Requests whose figures are thrown away: by then the hot functions are compiled. */
const WARM_UP = 4000

/**
 * @typedef {object} CpuFigures
 * @property {string} subject
 * @property {number} cpu microseconds a request, median over the rounds
 * @property {number} overBare microseconds a request over the same server without sessions in the same round, median over the rounds
 * @property {[number, number]} overBareQuartiles
 * @property {number} requestsPerSecond median over the rounds
 * @property {number} p50 milliseconds, of all requests
 * @property {number} p99
 * @property {number} operations on the storage server, a request
 * @property {number} writes of them
 * @property {number[]} cpuOfRounds
 *
 * @typedef {object} Surroundings
 * @property {Map<string, import('./storage/storage.js').Storage>} storages
 * @property {import('./stop-list.js').StopList} stopList
 */

/**
 * Runs one scenario: fresh servers, sessions, rounds to warm up, then the rounds. In a round every subject has one
 * window, so that whatever else slows the machine down for a while meets them all.
 *
 * @param {string} name
 * @param {import('./options.js').Options} options
 * @param {Surroundings} surroundings
 * @returns {Promise<CpuFigures[]>}
 */
export async function measureCpu(name, options, surroundings) {
  const participants = await startAll(options, surroundings)
  const scenario = scenarios[name]
  for (const participant of participants) {
    await participant.createSessions(options.sessions)
  }
  await runRounds(participants, scenario, { ...options, rounds: Math.ceil(WARM_UP / options.requests) })
  const samples = await runRounds(participants, scenario, options)
  for (const participant of participants) {
    await participant.checkSessions()
    await participant.stop()
  }
  const of = (name) => samples[participants.findIndex(({ subject }) => subject.name === name)]
  return participants.map(({ subject: { name, base = name } }) => summarise(name, of(name), of(base)))
}

async function startAll({ subjects, connections, size }, surroundings) {
  const participants = []
  const settings = { ...surroundings, connections, size }
  for (const subject of subjects) participants.push(await Participant.start(subject, settings))
  return participants
}

/** @returns {Promise<import('./participant.js').Sample[][]>} by participant, then by round */
async function runRounds(participants, scenario, { rounds, requests }) {
  const samples = participants.map(() => [])
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, participant] of participants.entries()) {
      samples[index].push(await participant.measure(scenario, requests))
    }
  }
  return samples
}

/**
 * @param {string} subject
 * @param {import('./participant.js').Sample[]} samples
 * @param {import('./participant.js').Sample[]} bare without sessions, of the same rounds
 * @returns {CpuFigures}
 */
function summarise(subject, samples, bare) {
  const over = samples.map(({ cpu }, round) => cpu - bare[round].cpu)
  const latencies = samples.flatMap((sample) => [...sample.latencies])
  return {
    subject,
    cpu: median(samples.map((sample) => sample.cpu)),
    overBare: median(over),
    overBareQuartiles: [quantile(over, 0.25), quantile(over, 0.75)],
    requestsPerSecond: median(samples.map((sample) => sample.requestsPerSecond)),
    p50: quantile(latencies, 0.5),
    p99: quantile(latencies, 0.99),
    operations: median(samples.map((sample) => sample.operations)),
    writes: median(samples.map((sample) => sample.writes)),
    cpuOfRounds: samples.map((sample) => sample.cpu),
  }
}
