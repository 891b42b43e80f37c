import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createCluster } from './create-cluster.js'
import { freePort } from './free-port.js'
import { type Opened, openAll } from './opened.js'
import { type ClusterShard, RedisClusterGroup } from './redis-cluster-group.js'
import { startRedis, type TestRedis } from './start-redis.js'

export interface RedisClusterOptions {
  /** Default: 3, the fewest that can decide on a failover. */
  masters?: number
  /** Default: 1. */
  replicasPerMaster?: number
  /** Milliseconds of silence until a node takes another for dead. Default: 1000. */
  nodeTimeout?: number
  /** Further arguments for every node. */
  args?: readonly string[]
}

type Settings = Required<RedisClusterOptions>

const defaults: Settings = { masters: 3, replicasPerMaster: 1, nodeTimeout: 1000, args: [] }

/**
 * Starts a Redis Cluster, all of it `redis-server` of this machine (7 or newer), and waits until every node takes it for
 * complete. The slots are spread evenly.
 */
export function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisClusterGroup> {
  const settings = { ...defaults, ...options }
  return openAll((opened) => startCluster(settings, opened))
}

async function startCluster(settings: Settings, opened: Opened): Promise<RedisClusterGroup> {
  const folder = await opened.folder()
  const count = settings.masters * (1 + settings.replicasPerMaster)
  const starting = Array.from({ length: count }, (_, number) => startNode(join(folder, `${number}`), settings))
  const nodes = await opened.addAll(starting)
  const shards = spread(nodes, settings.masters)
  await createCluster(shards)
  return new RedisClusterGroup(shards, () => opened.close())
}

/** The bus gets a free port of its own: the usual one, 10000 above, may be taken. */
async function startNode(folder: string, { nodeTimeout, args }: Settings): Promise<TestRedis> {
  await mkdir(folder)
  const cluster = ['--cluster-enabled', 'yes', '--cluster-node-timeout', `${nodeTimeout}`]
  const place = ['--dir', folder, '--cluster-port', `${await freePort()}`, '--cluster-announce-ip', '127.0.0.1']
  return startRedis({ local: true, args: [...cluster, ...place, ...args] })
}

const slots = 16_384

function spread(nodes: readonly TestRedis[], masters: number): ClusterShard[] {
  const border = (index: number): number => Math.round((index * slots) / masters)
  return Array.from({ length: masters }, (_, index) => ({
    first: border(index),
    last: border(index + 1) - 1,
    nodes: nodes.filter((_node, number) => number % masters === index),
  }))
}
