import { randomUUID } from 'node:crypto'
import { exchange } from './exchange.js'
import { follows, type RedisAddress, redisCommand } from './redis-command.js'
import { localRedisProgram, redisProgram } from './server-binaries.js'
import { startServer, type TestServer } from './start-server.js'
import { waitFor } from './wait-for.js'

export interface RedisOptions {
  /** Default: a free one. */
  port?: number
  /** Further arguments: configuration lines such as `['--maxmemory', '100mb']`. */
  args?: readonly string[]
  /** Asks clients for this password, and gives it to its master. */
  password?: string
  /** Makes it a replica of that server. */
  replicaOf?: RedisAddress
  /** Never takes a container: others will have to reach it as tests do. Default: whether it is a replica. */
  local?: boolean
}

export interface TestRedis extends TestServer {
  readonly password: string | undefined
  /** `redis://[:password@]host:port`. */
  readonly url: string
  /** Sends one command and gives the answer. */
  command(...args: (string | number)[]): Promise<unknown>
}

/**
 * Starts a real Redis that writes nothing to disk, and waits until it answers; a replica, until it has what its master
 * has. Who restarts it gets an empty one with the same arguments.
 */
export async function startRedis(options: RedisOptions = {}): Promise<TestRedis> {
  const { password, replicaOf, local = replicaOf !== undefined } = options
  const server = await startServer({
    program: local ? localRedisProgram : redisProgram,
    port: options.port,
    args: (host, port) => redisArguments(host, port, options),
    answers,
  })
  const redis = toTestRedis(server, password)
  try {
    if (replicaOf !== undefined) await waitUntilItFollows(redis, replicaOf)
  } catch (error) {
    await redis.close()
    throw error
  }
  return redis
}

/** What a client needs to know, added to a running server. */
export function toTestRedis(server: TestServer, password?: string): TestRedis {
  const { host, port } = server
  const login = password === undefined ? '' : `:${encodeURIComponent(password)}@`
  return Object.assign(server, {
    password,
    url: `redis://${login}${host}:${port}`,
    command: (...args: (string | number)[]) => redisCommand({ host, port, password }, ...args),
  })
}

/** A server that wants a login before anything else answers too. */
export async function answers(address: RedisAddress): Promise<boolean> {
  const answer = await exchange(address, 'PING', (text) => text.includes('\r\n'))
  return answer === '+PONG\r\n' || answer.startsWith('-NOAUTH')
}

function redisArguments(host: string, port: number, { args = [], password, replicaOf }: RedisOptions): string[] {
  const login = password === undefined ? [] : ['--requirepass', password, '--masterauth', password]
  const master = replicaOf === undefined ? [] : ['--replicaof', `${replicaOf.host} ${replicaOf.port}`]
  const masterLogin = replicaOf?.password === undefined ? [] : ['--masterauth', replicaOf.password]
  const snapshot = ['--dbfilename', `holdfast-${randomUUID()}.rdb`]
  return [...listenOn(host, port), ...inMemory, ...snapshot, ...login, ...master, ...masterLogin, ...args]
}

export function listenOn(host: string, port: number): string[] {
  return ['--bind', host, '--port', `${port}`, '--protected-mode', 'no']
}

/** Nothing goes to disk, not even what a replica gets from its master, which needn't wait for other replicas. */
export const inMemory: readonly string[] = [
  ...['--save', '', '--appendonly', 'no'],
  ...['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0', '--repl-diskless-load', 'swapdb'],
]

async function waitUntilItFollows(redis: TestRedis, master: RedisAddress): Promise<void> {
  await waitFor(() => follows(redis, master), {
    message: `the Redis on port ${redis.port} to follow the one on port ${master.port}`,
    timeout: 15_000,
    interval: 30,
  })
}
