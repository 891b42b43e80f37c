import { IncomingMessage } from 'node:http'
import { Http2ServerRequest } from 'node:http2'

const prepared = new WeakSet<object>()

/*
 * `req.sessionID` follows the session of the request. It stands on the prototype of an application's requests, not on each
 * request: a property that is added to a request costs more than all else that is done for one which only passes.
 */
const property: PropertyDescriptor & ThisType<{ session?: unknown }> = {
  configurable: true,
  enumerable: true,
  get() {
    const session = this.session as { id?: unknown } | null | undefined
    return session?.id
  },
  set(id: unknown) {
    ownSessionId(this, id)
  },
}

/** Gives the request a `sessionID`. */
export function provideSessionId(req: object): void {
  const prototype = Object.getPrototypeOf(req)
  if (prepared.has(prototype)) return
  if (req instanceof IncomingMessage || req instanceof Http2ServerRequest) {
    prepared.add(prototype)
    Object.defineProperty(prototype, 'sessionID', property)
    return
  }
  /* A stand-in (a handshake object, say), whose prototype is not ours to change. */
  Object.defineProperty(req, 'sessionID', property)
}

/** Has the request's `sessionID` follow its session again. */
export function followSessionId(req: object): void {
  if (prepared.has(Object.getPrototypeOf(req))) Reflect.deleteProperty(req, 'sessionID')
  else Object.defineProperty(req, 'sessionID', property)
}

/** Fixes the id of a request whose session ended. */
export function ownSessionId(req: object, id: unknown): void {
  Object.defineProperty(req, 'sessionID', { value: id, configurable: true, enumerable: true, writable: true })
}
