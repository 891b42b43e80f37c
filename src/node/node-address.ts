import { isIPv4, isIPv6 } from 'node:net'
import { ConfigError, type ConfigProblem } from '../errors.js'

/** Where a storage node is. Credentials are in here: print `label`, never the whole. */
export interface NodeAddress {
  /** `[A-Za-z0-9_]+`; `undefined`: the one anonymous node. */
  id: string | undefined
  scheme: 'memcached' | 'embedded' | 'memory'
  /** IPv6 addresses without brackets. */
  host: string
  /** 0 for `memory://`. */
  port: number
  username: string | undefined
  password: string | undefined
  /** The address for people: `memcached://host:port`, without credentials. */
  label: string
}

/**
 * Reads one address: `memcached://[user:password@]host[:port]`, `embedded://host:port`, `memory://` or `host:port`,
 * each with an id in front (`n1:memcached://host`) or given apart. Credentials are percent-encoded, IPv6 addresses
 * stand in brackets, memcached's port is 11211 unless given.
 *
 * @throws ConfigError when the text is none of these
 */
export function parseNodeAddress(text: string, id?: string): NodeAddress {
  const address = readAddress(text, id)
  if (typeof address !== 'string') return address
  throw new ConfigError('the storage node address', [{ path: 'url', value: redact(text, text), expected: address }])
}

/**
 * Reads the list of storage nodes: one text with entries apart by spaces or commas (`n1:memcached://h1,n2:h2:11211`),
 * or a list of such entries and of `{ id, url }`. Never throws; the nodes are empty when there is any problem.
 *
 * @param path where the value stands in the configuration, for the problems
 */
export function parseNodeList(value: unknown, path: string): { nodes: NodeAddress[]; problems: ConfigProblem[] } {
  const entries = listEntries(value, path)
  if (entries.length === 0) return failed([{ path, value: '', expected: 'at least one storage node' }])
  const read = entries.map((entry) => ({ entry, address: readEntry(entry) }))
  const problems = read.flatMap(({ entry, address }) => (typeof address === 'string' ? [problem(entry, address)] : []))
  if (problems.length > 0) return failed(problems)
  const nodes = read.map(({ address }) => address as NodeAddress)
  const idProblems = findIdProblems(nodes, entries)
  return idProblems.length > 0 ? failed(idProblems) : { nodes, problems: [] }
}

interface Entry {
  path: string
  /** What stands there, credentials hidden. */
  shown: string
  text: unknown
  id: unknown
  /** The entry itself, before it is looked into, is no address: what was expected instead. */
  expected?: string
}

