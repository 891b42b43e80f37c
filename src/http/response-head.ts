import { ServerResponse } from 'node:http'

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
  const headers = { ...res.getHeaders() }
  return () => {
    if (res.headersSent) return
    res.statusCode = statusCode
    if (hasMessage && res.statusMessage !== message) res.statusMessage = message
    for (const name of Object.keys(res.getHeaders())) if (headers[name] === undefined) res.removeHeader(name)
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined && res.getHeader(name) !== value) res.setHeader(name, value)
    }
  }
}
