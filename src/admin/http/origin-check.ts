import { type Exchange, headerOf } from './exchange.js'

/**
 * Finds requests that a page of another site makes a browser send (CSRF): browsers add Basic credentials by themselves. Origin alone
 * does not tell, as a plain GET has none; Sec-Fetch-Site goes only to https and localhost. So both are looked at, and who sends
 * neither, which is no current browser, is let through.
 * @returns why a request is refused; `undefined`: it is not. @see https://www.w3.org/TR/fetch-metadata/
 */
export function crossSiteReason(exchange: Exchange, allowedOrigins: ReadonlySet<string>): string | undefined {
  const origin = headerOf(exchange.req, 'origin')
  const site = headerOf(exchange.req, 'sec-fetch-site')
  const listed = origin !== undefined && allowedOrigins.has(origin.toLowerCase())
  if (origin !== undefined && !listed && !isOwn(origin, exchange)) return 'the Origin is not allowed'
  const own = site === undefined || site === 'same-origin' || site === 'none'
  if (!own && !listed && !isVisit(exchange)) return 'requests from other sites are not allowed'
  return exchange.route.kind === 'jolokia' && !hasFetchDestination(exchange)
    ? 'only fetch may use the protocol'
    : undefined
}

/** Same host and port as asked for; the scheme may differ, as TLS may end in front of us. */
function isOwn(origin: string, { req }: Exchange): boolean {
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1]?.toLowerCase()
  return host !== undefined && host === req.headers.host?.toLowerCase()
}

/** Somebody follows a link to the page: that shows it to them and tells the other site nothing. */
function isVisit({ req, method, route }: Exchange): boolean {
  return method === 'GET' && route.kind === 'asset' && isNavigation(req.headers)
}

function isNavigation(headers: Exchange['req']['headers']): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document'
}

/** Images, scripts and frames have no business here; an address that somebody typed in has. */
function hasFetchDestination({ req }: Exchange): boolean {
  const destination = headerOf(req, 'sec-fetch-dest')
  if (destination === undefined || destination === 'empty') return true
  return isNavigation(req.headers) && req.headers['sec-fetch-site'] === 'none'
}

/**
 * Whether a POST has the type that a form can't send: for a browser that means a preflight. Who sends neither Origin nor Sec-Fetch-Site
 * may send any type: some clients of the protocol send none.
 */
export function hasSafeContentType({ req }: Exchange): boolean {
  if (req.headers.origin === undefined && req.headers['sec-fetch-site'] === undefined) return true
  return /^application\/json\s*(;|$)/i.test(headerOf(req, 'content-type') ?? '')
}

/** Headers that let pages of listed origins read the answer. */
export function corsHeaders({ req }: Exchange, allowedOrigins: ReadonlySet<string>, withLogin: boolean) {
  if (allowedOrigins.size === 0) return {}
  const origin = headerOf(req, 'origin')
  if (origin === undefined || !allowedOrigins.has(origin.toLowerCase())) return { Vary: 'Origin' }
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': origin,
    ...(withLogin && { 'Access-Control-Allow-Credentials': 'true' }),
  }
}

/** Further headers of the answer to a preflight. */
export function preflightHeaders({ req }: Exchange): Record<string, string> {
  const asked = headerOf(req, 'access-control-request-headers') ?? ''
  return {
    'Access-Control-Allow-Methods': 'GET, POST',
    ...(/^[\w\-, ]{1,500}$/.test(asked) && { 'Access-Control-Allow-Headers': asked }),
    'Access-Control-Max-Age': '7200',
  }
}
