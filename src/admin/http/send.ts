import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Reply } from './reply.js'

/** For everything that is no page: nothing of it may run or be framed, should a browser show it. */
const apiPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/** For the page: its own scripts, styles and images, and requests to where it came from; nothing inline. */
export const pagePolicy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
  "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

const common = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Content-Security-Policy': apiPolicy,
}

/** Sends a reply with the headers that all have. A body that was not read to its end is not waited for. */
export function send(req: IncomingMessage, res: ServerResponse, reply: Reply): void {
  if (res.headersSent || res.destroyed) return
  res.statusCode = reply.status
  res.removeHeader('X-Powered-By')
  for (const [name, value] of Object.entries({ ...common, ...reply.headers })) res.setHeader(name, value)
  if (!req.complete && !req.readableEnded) res.setHeader('Connection', 'close')
  if (reply.status !== 204) res.setHeader('Content-Length', Buffer.byteLength(reply.body))
  if (req.method === 'HEAD' || reply.status === 204) res.end()
  else res.end(reply.body)
}
