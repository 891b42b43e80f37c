import { Expected, expected, readQuery, readTlsParameters, tlsParameters } from '../address/address-query.js'
import {
  type HostAndPort,
  isSocketPath,
  percentDecode,
  printHostPort,
  readHostPort,
  readSocketPath,
} from '../address/host.js'
import type { TlsFiles } from '../address/tls-files.js'

/** memcached's two protocols: the older one with binary headers, and the meta commands of its text protocol. */
export type MemcachedProtocol = 'binary' | 'meta'

/** A memcached server, or a node that speaks its protocols, or memory. */
export interface MemcachedAddress {
  /** `[A-Za-z0-9_-]+`; `undefined`: the one anonymous node. */
  id: string | undefined
  scheme: 'memcached' | 'embedded' | 'memory'
  /** IPv6 addresses without brackets; a path that begins with `/`: a unix socket. */
  host: string
  /** 0 for `memory://` and unix sockets. */
  port: number
  username: string | undefined
  password: string | undefined
  /** `undefined`: found out with each connection. */
  protocol?: MemcachedProtocol | undefined
  tls?: TlsFiles | undefined
  /** The address for people: `memcached://host:port`, without credentials. */
  label: string
}

/** How servers of this kind are called. */
export const memcachedKind = { protocol: 'memcached', schemes: ['memcached://', 'memcacheds://'] } as const

export const memcachedSchemes: readonly string[] = ['memcached', 'memcacheds', 'embedded']

const memcachedPort = 11211
const restPattern = /^([^?#]*?)\/?(?:\?([^#]*))?$/

/**
 * Reads what follows the scheme of `memcached://`, `memcacheds://` and `embedded://`.
 *
 * @param scheme one of `memcachedSchemes`
 * @param login `user:password`, percent-encoded
 * @returns what was expected instead, as a text, when it can't be read
 */
export function readMemcachedAddress(
  id: string | undefined,
  scheme: string,
  login: string | undefined,
  rest: string,
): MemcachedAddress | string {
  try {
    return read(id, scheme, login, rest)
  } catch (error) {
    if (error instanceof Expected) return error.message
    throw error
  }
}

function read(id: string | undefined, scheme: string, login: string | undefined, rest: string): MemcachedAddress {
  const embedded = scheme === 'embedded'
  const encrypted = scheme === 'memcacheds'
  if (embedded && login !== undefined) expected('embedded://host:port: an embedded node knows no login')
  const [, server = '', query = ''] = restPattern.exec(rest) ?? []
  const address = readPlace(server, scheme)
  if (typeof address === 'string') return expected(address)
  const parameters = readQuery(query, ['protocol', ...(encrypted ? tlsParameters : [])])
  const protocol = readProtocol(parameters.get('protocol'), encrypted)
  return {
    id,
    scheme: embedded ? 'embedded' : 'memcached',
    ...address,
    ...readLogin(login),
    ...(protocol !== undefined && { protocol }),
    ...(encrypted && { tls: readTlsParameters(parameters) }),
    label: `${scheme}://${printHostPort(address)}`,
  }
}

function readPlace(server: string, scheme: string): HostAndPort | string {
  if (scheme === 'memcached' && isSocketPath(server))
    return readSocketPath(server, 'memcached:///path of the unix socket')
  return readHostPort(server, `${scheme}://host:port`, scheme === 'embedded' ? undefined : memcachedPort)
}

function readProtocol(text: string | undefined, encrypted: boolean): MemcachedProtocol | undefined {
  if (text !== undefined && text !== 'binary' && text !== 'meta') expected('binary or meta as the protocol')
  if (text === 'binary' && encrypted) expected('the protocol meta: the binary one has no TLS here')
  return text as MemcachedProtocol | undefined
}

function readLogin(login: string | undefined): Pick<MemcachedAddress, 'username' | 'password'> {
  if (login === undefined) return { username: undefined, password: undefined }
  const colon = login.indexOf(':')
  const username = percentDecode(login.slice(0, colon))
  const password = percentDecode(login.slice(colon + 1))
  if (colon < 1 || !username || !password) expected('a login of the form user:password, percent-encoded')
  return { username, password }
}
