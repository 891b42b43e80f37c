import { newSessionData } from '../session-data.js'

/** No session at all: the handlers work on one object that is always there. */
export async function createSubject() {
  const standIn = newSessionData(0)
  return {
    middleware: (req, _res, next) => {
      req.session = standIn
      next()
    },
    settle: async () => {},
    close: async () => {},
  }
}
