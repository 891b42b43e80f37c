import type { ClusterShard } from './redis-cluster-group.js'
import { follows, redisInfo } from './redis-command.js'
import type { TestRedis } from './start-redis.js'
import { waitFor } from './wait-for.js'

/*
 * Makes a cluster of nodes that don't know each other, with the commands of
 * https://redis.io/docs/latest/commands/cluster-meet/ and its neighbours: `redis-cli --cluster create` would ask.
 */

const patience = { timeout: 30_000, interval: 50 }

/** The first node of each shard becomes its master. Resolves when every node takes the cluster for complete. */
export async function createCluster(shards: readonly ClusterShard[]): Promise<void> {
  const nodes = shards.flatMap((shard) => shard.nodes)
  await Promise.all(nodes.map((node, index) => node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1)))
  await introduce(nodes)
  await Promise.all(shards.map(assignSlots))
  await Promise.all(shards.map(assignReplicas))
  await waitFor(async () => (await Promise.all(nodes.map((node) => isComplete(node, shards)))).every(Boolean), {
    ...patience,
    message: 'the cluster to be complete',
  })
}

/** Every node meets every other: rumours alone would take a second or two. */
async function introduce(nodes: readonly TestRedis[]): Promise<void> {
  const pairs = nodes.flatMap((node, index) => nodes.slice(index + 1).map((other) => [node, other] as const))
  const busPorts = new Map(await Promise.all(nodes.map(async (node) => [node, await busPort(node)] as const)))
  await Promise.all(
    pairs.map(([node, other]) => node.command('CLUSTER', 'MEET', other.host, other.port, busPorts.get(other) ?? 0)),
  )
  await waitFor(
    async () => (await Promise.all(nodes.map((node) => knownNodes(node)))).every((n) => n === nodes.length),
    {
      ...patience,
      message: 'the nodes of the cluster to meet',
    },
  )
}

async function busPort(node: TestRedis): Promise<number> {
  const [, port] = (await node.command('CONFIG', 'GET', 'cluster-port')) as [string, string]
  return Number(port)
}

/** Without those whose handshake isn't over. */
async function knownNodes(node: TestRedis): Promise<number> {
  const lines = String(await node.command('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  return lines.filter((line) => !line.includes('handshake')).length
}

async function assignSlots({ nodes: [master], first, last }: ClusterShard): Promise<void> {
  await master?.command('CLUSTER', 'ADDSLOTSRANGE', first, last)
}

async function assignReplicas({ nodes: [master, ...replicas] }: ClusterShard): Promise<void> {
  const id = String(await master?.command('CLUSTER', 'MYID'))
  await Promise.all(replicas.map((replica) => replica.command('CLUSTER', 'REPLICATE', id)))
}

async function isComplete(node: TestRedis, shards: readonly ClusterShard[]): Promise<boolean> {
  const info = String(await node.command('CLUSTER', 'INFO'))
  if (!info.includes('cluster_state:ok')) return false
  const lines = String(await node.command('CLUSTER', 'NODES'))
    .trim()
    .split('\n')
  const replicas = shards.flatMap((shard) => shard.nodes.slice(1))
  return (
    lines.filter((line) => / (myself,)?slave /.test(line)).length === replicas.length && followsItsMaster(node, shards)
  )
}

async function followsItsMaster(node: TestRedis, shards: readonly ClusterShard[]): Promise<boolean> {
  const master = shards.find((shard) => shard.nodes.includes(node))?.nodes[0]
  if (master === undefined || master === node) return (await redisInfo(node, 'replication')).role === 'master'
  return follows(node, master)
}
