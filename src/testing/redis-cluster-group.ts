import type { TestRedis } from './start-redis.js'
import { waitFor } from './wait-for.js'

/** A range of slots and the nodes that hold it, one of them as the master. */
export interface ClusterShard {
  readonly first: number
  readonly last: number
  readonly nodes: readonly TestRedis[]
}

/** The first slot, the last slot, host, port and id of the master, then its replicas. */
type SlotRange = [first: number, last: number, master: [host: string, port: number, id: string], ...unknown[]]

/** A Redis Cluster under test. */
export class RedisClusterGroup {
  readonly shards: readonly ClusterShard[]
  readonly #close: () => Promise<void>

  constructor(shards: readonly ClusterShard[], close: () => Promise<void>) {
    this.shards = shards
    this.#close = close
  }

  get nodes(): TestRedis[] {
    return this.shards.flatMap((shard) => shard.nodes)
  }

  /** `redis+cluster://host:port,host:port`, with every node. */
  get url(): string {
    return `redis+cluster://${this.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`
  }

  /**
   * The master of a key's slot, in the view of the nodes that answer. Waits until they agree.
   *
   * @throws Error when they don't, or the cluster doesn't work
   */
  async masterOf(key: string): Promise<TestRedis> {
    const shard = await this.#shardOf(key)
    return waitFor(() => this.#masterOfShard(shard), {
      message: `a master for slots ${shard.first} to ${shard.last} of the cluster`,
    })
  }

  /** Kills the master of a key's slot, as a crash would, and waits until a replica has its place. */
  async killMasterOf(key: string): Promise<TestRedis> {
    const master = await this.masterOf(key)
    await master.kill()
    return this.waitForPromotion(master)
  }

  /**
   * Waits until another node has the slots that this one had, in the view of all nodes that answer, and the cluster
   * works again.
   *
   * @param timeout milliseconds. Default: 30 s
   */
  waitForPromotion(from: TestRedis, timeout = 30_000): Promise<TestRedis> {
    const shard = this.#shardWith(from)
    return waitFor(() => this.#masterOtherThan(from, shard), {
      message: `another master for slots ${shard.first} to ${shard.last}`,
      timeout,
      interval: 30,
    })
  }

  /** Ends everything. Idempotent. */
  close(): Promise<void> {
    return this.#close()
  }

  async #masterOtherThan(from: TestRedis, shard: ClusterShard): Promise<TestRedis | undefined> {
    const master = await this.#masterOfShard(shard)
    return master === from ? undefined : master
  }

  #shardWith(node: TestRedis): ClusterShard {
    const shard = this.shards.find(({ nodes }) => nodes.includes(node))
    if (shard === undefined) throw new Error(`no node of this cluster listens on port ${node.port}`)
    return shard
  }

  async #shardOf(key: string): Promise<ClusterShard> {
    const slot = await firstAnswer(this.nodes.map((node) => node.command('CLUSTER', 'KEYSLOT', key)))
    return this.shards.find(({ first, last }) => first <= Number(slot) && Number(slot) <= last) as ClusterShard
  }

  async #masterOfShard(shard: ClusterShard): Promise<TestRedis | undefined> {
    const views = await Promise.all(this.nodes.map((node) => masterPort(node, shard).catch(() => undefined)))
    const ports = new Set(views.filter((port) => port !== undefined))
    const [port] = ports
    return ports.size === 1 ? shard.nodes.find((node) => node.port === port) : undefined
  }
}

/** Which port a node takes for the shard's master; 0: it takes the cluster for broken. */
async function masterPort(node: TestRedis, { first }: ClusterShard): Promise<number> {
  const info = String(await node.command('CLUSTER', 'INFO'))
  if (!info.includes('cluster_state:ok')) return 0
  const ranges = (await node.command('CLUSTER', 'SLOTS')) as SlotRange[]
  return ranges.find((range) => range[0] <= first && first <= range[1])?.[2][1] ?? 0
}

function firstAnswer<T>(answers: Promise<T>[]): Promise<T> {
  return Promise.any(answers)
}
