import { follows, isMaster } from './redis-command.js'
import type { TestRedis } from './start-redis.js'
import { waitFor } from './wait-for.js'

/** A master, its replicas and the Sentinels that watch them. */
export class SentinelGroup {
  readonly name: string
  /** The master at the start, see `currentMaster`. */
  readonly master: TestRedis
  /** The replicas at the start. */
  readonly replicas: readonly TestRedis[]
  readonly sentinels: readonly TestRedis[]
  readonly #close: () => Promise<void>

  constructor(
    name: string,
    master: TestRedis,
    replicas: readonly TestRedis[],
    sentinels: readonly TestRedis[],
    close: () => Promise<void>,
  ) {
    this.name = name
    this.master = master
    this.replicas = replicas
    this.sentinels = sentinels
    this.#close = close
  }

  /** Master and replicas, whichever is what now. */
  get servers(): TestRedis[] {
    return [this.master, ...this.replicas]
  }

  /** `redis+sentinel://host:port,host:port,host:port/name`. */
  get url(): string {
    return `redis+sentinel://${this.sentinels.map(({ host, port }) => `${host}:${port}`).join(',')}/${this.name}`
  }

  /**
   * The server that most of the Sentinels that answer take for the master.
   *
   * @throws Error when they don't agree, or none answers
   */
  async currentMaster(): Promise<TestRedis> {
    const named = await this.#namedMasters()
    const chosen = this.servers.find(({ port }) => named.filter((other) => other === port).length > named.length / 2)
    if (chosen === undefined) throw new Error(`the Sentinels don't agree on a master: ${named.join(', ')}`)
    return chosen
  }

  /**
   * Has the Sentinels promote a replica while the master is well, and waits until everything follows it. A Sentinel that
   * hasn't seen the end of the last failover would undo the next one: so all have to know the roles first.
   */
  async failover(timeout = 30_000): Promise<TestRedis> {
    const before = await this.currentMaster()
    const rules = { timeout, interval: 50 }
    await waitFor(() => this.#rolesAreKnown(), { ...rules, message: 'the Sentinels to know the roles' })
    return waitFor(() => this.#failOverFrom(before), { ...rules, message: 'a failover on demand' })
  }

  /**
   * Waits until all Sentinels that answer name another master than that one, and all servers that answer follow it.
   *
   * @param timeout milliseconds. Default: 30 s
   */
  waitForFailover(from: TestRedis, timeout = 30_000): Promise<TestRedis> {
    return waitFor(() => this.#newMaster(from), { message: 'another master', timeout, interval: 30 })
  }

  /** Waits until every server that answers is the current master or follows it: after a restart, say. */
  async settled(timeout = 30_000): Promise<TestRedis> {
    return waitFor(() => this.#newMaster(undefined), { message: 'all to follow the master', timeout, interval: 30 })
  }

  /** Ends everything. Idempotent. */
  close(): Promise<void> {
    return this.#close()
  }

  /** Orders it again where it was given up. */
  async #failOverFrom(master: TestRedis): Promise<TestRedis | undefined> {
    for (const sentinel of this.sentinels) {
      const named = await this.#namedBy(sentinel).catch(() => undefined)
      if (named === undefined) continue
      // Refused while one is under way.
      if (named === master.port) await sentinel.command('SENTINEL', 'FAILOVER', this.name).catch(() => {})
      break
    }
    return this.#newMaster(master)
  }

  async #rolesAreKnown(): Promise<boolean> {
    const views = await Promise.all(this.sentinels.map((sentinel) => knowsRoles(sentinel, this.name).catch(() => true)))
    return views.every(Boolean)
  }

  async #newMaster(before: TestRedis | undefined): Promise<TestRedis | undefined> {
    const named = new Set(await this.#namedMasters())
    const [port] = named
    const master = this.servers.find((server) => server.port === port)
    if (named.size !== 1 || master === undefined || master === before || !(await isMaster(master))) return undefined
    const others = this.servers.filter((server) => server !== master)
    return (await Promise.all(others.map((other) => followsOrIsSilent(other, master)))).every(Boolean)
      ? master
      : undefined
  }

  /** The port of the master in the view of each Sentinel that answers. */
  async #namedMasters(): Promise<number[]> {
    const views = await Promise.all(this.sentinels.map((sentinel) => this.#namedBy(sentinel).catch(() => undefined)))
    return views.filter((port) => port !== undefined)
  }

  async #namedBy(sentinel: TestRedis): Promise<number> {
    const [, port] = (await sentinel.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', this.name)) as [string, string]
    return Number(port)
  }
}

/** Whether a Sentinel knows all others and all replicas, and could decide. */
export async function sentinelSees(
  sentinel: TestRedis,
  expected: { name: string; sentinels: number; replicas: number },
): Promise<boolean> {
  const { name } = expected
  const master = toRecord(await sentinel.command('SENTINEL', 'MASTER', name))
  if (master['num-other-sentinels'] !== `${expected.sentinels - 1}`) return false
  const replicas = ((await sentinel.command('SENTINEL', 'REPLICAS', name)) as string[][]).map(toRecord)
  if (replicas.length !== expected.replicas) return false
  if (!replicas.every((replica) => replica.flags === 'slave' && replica['master-link-status'] === 'ok')) return false
  return String(await sentinel.command('SENTINEL', 'CKQUORUM', name)).startsWith('OK')
}

/** Whether every replica that lives told a Sentinel that it is one. */
async function knowsRoles(sentinel: TestRedis, name: string): Promise<boolean> {
  const replicas = ((await sentinel.command('SENTINEL', 'REPLICAS', name)) as string[][]).map(toRecord)
  const living = replicas.filter(({ flags = '' }) => !flags.includes('down'))
  return living.every((replica) => replica['role-reported'] === 'slave')
}

function toRecord(answer: unknown): Record<string, string> {
  const list = answer as string[]
  const entries = Array.from({ length: list.length / 2 }, (_, index) => [list[2 * index], list[2 * index + 1]])
  return Object.fromEntries(entries)
}

/** One that is being demoted cuts its connections once, and is not silent. */
async function followsOrIsSilent(replica: TestRedis, master: TestRedis): Promise<boolean> {
  return follows(replica, master)
    .catch(() => follows(replica, master))
    .catch(() => true)
}
