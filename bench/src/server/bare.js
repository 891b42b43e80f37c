import { standIn } from './stand-in.js'

/** No session at all: the handlers work on one object that is always there. */
export async function createSubject({ size }) {
  const session = standIn(size)
  return {
    middleware: (req, _res, next) => {
      req.session = session
      next()
    },
  }
}