const idPattern = /^[A-Za-z0-9_]{1,64}$/
const urlPattern = /^(?:([A-Za-z0-9_]+):)?([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:([^@/?#\s]*)@)?([^@]*)$/
const barePattern = /^(?:([A-Za-z0-9_]+):)?(\[[^\]]*\]|[^:@/[\]]+):(\d{1,5})$/
const hostPortPattern = /^(\[[^\]]*\]|[^:@/?#[\]]+)(?::(\d{1,5}))?\/?$/
const hostNamePattern = /^(?=.*[A-Za-z_])[A-Za-z0-9_]([A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?$/

const idRule = 'an id of letters, digits and underscores'
const addressRule = 'memcached://host:port, embedded://host:port, memory:// or host:port'
const itemRule = 'a text or { id, url }'
const memcachedPort = 11211

function failed(problems: ConfigProblem[]): { nodes: NodeAddress[]; problems: ConfigProblem[] } {
  return { nodes: [], problems }
}

function problem(entry: Entry, expected: string): ConfigProblem {
  return { path: entry.path, value: entry.shown, expected }
}

function listEntries(value: unknown, path: string): Entry[] {
  if (typeof value === 'string') return textEntries(value, path)
  if (Array.isArray(value)) return value.map((item, index) => itemEntry(item, `${path}[${index}]`))
  return [{ path, shown: typeof value, text: undefined, id: undefined, expected: `a text or a list of ${itemRule}` }]
}

function textEntries(value: string, path: string): Entry[] {
  const texts = value.split(/[\s,]+/).filter((text) => text !== '')
  return texts.map((text, index) => ({
    path: texts.length === 1 ? path : `${path}[${index}]`,
    shown: redact(text, value),
    text,
    id: undefined,
  }))
}

function itemEntry(item: unknown, path: string): Entry {
  if (typeof item === 'string') return { path, shown: redact(item, item), text: item.trim(), id: undefined }
  if (typeof item !== 'object' || item === null) {
    return { path, shown: String(item), text: undefined, id: undefined, expected: itemRule }
  }
  const { id, url, ...others } = item as Record<string, unknown>
  const unknownKey = Object.keys(others)[0]
  if (unknownKey !== undefined) {
    return {
      path: `${path}.${unknownKey}`,
      shown: '',
      text: undefined,
      id,
      expected: 'no such key; id and url are known',
    }
  }
  const shown = typeof url === 'string' ? redact(url, url) : typeof url
  return { path: `${path}.url`, shown, text: url, id }
}

function readEntry(entry: Entry): NodeAddress | string {
  if (entry.expected !== undefined) return entry.expected
  if (typeof entry.text !== 'string') return addressRule
  if (entry.id !== undefined && typeof entry.id !== 'string') return `${idRule} beside it`
  return readAddress(entry.text, entry.id)
}

/** The address, or what was expected instead. */
function readAddress(text: string, id: string | undefined): NodeAddress | string {
  const url = urlPattern.exec(text)
  const bare = url === null ? barePattern.exec(text) : null
  const prefix = url?.[1] ?? bare?.[1]
  if (id !== undefined && prefix !== undefined && prefix !== id) return `one id, not ${id} and ${prefix}`
  const chosen = id ?? prefix
  if (chosen !== undefined && !idPattern.test(chosen)) return idRule
  if (url !== null) return readUrl(chosen, (url[2] as string).toLowerCase(), url[3], url[4] as string)
  return bare === null ? addressRule : readHostPort(chosen, 'memcached', `${bare[2]}:${bare[3]}`)
}

function readUrl(
  id: string | undefined,
  scheme: string,
  login: string | undefined,
  rest: string,
): NodeAddress | string {
  if (scheme === 'memory')
    return rest === '' && login === undefined ? memoryAddress(id) : 'memory:// and nothing after it'
  if (scheme === 'embedded' && login !== undefined) return 'embedded://host:port: an embedded node knows no login'
  if (scheme === 'memcached' || scheme === 'embedded') return withLogin(readHostPort(id, scheme, rest), login)
  return 'one of the schemes memcached://, embedded:// and memory://'
}

function memoryAddress(id: string | undefined): NodeAddress {
  return { id, scheme: 'memory', host: '', port: 0, username: undefined, password: undefined, label: 'memory://' }
}

function readHostPort(id: string | undefined, scheme: 'memcached' | 'embedded', text: string): NodeAddress | string {
  const [, hostText = '', portText] = hostPortPattern.exec(text) ?? []
  const host = readHost(hostText)
  if (host === undefined) return `${scheme}://host:port, an IPv6 address in brackets`
  if (portText === undefined && scheme === 'embedded') return 'embedded://host:port with a port'
  const port = portText === undefined ? memcachedPort : Number(portText)
  if (port < 1 || port > 65535) return 'a port from 1 to 65535'
  const label = `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${port}`
  return { id, scheme, host, port, username: undefined, password: undefined, label }
}

function readHost(text: string): string | undefined {
  if (!text.startsWith('[')) return isIPv4(text) || hostNamePattern.test(text) ? text : undefined
  const address = text.slice(1, -1)
  return isIPv6(address) ? address : undefined
}

function withLogin(address: NodeAddress | string, login: string | undefined): NodeAddress | string {
  if (typeof address === 'string' || login === undefined) return address
  const colon = login.indexOf(':')
  const username = decode(login.slice(0, colon))
  const password = decode(login.slice(colon + 1))
  if (colon < 1 || !username || !password) return 'a login of the form user:password, percent-encoded'
  return { ...address, username, password }
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function findIdProblems(nodes: NodeAddress[], entries: Entry[]): ConfigProblem[] {
  const seen = new Set<string>()
  const problems: ConfigProblem[] = []
  for (const [index, { id }] of nodes.entries()) {
    const entry = entries[index] as Entry
    if (id === undefined && nodes.length > 1)
      problems.push(problem(entry, `${idRule}, because there are several nodes`))
    if (id !== undefined && seen.has(id)) problems.push(problem(entry, `an id that no other node has, not ${id} again`))
    if (id !== undefined) seen.add(id)
  }
  return problems
}

/**
 * The text as it may be printed. Where the surroundings hold an `@` there are credentials about, and a text that isn't
 * plainly `scheme://login@host` may be any part of them.
 */
function redact(text: string, surroundings: string): string {
  if (!surroundings.includes('@')) return text.slice(0, 200)
  const match = /^((?:[A-Za-z0-9_]+:)?[A-Za-z][A-Za-z0-9+.-]*:\/\/)[^@]*@([A-Za-z0-9.:[\]_-]*)$/.exec(text)
  return match === null ? '***' : `${match[1]}***@${match[2]}`
}
