import { Participant } from './participant.js'

/** Sessions that are created before the first look, so that compiled code and pools are not counted. */
const WARM_UP = 1000

/**
 * @typedef {object} MemoryFigures
 * @property {string} subject
 * @property {number} live bytes a session of JavaScript objects and buffers, after a collection
 * @property {number} resident bytes a session by which the process grew, as the system sees it
 */

/**
 * Creates many sessions through requests, one server after the other, and divides what the process has grown by.
 *
 * @param {import('./options.js').Options} options
 * @param {import('./measure-cpu.js').Surroundings} surroundings
 * @returns {Promise<MemoryFigures[]>}
 */
export async function measureMemory(options, surroundings) {
  const figures = []
  for (const subject of options.subjects) figures.push(await measureSubject(subject, options, surroundings))
  return figures
}

/** @returns {Promise<MemoryFigures>} */
async function measureSubject(subject, { connections, memorySessions, size }, surroundings) {
  const participant = await Participant.start(subject, { ...surroundings, connections, size, exposeGc: true })
  await participant.createSessions(WARM_UP)
  const before = await participant.memory()
  await participant.createSessions(memorySessions)
  const after = await participant.memory()
  await participant.checkSessions()
  await participant.stop()
  return {
    subject: subject.name,
    live: (after.live - before.live) / memorySessions,
    resident: (after.resident - before.resident) / memorySessions,
  }
}
