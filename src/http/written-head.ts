import type { ServerResponse } from 'node:http'

/**
 * Headers that are given to writeHead replace those that were set: cookies among them would take ours with them, and what they say
 * of caches decides about ours.
 */
export function settleHead(res: ServerResponse, args: unknown[]): void {
  const headers = args.at(-1)
  if (Array.isArray(headers)) {
    args[args.length - 1] = settleList(res, flatList(headers))
    return
  }
  if (typeof headers !== 'object' || headers === null) return
  for (const name of Object.keys(headers)) {
    if (!isOurs(name)) continue
    const { [name]: value, ...others } = args[args.length - 1] as Record<string, string | string[]>
    res.setHeader(name, value as string | string[])
    args[args.length - 1] = others
  }
}

function isOurs(name: string): boolean {
  const { length } = name
  return (
    (length === 10 && name.toLowerCase() === 'set-cookie') || (length === 13 && name.toLowerCase() === 'cache-control')
  )
}

/* Node takes a list of pairs only while no other header is set, and ours may be. */
function flatList(headers: unknown[]): unknown[] {
  return Array.isArray(headers[0]) ? headers.flat() : headers
}

/* Names and values in turn. */
function settleList(res: ServerResponse, headers: unknown[]): unknown[] {
  const ours = new Map<string, string[]>()
  const others: unknown[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = String(headers[i]).toLowerCase()
    if (isOurs(name)) ours.set(name, [...(ours.get(name) ?? []), ...([headers[i + 1]].flat() as string[])])
    else others.push(headers[i], headers[i + 1])
  }
  for (const [name, values] of ours) res.setHeader(name, values)
  return ours.size === 0 ? headers : others
}
