import { exchange } from './exchange.js'
import { memcachedProgram } from './server-binaries.js'
import { startServer, type TestServer } from './start-server.js'

export interface MemcachedOptions {
  /** MiB for values. Default: 64. */
  memoryMb?: number
  /** Default: a free one. */
  port?: number
  /** Further arguments, such as `-C` or `-S`. */
  args?: readonly string[]
}

export interface TestMemcached extends TestServer {
  /** What the server counts, by name. */
  stats(): Promise<Record<string, string>>
  /** Operations on keys so far: reads, writes, touches, removals. A ping or this question itself isn't one. */
  storageOperations(): Promise<number>
  flushAll(): Promise<void>
}

/** A removal counts as a hit or a miss; the others have a counter of their own. */
const operationCounters = ['cmd_get', 'cmd_set', 'cmd_touch', 'delete_hits', 'delete_misses']

/** Starts a real memcached and waits until it answers. */
export async function startMemcached(options: MemcachedOptions = {}): Promise<TestMemcached> {
  const { memoryMb = 64, port, args = [] } = options
  const server = await startServer({
    program: memcachedProgram,
    port,
    args: (host, port) => ['-l', host, '-p', `${port}`, '-U', '0', '-m', `${memoryMb}`, ...asRoot(), ...args],
    answers: async (address) => (await exchange(address, 'version', (answer) => answer.includes('\r\n'))) !== '',
  })
  return Object.assign(server, {
    stats: () => readStats(server),
    storageOperations: () => countOperations(server),
    flushAll: () => flushAll(server),
  })
}

/** memcached doesn't start as root unless told which user to be. */
function asRoot(): string[] {
  return process.getuid?.() === 0 ? ['-u', 'root'] : []
}

async function readStats(server: TestServer): Promise<Record<string, string>> {
  const answer = await exchange(server, 'stats', (text) => text.endsWith('END\r\n'))
  const lines = answer.matchAll(/^STAT (\S+) (.*)\r$/gm)
  return Object.fromEntries(Array.from(lines, ([, name = '', value = '']) => [name, value]))
}

async function countOperations(server: TestServer): Promise<number> {
  const stats = await readStats(server)
  return operationCounters.reduce((sum, name) => sum + Number(stats[name] ?? 0), 0)
}

async function flushAll(server: TestServer): Promise<void> {
  await exchange(server, 'flush_all', (text) => text === 'OK\r\n')
}
