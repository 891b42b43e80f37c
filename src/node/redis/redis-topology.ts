import type { HostAndPort } from '../address/host.js'
import { ClusterRedis } from './cluster-redis.js'
import type { RedisEndpoint } from './ioredis-client.js'
import type { RedisAddress } from './redis-address.js'
import type { ReplicaWait } from './redis-durable-writes.js'
import type { RedisLogin } from './redis-handshake.js'
import type { RedisLinkOptions } from './redis-link.js'
import type { RedisRoute } from './redis-route.js'
import { SingleRedis } from './single-redis.js'

export interface RedisRouteOptions {
  operationTimeout: () => number
  wait: () => ReplicaWait | undefined
  maxPending: number
  maxPendingBytes: number
  reconnectPause: number
}

/** The way to the servers behind an address. Nothing is connected before the first operation. */
export function openRedisRoute(address: RedisAddress, options: RedisRouteOptions): RedisRoute {
  const { wait, ...limits } = options
  const server = { host: address.host, port: address.port }
  const { label, tls, topology } = address
  const link = (
    endpoint: RedisLinkOptions['endpoint'],
    events: Pick<RedisLinkOptions, 'onOpen' | 'onEnd'> = { onOpen: ignore, onEnd: ignore },
  ): RedisLinkOptions => ({
    ...limits,
    ...events,
    label,
    endpoint,
    login: redisLogin(address),
  })
  if (topology === 'cluster') {
    return new ClusterRedis(address, options, (part, events) => link(() => ({ server: part, tls }), events))
  }
  if (topology === 'single')
    return new SingleRedis(
      link(() => ({ server, tls })),
      false,
      wait,
    )
  return new SingleRedis(
    link((failures) => sentinelEndpoint(address, failures, options.operationTimeout())),
    true,
    wait,
  )
}

/**
 * Where connections beside those of the route go: to the one server, or to each of the cluster's masters.
 *
 * @param failures attempts that have failed since the last good one
 */
export function redisEndpoints(
  address: RedisAddress,
  masters: readonly HostAndPort[],
  failures: number,
  operationTimeout: number,
): RedisEndpoint[] {
  const { host, port, tls, topology } = address
  if (topology === 'cluster') return masters.map((server) => ({ server, tls }))
  if (topology === 'single') return [{ server: { host, port }, tls }]
  return [sentinelEndpoint(address, failures, operationTimeout)]
}

export function redisLogin({ username, password, database, topology }: RedisAddress): RedisLogin {
  return { username, password, database, mastersOnly: topology !== 'cluster' }
}

/** After each failure another Sentinel is asked first: one that hangs or is behind must not hold us up for good. */
function sentinelEndpoint(address: RedisAddress, failures: number, operationTimeout: number): RedisEndpoint {
  const { hosts, masterName = '', sentinelUsername, sentinelPassword, tls } = address
  const start = failures % hosts.length
  const ordered = [...hosts.slice(start), ...hosts.slice(0, start)]
  const [first = { host: address.host, port: address.port }] = ordered
  return {
    server: first,
    sentinels: {
      hosts: ordered,
      masterName,
      username: sentinelUsername,
      password: sentinelPassword,
      timeout: Math.max(20, Math.floor(operationTimeout / (hosts.length + 1))),
    },
    tls,
  }
}

function ignore(): void {}
