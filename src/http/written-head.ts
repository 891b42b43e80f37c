import type { ServerResponse } from 'node:http'

/** Headers that are given to writeHead replace those that were set: cookies among them would take ours with them. */
export function keepCookies(res: ServerResponse, args: unknown[]): void {
  const headers = args.at(-1)
  if (Array.isArray(headers)) {
    args[args.length - 1] = keepCookiesOfList(res, flatList(headers))
    return
  }
  if (typeof headers !== 'object' || headers === null) return
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() !== 'set-cookie') continue
    const { [name]: cookies, ...others } = headers as Record<string, string | string[]>
    res.setHeader('Set-Cookie', cookies as string | string[])
    args[args.length - 1] = others
  }
}

/* Node takes a list of pairs only while no other header is set, and ours may be. */
function flatList(headers: unknown[]): unknown[] {
  return Array.isArray(headers[0]) ? headers.flat() : headers
}

/* Names and values in turn. */
function keepCookiesOfList(res: ServerResponse, headers: unknown[]): unknown[] {
  const cookies: string[] = []
  const others: unknown[] = []
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (String(headers[i]).toLowerCase() === 'set-cookie') cookies.push(...([headers[i + 1]].flat() as string[]))
    else others.push(headers[i], headers[i + 1])
  }
  if (cookies.length === 0) return headers
  res.setHeader('Set-Cookie', cookies)
  return others
}
