const ROUTE = /^[A-Za-z0-9_]{1,64}$/

/**
 * The route that a request's session id names: what follows the last dot of the first cookie called `name`. Says nothing
 * about whether there is such a server: a client can send what it likes.
 */
export function routeOf(cookieHeader: string | undefined, name: string): string | undefined {
  const value = cookieHeader
    ?.split(';')
    .map(splitPair)
    .find((pair) => pair.name === name)?.value
  if (value === undefined) return undefined
  const route = value.slice(value.lastIndexOf('.') + 1)
  return value.includes('.') && ROUTE.test(route) ? route : undefined
}

function splitPair(text: string): { name: string; value: string } {
  const equals = text.indexOf('=')
  return { name: text.slice(0, Math.max(equals, 0)).trim(), value: text.slice(equals + 1).trim() }
}
