import { isIPv4, isIPv6 } from 'node:net'

/** A server in an address. */
export interface HostAndPort {
  /** IPv6 addresses without brackets; a path that begins with `/`: a unix socket. */
  host: string
  /** 0 for a unix socket. */
  port: number
}

const socketPathPattern = /^\/[^\s?#]{1,100}$/

/** Whether a host is the path of a unix socket. */
export function isSocketPath(host: string): boolean {
  return host.startsWith('/')
}

/** Reads the path of a unix socket. @returns what was expected instead, as a text, when it is something else */
export function readSocketPath(text: string, form: string): HostAndPort | string {
  const path = percentDecode(text)
  return path !== undefined && socketPathPattern.test(path) ? { host: path, port: 0 } : form
}

const hostPortPattern = /^(\[[^\]]*\]|[^:@/?#[\]]+)(?::(\d{1,5}))?\/?$/
const hostNamePattern = /^(?=.*[A-Za-z_])[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?$/

/**
 * Reads `host[:port]`, an IPv6 address in brackets.
 *
 * @param form how the whole is to look, for the message
 * @param defaultPort `undefined`: the port has to be given
 * @returns what was expected instead, as a text, when it is something else
 */
export function readHostPort(text: string, form: string, defaultPort: number | undefined): HostAndPort | string {
  const [, hostText = '', portText] = hostPortPattern.exec(text) ?? []
  const host = readHost(hostText)
  if (host === undefined) return `${form}, an IPv6 address in brackets`
  const port = portText === undefined ? defaultPort : Number(portText)
  if (port === undefined) return `${form} with a port`
  return port < 1 || port > 65535 ? 'a port from 1 to 65535' : { host, port }
}

/** `host:port`, or the path of a unix socket, for people and for labels. */
export function printHostPort({ host, port }: HostAndPort): string {
  if (isSocketPath(host)) return host
  return `${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/** Percent-decoded; `undefined` when the text is not well encoded. */
export function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function readHost(text: string): string | undefined {
  if (!text.startsWith('[')) return isIPv4(text) || hostNamePattern.test(text) ? text : undefined
  const address = text.slice(1, -1)
  return isIPv6(address) ? address : undefined
}
