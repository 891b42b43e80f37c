import { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import type { Session, SessionData } from '../session/session.js'
import type { SessionRequest } from './request-scope.js'
import { refusalOf } from './response-head.js'
import type { SessionMiddleware } from './session-middleware.js'

/** What is asked of a `Request` of the Fetch standard. */
export interface FetchRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers
}

/** One request of the Fetch standard with its session. */
export interface RequestSession {
  /** As `req.session`; assigning `null` takes it off the request. `undefined`: the request needs none (`ignore`, `cookie.path`). */
  session: (Session & Partial<SessionData>) | null | undefined
  /**
   * Ends the use of the session, and stores what was changed as the mode says it; to be called once for each request, whatever it came to.
   * @param headers of the response: what tells the cookie is added to them
   * @throws LockLostError (503) when nothing counts of what was changed under the session's lock; UnstorableError (500) when a change can't be
   * stored at all
   */
  commit(headers: Headers): Promise<void>
}

/** Takes a request of the Fetch standard through the middleware, by stand-ins for what Node would have given. */
export async function sessionForRequest(
  middleware: SessionMiddleware,
  { method, url, headers }: FetchRequest,
): Promise<RequestSession> {
  const { protocol, pathname, search } = new URL(url)
  const socket = socketOf(protocol === 'https:')
  const req: SessionRequest = new IncomingMessage(socket)
  req.method = method
  req.url = pathname + search
  for (const [name, value] of headers) req.headers[name] = value
  const res = new ServerResponse(req)
  res.assignSocket(socket)
  await new Promise<void>((resolve, reject) => {
    middleware(req, res, (error) => (error === undefined ? resolve() : reject(error)))
  })
  return {
    get session() {
      return req.session as RequestSession['session']
    },
    set session(session) {
      req.session = session
    },
    commit: (given) => commit(res, given),
  }
}

async function commit(res: ServerResponse, headers: Headers): Promise<void> {
  const cacheControl = headers.get('cache-control')
  if (cacheControl !== null) res.setHeader('Cache-Control', cacheControl)
  const ended = new Promise<void>((resolve) => res.once('prefinish', resolve))
  res.end()
  await ended
  res.emit('close')
  const refusal = refusalOf(res)
  if (refusal !== undefined) throw refusal
  for (const cookie of [res.getHeader('Set-Cookie') ?? []].flat()) headers.append('Set-Cookie', String(cookie))
  const ours = res.getHeader('Cache-Control')
  if (cacheControl === null && ours !== undefined) headers.set('Cache-Control', String(ours))
}

/* What comes there leads nowhere; it tells whether the visitor's connection is encrypted. */
function socketOf(encrypted: boolean): Socket {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
  return Object.assign(sink, { encrypted }) as unknown as Socket
}
