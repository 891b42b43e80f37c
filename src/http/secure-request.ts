import type { IncomingMessage } from 'node:http'

/**
 * Whether the visitor's connection is encrypted: by its own TLS; with `proxy` true, by what `X-Forwarded-Proto` says first;
 * with `proxy` undefined, by what Express makes of its "trust proxy" setting.
 */
export function isSecure(req: IncomingMessage & { secure?: boolean | undefined }, proxy: boolean | undefined): boolean {
  const socket = req.socket as { encrypted?: boolean } | undefined
  if (socket?.encrypted === true) return true
  if (proxy === false) return false
  if (proxy === undefined) return req.secure === true
  const header = req.headers['x-forwarded-proto']
  const first = (Array.isArray(header) ? header[0] : header)?.split(',')[0]
  return first?.trim().toLowerCase() === 'https'
}
