import { hasHost, hostOf } from '../session/session.js'
import { SessionUse } from './session-use.js'

/* By request; only of those whose session was ended or taken off, so that others cost nothing. */
const ended = new WeakMap<object, SessionUse>()

/** The request has no session any more. */
export function rememberEnded(req: object, handle: SessionUse): void {
  ended.set(req, handle)
}

/** What a request that the middleware serves has, or had, of a session; `undefined`: the middleware does not serve it, as far as can be told. */
export function handleOf(req: object): SessionUse | undefined {
  const { session } = req as { session?: unknown }
  if (!hasHost(session)) return ended.get(req)
  const host = hostOf(session)
  return host instanceof SessionUse ? host : undefined
}
