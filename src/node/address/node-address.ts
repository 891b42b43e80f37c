import { ConfigError, type ConfigProblem } from '../../errors.js'
import { type MemcachedAddress, memcachedSchemes, readMemcachedAddress } from '../memcached/memcached-address.js'
import { type RedisAddress, readRedisAddress, redisSchemePattern } from '../redis/redis-address.js'

/** Where a storage node is. Credentials are in here: print `label`, never the whole. */
export type NodeAddress = MemcachedAddress | RedisAddress

/**
 * Reads one address: `memcached://[user:password@]host[:port]`, its TLS form `memcacheds://`, `embedded://host:port`,
 * `memory://`, `host:port`, or one of the forms for Redis (see `readRedisAddress`), each with an id in front (`n1:memcached://host`) or given apart.
 * Credentials are percent-encoded, IPv6 addresses stand in brackets, memcached's port is 11211 unless given.
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
 * In the one text, a comma inside a Sentinel or cluster address is followed by a further host of it, unless an id or a
 * scheme follows: `n1:redis+sentinel://h1,h2:26380/name,n2:h3:11211` are two nodes. White space always ends an entry.
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

const idPattern = /^[A-Za-z0-9_-]{1,64}$/
const urlPattern = /^(?:([A-Za-z0-9_-]+):)?([A-Za-z][A-Za-z0-9+.-]*):\/\/(?:([^@/?#\s]*)@)?([^@]*)$/
const barePattern = /^(?:([A-Za-z0-9_-]+):)?(\[[^\]]*\]|[^:@/[\]]+):(\d{1,5})$/
const severalHostsPattern = /^(?:[A-Za-z0-9_-]+:)?rediss?\+(?:sentinel|cluster):\/\//i
const beginsEntryPattern =
  /^(?:(?:[A-Za-z0-9_-]+:)?[A-Za-z][A-Za-z0-9+.-]*:\/\/|[A-Za-z0-9_-]+:(?:\[[^\]]*\]|[^:/?]+):\d)/

const idRule = 'an id of letters, digits, underscores and dashes'
const addressRule = 'redis://host:port, memcached://host:port, embedded://host:port, memory:// or host:port'
const itemRule = 'a text or { id, url }'

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
  const texts = value.split(/\s+/).flatMap(splitAtCommas)
  return texts.map((text, index) => ({
    path: texts.length === 1 ? path : `${path}[${index}]`,
    shown: redact(text, value),
    text,
    id: undefined,
  }))
}

function splitAtCommas(piece: string): string[] {
  const texts: string[] = []
  for (const part of piece.split(',')) {
    const last = texts.at(-1)
    if (part === '') continue
    if (last !== undefined && severalHostsPattern.test(last) && !beginsEntryPattern.test(part)) {
      texts[texts.length - 1] = `${last},${part}`
    } else texts.push(part)
  }
  return texts
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
  return bare === null ? addressRule : readMemcachedAddress(chosen, 'memcached', undefined, `${bare[2]}:${bare[3]}`)
}

function readUrl(
  id: string | undefined,
  scheme: string,
  login: string | undefined,
  rest: string,
): NodeAddress | string {
  if (scheme === 'memory')
    return rest === '' && login === undefined ? memoryAddress(id) : 'memory:// and nothing after it'
  if (memcachedSchemes.includes(scheme)) return readMemcachedAddress(id, scheme, login, rest)
  if (redisSchemePattern.test(scheme)) return readRedisAddress(id, scheme, login, rest)
  return 'one of the schemes redis://, rediss://, redis+sentinel://, redis+cluster://, redis+unix://, memcached://, memcacheds://, embedded:// and memory://'
}

function memoryAddress(id: string | undefined): MemcachedAddress {
  return { id, scheme: 'memory', host: '', port: 0, username: undefined, password: undefined, label: 'memory://' }
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
 * The text as it may be printed. Where the surroundings hold an `@` or a `?` there are credentials about, and a text that
 * isn't plainly an address with a login or a query may be any part of them.
 */
function redact(text: string, surroundings: string): string {
  if (!/[@?]/.test(surroundings)) return text.slice(0, 200)
  const match = (surroundings.includes('@') ? withLoginPattern : withoutLoginPattern).exec(text)
  if (match === null) return '***'
  const login = surroundings.includes('@') ? '***@' : ''
  return `${match[1]}${login}${match[2]}${match[3] === undefined ? '' : '?***'}`.slice(0, 200)
}

const withoutLoginPattern = /^((?:[A-Za-z0-9_-]+:)?[A-Za-z][A-Za-z0-9+.-]*:\/\/)([A-Za-z0-9.:;,/[\]_-]*)(\?.*)?$/s
const withLoginPattern = /^((?:[A-Za-z0-9_-]+:)?[A-Za-z][A-Za-z0-9+.-]*:\/\/)[^@]*@([A-Za-z0-9.:;,/[\]_-]*)(\?[^@]*)?$/s
