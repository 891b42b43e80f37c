import { Expected, expected, readQuery, readTlsParameters, tlsParameters } from '../address/address-query.js'
import { type HostAndPort, percentDecode, printHostPort, readHostPort, readSocketPath } from '../address/host.js'
import type { TlsFiles } from '../address/tls-files.js'

/** How the servers behind one address belong together. */
export type RedisTopology = 'single' | 'sentinel' | 'cluster'

/** Where a storage node on Redis is. Credentials are in here: print `label`, never the whole. */
export interface RedisAddress {
  /** `[A-Za-z0-9_]+`; `undefined`: the one anonymous node. */
  id: string | undefined
  scheme: 'redis'
  topology: RedisTopology
  /** The first of `hosts`. */
  host: string
  port: number
  /** The server itself, the Sentinels, or some of the cluster's servers. */
  hosts: readonly HostAndPort[]
  /** The group's name in the Sentinels. */
  masterName: string | undefined
  database: number
  /** With a password and no user, the server's default user logs in. */
  username: string | undefined
  password: string | undefined
  sentinelUsername: string | undefined
  sentinelPassword: string | undefined
  tls: TlsFiles | undefined
  /** The address for people, without credentials and query. */
  label: string
}

/* What is said in a unix socket leaves the machine nowhere: it needs no TLS. */
export const redisSchemePattern = /^(?:(rediss?)(?:\+(sentinel|cluster))?|(redis)\+unix)$/

const forms: Record<RedisTopology, string> = {
  single: '://[login@]host[:port][/database]',
  sentinel: '+sentinel://[login@]host[:port],host[:port]/name[/database]',
  cluster: '+cluster://[login@]host[:port],host[:port]',
}
const defaultPorts: Record<RedisTopology, number> = { single: 6379, sentinel: 26379, cluster: 6379 }
const maxHosts = 100
const restPattern = /^([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/
const sentinelParameters = ['sentinelUsername', 'sentinelPassword']

/**
 * Reads what follows the scheme of `redis://`, `rediss://`, `redis+sentinel://`, `redis+cluster://` and their TLS forms.
 *
 * @param scheme in lower case, matching `redisSchemePattern`
 * @param login `user:password` or `:password`, percent-encoded
 * @returns what was expected instead, as a text, when it can't be read
 */
export function readRedisAddress(
  id: string | undefined,
  scheme: string,
  login: string | undefined,
  rest: string,
): RedisAddress | string {
  try {
    return read(id, scheme, login, rest)
  } catch (error) {
    if (error instanceof Expected) return error.message
    throw error
  }
}

function read(id: string | undefined, scheme: string, login: string | undefined, rest: string): RedisAddress {
  if (scheme === 'redis+unix') return readUnix(id, login, rest)
  const [, protocol = 'redis', kind] = redisSchemePattern.exec(scheme) ?? []
  const topology = (kind ?? 'single') as RedisTopology
  const form = protocol + forms[topology]
  const [, hostsText, path = '', query = ''] = restPattern.exec(rest) ?? expected(form)
  const hosts = readHosts(hostsText as string, topology, form)
  const place = readPath(path, topology, form)
  const parameters = readQuery(query, allowedParameters(protocol, topology))
  if (parameters.has('sentinelUsername') && !parameters.has('sentinelPassword')) {
    expected('sentinelPassword beside sentinelUsername')
  }
  const end = topology === 'sentinel' ? `/${place.masterName}` : ''
  const database = place.database === 0 ? '' : `/${place.database}`
  return {
    id,
    scheme: 'redis',
    topology,
    ...(hosts[0] as HostAndPort),
    hosts,
    ...place,
    ...readLogin(login),
    sentinelUsername: parameters.get('sentinelUsername'),
    sentinelPassword: parameters.get('sentinelPassword'),
    tls: protocol === 'rediss' ? readTlsParameters(parameters) : undefined,
    label: `${scheme}://${hosts.map(printHostPort).join(',')}${end}${database}`,
  }
}

function readUnix(id: string | undefined, login: string | undefined, rest: string): RedisAddress {
  const form = 'redis+unix://[login@]/path of the unix socket[?database=0]'
  const [, path = '', query = ''] = /^([^?#]*)(?:\?([^#]*))?$/.exec(rest) ?? expected(form)
  const server = readSocketPath(path, form)
  if (typeof server === 'string') return expected(server)
  const database = readQuery(query, ['database']).get('database') ?? '0'
  if (!/^\d{1,5}$/.test(database)) expected(`a database number in ${form}`)
  return {
    id,
    scheme: 'redis',
    topology: 'single',
    ...server,
    hosts: [server],
    masterName: undefined,
    database: Number(database),
    ...readLogin(login),
    sentinelUsername: undefined,
    sentinelPassword: undefined,
    tls: undefined,
    label: `redis+unix://${server.host}${database === '0' ? '' : `?database=${database}`}`,
  }
}

function readHosts(text: string, topology: RedisTopology, form: string): HostAndPort[] {
  const texts = topology === 'single' ? [text] : text.split(/[,;]/)
  if (texts.length > maxHosts) expected(`at most ${maxHosts} hosts`)
  return texts.map((host) => {
    const address = readHostPort(host, form, defaultPorts[topology])
    return typeof address === 'string' ? expected(address) : address
  })
}

function readPath(
  path: string,
  topology: RedisTopology,
  form: string,
): { masterName: string | undefined; database: number } {
  const parts = path.replace(/\/$/, '').split('/')
  const masterName = topology === 'sentinel' ? readName(parts.shift()) : undefined
  const [database = '', ...others] = parts
  if (others.length > 0) expected(form)
  if (topology === 'cluster' && !/^0?$/.test(database)) expected('no database: a cluster has only database 0')
  if (!/^\d{0,5}$/.test(database)) expected(`a database number in ${form}`)
  return { masterName, database: Number(database) }
}

function readName(text = ''): string {
  const name = percentDecode(text)
  return name !== undefined && /^[\w.-]{1,100}$/.test(name)
    ? name
    : expected("the master group's name after the Sentinels: redis+sentinel://host,host/name")
}

function readLogin(login: string | undefined): Pick<RedisAddress, 'username' | 'password'> {
  if (login === undefined) return { username: undefined, password: undefined }
  const colon = login.indexOf(':')
  const username = percentDecode(login.slice(0, Math.max(colon, 0)))
  const password = percentDecode(login.slice(colon + 1))
  if (colon === -1 || username === undefined || !password) {
    expected('a login of the form user:password or :password, percent-encoded')
  }
  return { username: username || undefined, password }
}

function allowedParameters(protocol: string, topology: RedisTopology): string[] {
  return [...(protocol === 'rediss' ? tlsParameters : []), ...(topology === 'sentinel' ? sentinelParameters : [])]
}
