import { type OutgoingHttpHeaders, ServerResponse } from 'node:http'

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

/* Node's are a copy; a stand-in's may be the thing itself. */
function headersOf(res: ServerResponse): OutgoingHttpHeaders {
  const headers = res.getHeaders()
  return res instanceof ServerResponse ? headers : { ...headers }
}
