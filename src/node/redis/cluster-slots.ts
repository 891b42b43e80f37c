import { type HostAndPort, printHostPort } from '../address/host.js'

export const slotCount = 16_384

/** Which server has which keys, as one server of the cluster has told. */
export interface ClusterMap {
  /** The master's `host:port` by slot; `undefined` where nobody serves the slot. */
  owners: (string | undefined)[]
  masters: ReadonlySet<string>
  /** All servers that were named, replicas too. */
  servers: ReadonlyMap<string, HostAndPort>
}

/** The part of a key that decides about its slot: what stands in the first braces, or the whole. */
function hashTag(key: string): string {
  const open = key.indexOf('{')
  const close = open === -1 ? -1 : key.indexOf('}', open + 1)
  return close > open + 1 ? key.slice(open + 1, close) : key
}

/**
 * Puts the last part of a key (what follows the last colon) into braces, so that all keys that end alike, those of one
 * session, share a slot. Keys with braces stay as they are.
 */
export function withHashTag(key: string): string {
  if (key.includes('{') || key.endsWith(':') || key === '') return key
  const colon = key.lastIndexOf(':')
  return `${key.slice(0, colon + 1)}{${key.slice(colon + 1)}}`
}

/** The slot of a key: CRC16 (XMODEM) of its hash tag. Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/ */
export function keySlot(key: string): number {
  let crc = 0
  for (const byte of Buffer.from(hashTag(key))) {
    crc = ((crc << 8) & 0xffff) ^ (crcTable[((crc >> 8) ^ byte) & 0xff] as number)
  }
  return crc % slotCount
}

const crcTable = Uint16Array.from({ length: 256 }, (_, index) => {
  let crc = index << 8
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
  return crc & 0xffff
})

/**
 * Reads the reply to CLUSTER SLOTS: ranges of slots, each with its master and replicas.
 *
 * @param asked the server that was asked, which stands for itself where it doesn't know its own name
 * @returns `undefined` when it is no such reply, or no slot is served
 */
export function readClusterSlots(reply: unknown, asked: HostAndPort): ClusterMap | undefined {
  if (!Array.isArray(reply)) return undefined
  const owners = new Array<string | undefined>(slotCount)
  const masters = new Set<string>()
  const servers = new Map<string, HostAndPort>()
  for (const range of reply) {
    if (!Array.isArray(range)) return undefined
    const [from, to, ...named] = range as [unknown, unknown, ...unknown[]]
    const [master, ...replicas] = named.flatMap((server) => readServer(server, asked) ?? [])
    if (!isSlot(from) || !isSlot(to) || master === undefined) return undefined
    const address = printHostPort(master)
    owners.fill(address, from, to + 1)
    masters.add(address)
    for (const server of [master, ...replicas]) servers.set(printHostPort(server), server)
  }
  return masters.size === 0 ? undefined : { owners, masters, servers }
}

function isSlot(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < slotCount
}

function readServer(server: unknown, asked: HostAndPort): HostAndPort | undefined {
  if (!Array.isArray(server)) return undefined
  const [name, port] = server as [unknown, unknown]
  if (typeof port !== 'number' || port < 1 || port > 65_535) return undefined
  const host = Buffer.isBuffer(name) ? name.toString() : ''
  return { host: host === '' || host === '?' ? asked.host : host, port }
}

/** One text for the processes of several servers, each as `host:port` and its `run_id`; `undefined` until all are known. */
export function nameProcesses(servers: readonly (readonly [string, string | undefined])[]): string | undefined {
  if (servers.length === 0 || servers.some(([, process]) => process === undefined)) return undefined
  return servers
    .map((server) => server.join('='))
    .sort()
    .join(' ')
}

/** Reads the `host:port` of a redirection; an empty host is that of the server that answered. */
export function readRedirection(target: string): HostAndPort | undefined {
  const colon = target.lastIndexOf(':')
  const port = Number(target.slice(colon + 1))
  const host = target.slice(0, colon).replace(/^\[|\]$/g, '')
  return host === '' || !Number.isInteger(port) || port < 1 || port > 65_535 ? undefined : { host, port }
}
