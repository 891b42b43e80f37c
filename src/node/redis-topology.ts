import { ClusterRedis } from './cluster-redis.js'
import type { RedisEndpoint } from './ioredis-client.js'
import type { RedisAddress } from './redis-address.js'
import type { ReplicaWait } from './redis-durable-writes.js'
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
  const { label, username, password, database, tls, topology } = address
  const link = (
    endpoint: RedisLinkOptions['endpoint'],
    events: Pick<RedisLinkOptions, 'onOpen' | 'onEnd'> = { onOpen: ignore, onEnd: ignore },
  ): RedisLinkOptions => ({
    ...limits,
    ...events,
    label,
    endpoint,
    login: { username, password, database, mastersOnly: topology !== 'cluster' },
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
    link((failures) => sentinelEndpoint(address, failures, options)),
    true,
    wait,
  )
}

/** After each failure another Sentinel is asked first: one that hangs or is behind must not hold us up for good. */
function sentinelEndpoint(address: RedisAddress, failures: number, options: RedisRouteOptions): RedisEndpoint {
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
      timeout: Math.max(20, Math.floor(options.operationTimeout() / (hosts.length + 1))),
    },
    tls,
  }
}

function ignore(): void {}
