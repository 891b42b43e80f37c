import { type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import type { HttpStatusError } from '../errors.js'

/**
 * Remembers status and headers of a response that was ended and not sent yet, as Node would have sent them: who believes, as
 * `headersSent` is still false, that it can be answered otherwise (an error handler, say) must not mix two answers.
 *
 * @returns what puts them back.
 */
export function rememberHead(res: ServerResponse): () => void {
  if (res.headersSent || typeof res.getHeaders !== 'function') return () => {}
  const { statusCode } = res
  /* HTTP/2 has none, and warns when it is asked for. */
  const hasMessage = res instanceof ServerResponse
  const message = hasMessage ? res.statusMessage : ''
  const headers = headersOf(res)
  return () => {
    if (res.headersSent) return
    res.statusCode = statusCode
    if (hasMessage && res.statusMessage !== message) res.statusMessage = message
    const current = headersOf(res)
    for (const name of Object.keys(current)) if (headers[name] === undefined) res.removeHeader(name)
    for (const name of Object.keys(headers)) {
      const value = headers[name]
      if (value !== undefined && current[name] !== value) res.setHeader(name, value)
    }
  }
}

/** What says of a body what does not hold of another one. */
const ofTheBody =
  /^(content-|transfer-encoding$|etag$|last-modified$|accept-ranges$|cache-control$|expires$|location$|refresh$)/

const refused = new WeakMap<ServerResponse, HttpStatusError>()

/** What a response has said in the place of what the application has given it; `undefined`: nothing. */
export function refusalOf(res: ServerResponse): HttpStatusError | undefined {
  return refused.get(res)
}

/** Gives a response that was not sent yet the meaning of an error. @returns what to end it with. */
function answerWith(res: ServerResponse, error: HttpStatusError): [string] {
  refused.set(res, error)
  for (const name of res.getHeaderNames()) if (ofTheBody.test(name)) res.removeHeader(name)
  res.statusCode = error.status
  if (res instanceof ServerResponse) res.statusMessage = ''
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value)
  res.setHeader('Cache-Control', 'no-store')
  res.setHeader('Content-Type', 'text/plain; charset=utf-8')
  res.setHeader('Content-Length', Buffer.byteLength(error.message))
  return [error.message]
}

/** What a response ends with: what the application has given it or, while nothing has gone, the refusal. */
export function answerOf(res: ServerResponse, refusal: HttpStatusError | undefined, args: unknown[]): unknown[] {
  return refusal === undefined || res.headersSent ? args : answerWith(res, refusal)
}

/* Node's are a copy; a stand-in's may be the thing itself. */
function headersOf(res: ServerResponse): OutgoingHttpHeaders {
  const headers = res.getHeaders()
  return res instanceof ServerResponse ? headers : { ...headers }
}
