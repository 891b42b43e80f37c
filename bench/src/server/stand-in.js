import { newSessionData } from '../session-data.js'

/** What handlers work on where there are no sessions: one object for all of them. @param {string} size */
export function standIn(size) {
  return Object.assign(Object.create({ destroy: (done) => done() }), newSessionData(0, size))
}
