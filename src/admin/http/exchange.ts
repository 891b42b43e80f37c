import type { IncomingMessage } from 'node:http'
import type { AdminRoute } from './routes.js'

/** A request with what the checks and the routes need to know of it. */
export interface Exchange {
  readonly req: IncomingMessage
  readonly method: string
  readonly route: AdminRoute
  readonly query: URLSearchParams
  /** The client's network address. */
  readonly address: string
  /** What limits count together, see `networkOf`. */
  readonly network: string
  /** Whether the page was asked for without its final slash, so that links in it would lead elsewhere. */
  readonly slashMissing: boolean
}

/** What frameworks in the style of Express add to a request. */
interface MountedRequest extends IncomingMessage {
  /** The URL before a mount point was taken off. */
  readonly originalUrl?: unknown
}

/** Path and query of a request's target; `undefined`: not in origin form (RFC 9112, 3.2.1), or not below `basePath`. */
export function targetOf(req: IncomingMessage, basePath: string) {
  const url = req.url ?? ''
  const mark = url.indexOf('?')
  const whole = mark === -1 ? url : url.slice(0, mark)
  const below = whole === basePath || whole.startsWith(`${basePath}/`) ? whole.slice(basePath.length) : undefined
  if (!url.startsWith('/') || below === undefined) return undefined
  return { path: below === '' ? '/' : below, query: new URLSearchParams(mark === -1 ? '' : url.slice(mark + 1)) }
}

export function isSlashMissing(req: MountedRequest): boolean {
  const url = typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '')
  return !(url.split('?', 1)[0] ?? '').endsWith('/')
}

/** The last part of the path that was asked for, as a relative link to the same with a slash. */
export function linkWithSlash(req: MountedRequest): string {
  const url = typeof req.originalUrl === 'string' ? req.originalUrl : (req.url ?? '')
  const path = url.split('?', 1)[0] ?? ''
  return `./${path.slice(path.lastIndexOf('/') + 1)}/`
}

/** A header that must not stand there twice to be believed. */
export function headerOf(req: IncomingMessage, name: string): string | undefined {
  const value = req.headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
