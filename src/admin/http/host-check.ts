import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { globMatches } from '../mbean/glob.js'

const DEFAULT_PORT = 80
const form = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?$/

/**
 * Says whether a request's Host header names us. A page of another site that has its own name point here (DNS rebinding) sends its own
 * name, and counts as same-origin for the browser: only this check stops it. An address is no name: nobody can make that of another
 * site lead here, so whoever asks by an address is let through, as those do that scrape a pod.
 */
export type HostCheck = (req: IncomingMessage) => boolean

/** Of the stand-alone server: loopback names and the listening name with the port, addresses, and the configured names. */
export function hostsOfListener(listenHost: string, allowedHosts: readonly string[]): HostCheck {
  return checkOf(['localhost', listenHost.toLowerCase()], allowedHosts, ({ socket }) => socket.localPort)
}

/** Below an application: loopback names with any port, addresses, and the configured names. */
export function hostsOfApplication(allowedHosts: readonly string[]): HostCheck {
  return checkOf(['localhost'], allowedHosts, undefined)
}

function checkOf(
  own: readonly string[],
  allowedHosts: readonly string[],
  portOf: ((req: IncomingMessage) => number | undefined) | undefined,
): HostCheck {
  const allowed = allowedHosts.map((pattern) => pattern.toLowerCase())
  return (req) => {
    const host = req.headers.host?.toLowerCase() ?? ''
    const [, name, port] = form.exec(host) ?? []
    if (name === undefined) return false
    if (isAddress(name) || allowed.some((pattern) => globMatches(pattern, host))) return true
    return own.includes(name) && (portOf === undefined || Number(port ?? DEFAULT_PORT) === portOf(req))
  }
}

/** The unspecified address is nobody's, and browsers have led it to this machine: who sends it has no good reason. */
function isAddress(name: string): boolean {
  const address = name.replace(/^\[|\]$/g, '')
  return isIP(address) !== 0 && !/^[0.:]+$/.test(address)
}
