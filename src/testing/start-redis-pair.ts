import { type Opened, openAll } from './opened.js'
import { RedisPair } from './redis-pair.js'
import { startHaproxy } from './start-haproxy.js'
import { startRedis } from './start-redis.js'

export interface RedisPairOptions {
  password?: string
  /** Milliseconds between two checks of HAProxy. Default: 100. */
  checkInterval?: number
  /** Further arguments for both servers. */
  args?: readonly string[]
}

/** Starts a Redis master and a replica behind an HAProxy that sends to the master, all programs of this machine. */
export function startRedisPair(options: RedisPairOptions = {}): Promise<RedisPair> {
  return openAll((opened) => startPair(options, opened))
}

async function startPair(options: RedisPairOptions, opened: Opened): Promise<RedisPair> {
  const { checkInterval = 100, args = [] } = options
  const login = options.password === undefined ? {} : { password: options.password }
  const master = await opened.add(startRedis({ ...login, args, local: true }))
  const replica = await opened.add(startRedis({ ...login, args, replicaOf: master }))
  const backends = [master, replica]
  const proxy = await opened.add(startHaproxy({ ...login, backends, check: 'redis-master', checkInterval }))
  const pair = new RedisPair(master, replica, proxy, () => opened.close())
  await pair.settled()
  return pair
}
