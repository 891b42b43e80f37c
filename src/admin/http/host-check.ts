import type { IncomingMessage } from 'node:http'

const DEFAULT_PORT = 80

/**
 * Says whether a request's Host header names us. A page of another site that has its own name point here (DNS rebinding) sends its own
 * name, and counts as same-origin for the browser: only this check stops it.
 */
export type HostCheck = (req: IncomingMessage) => boolean

/** Of the stand-alone server: loopback names and the listening address with the port, and the configured names. */
export function hostsOfListener(listenHost: string, allowedHosts: readonly string[]): HostCheck {
  const names = ['localhost', '127.0.0.1', '[::1]', listenHost.includes(':') ? `[${listenHost}]` : listenHost]
  const own = new Set(names.map((name) => name.toLowerCase()))
  const allowed = lowerCased(allowedHosts)
  return (req) => {
    const host = req.headers.host?.toLowerCase()
    if (host === undefined) return false
    const [name, port] = splitPort(host)
    return allowed.has(host) || (own.has(name) && port === req.socket.localPort)
  }
}

/** Below an application, which may have any name: the configured names, or all where there are none. */
export function hostsOfApplication(allowedHosts: readonly string[]): HostCheck {
  const allowed = lowerCased(allowedHosts)
  return (req) => allowed.size === 0 || allowed.has(req.headers.host?.toLowerCase() ?? '')
}

function lowerCased(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.map((name) => name.toLowerCase()))
}

function splitPort(host: string): [string, number] {
  const match = /^(.*):(\d{1,5})$/.exec(host)
  return match === null ? [host, DEFAULT_PORT] : [match[1] ?? '', Number(match[2])]
}
