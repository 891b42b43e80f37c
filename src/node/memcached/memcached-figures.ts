import { NodeUnreachableError } from '../../errors.js'
import { figure, type ServerFigures } from '../server-figures.js'
import type { MemcachedAddress } from './memcached-address.js'
import { connectToMemcached } from './memcached-socket.js'

/** An answer that goes on for longer is none. */
const MAX_ANSWER = 64 * 1024
/** From this one on memcached has what fences that hold across connections need. */
const OWN_CAS = [1, 6, 27]

const withoutOwnCas =
  'CAS numbers of our own (memcached 1.6.27): after each reconnect a record is read once more before it is written'
const withoutCas = 'CAS (option -C): writes can’t be fenced, so it can’t be used'

/**
 * Asks a memcached for its figures, over a connection of its own and by the text protocol, which has no pages of binary replies.
 *
 * @param timeout milliseconds for all of it
 * @throws NodeUnreachableError, also where the server speaks the binary protocol only
 */
export async function readMemcachedFigures(address: MemcachedAddress, timeout: number): Promise<ServerFigures> {
  const { username, password, protocol } = address
  const login =
    username === undefined ? '' : `set login 0 0 ${length(username, password)}\r\n${username} ${password}\r\n`
  const answer = await ask(address, `${login}stats\r\nstats settings\r\n`, timeout)
  /* Some names stand in both, and mean different things there. */
  const [stats, settings] = answer.split(/^END\r$/m).map(readStats) as [Stats, Stats]
  const version = stats.get('version') ?? ''
  const missing = isBefore(version, OWN_CAS) ? [withoutOwnCas] : []
  if (settings.get('cas_enabled') === 'no') missing.push(withoutCas)
  return {
    server: `memcached ${version}`,
    protocol: protocol ?? (isBefore(version, [1, 6, 18]) ? 'binary' : 'meta'),
    usedBytes: figure(stats.get('bytes')),
    maxBytes: figure(stats.get('limit_maxbytes')),
    evictions: figure(stats.get('evictions')),
    evictionPolicy: settings.get('evictions') === 'off' ? 'noeviction' : 'lru',
    maxItemBytes: figure(settings.get('item_size_max') ?? stats.get('item_size_max')),
    missing,
  }
}

type Stats = ReadonlyMap<string, string>

function readStats(part: string): Stats {
  const lines = part.matchAll(/^STAT (\S+) (.*?)\r?$/gm)
  return new Map(Array.from(lines, ([, name = '', value = '']) => [name, value]))
}

function length(username: string, password: string | undefined): number {
  return Buffer.byteLength(`${username} ${password ?? ''}`)
}

async function ask(address: MemcachedAddress, request: string, timeout: number): Promise<string> {
  const socket = await connectToMemcached(address)
  return new Promise((resolve, reject) => {
    let answer = ''
    const timer = setTimeout(() => socket.destroy(new Error(`gave no answer within ${timeout} ms`)), timeout)
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1')
      if ((answer.match(/^END\r$/gm) ?? []).length === 2) resolve(answer)
      else if (answer.length <= MAX_ANSWER && !/^(ERROR|CLIENT_ERROR|SERVER_ERROR)/m.test(answer)) return
      socket.destroy()
    })
    let failure: Error | undefined
    socket.on('error', (error) => {
      failure = error
    })
    socket.on('close', () => {
      clearTimeout(timer)
      reject(new NodeUnreachableError(`storage node ${address.label} tells nothing of itself`, { cause: failure }))
    })
    socket.write(request)
  })
}

function isBefore(version: string, wanted: readonly number[]): boolean {
  const parts = version.split(/[.-]/).map(Number)
  for (const [i, least] of wanted.entries()) {
    const part = parts[i] ?? 0
    if (!(part >= least)) return true
    if (part > least) return false
  }
  return false
}
