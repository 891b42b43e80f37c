import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Opened, openAll } from './opened.js'
import { SentinelGroup, sentinelSees } from './sentinel-group.js'
import { localRedisProgram } from './server-binaries.js'
import { answers, listenOn, startRedis, type TestRedis, toTestRedis } from './start-redis.js'
import { startServer } from './start-server.js'
import { waitFor } from './wait-for.js'

export interface SentinelOptions {
  /** Name of the group. Default: `holdfast`. */
  name?: string
  /** Default: 3. A majority of them decides. */
  sentinels?: number
  /** Default: 2. */
  replicas?: number
  /** Milliseconds of silence until a Sentinel takes a server for dead, at least 500. Default: 500. */
  downAfter?: number
  /** Milliseconds that a failover may take before another is tried. Default: 3000. */
  failoverTimeout?: number
  /**
   * Whether Sentinels ask and announce every half second, instead of every 10 and 2 seconds: without it a master that
   * returns, or is replaced while it is well, is demoted some 10 seconds later. Default: true, so that tests needn't wait.
   */
  brisk?: boolean
  /** Further arguments for master and replicas. */
  args?: readonly string[]
}

type Settings = Required<SentinelOptions>

const defaults: Settings = {
  name: 'holdfast',
  sentinels: 3,
  replicas: 2,
  downAfter: 500,
  failoverTimeout: 3000,
  brisk: true,
  args: [],
}

/**
 * Starts a master, replicas and the Sentinels that watch them, all of them `redis-server` of this machine (7 or newer),
 * and waits until every Sentinel knows every other and every replica.
 */
export function startRedisSentinel(options: SentinelOptions = {}): Promise<SentinelGroup> {
  const settings = { ...defaults, ...options }
  return openAll((opened) => startGroup(settings, opened))
}

async function startGroup(settings: Settings, opened: Opened): Promise<SentinelGroup> {
  const { name, args } = settings
  const folder = await opened.folder()
  const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number)
  const [sentinels, [master, replicas]] = await Promise.all([
    opened.addAll(numbers(settings.sentinels).map((number) => startSentinel(join(folder, `${number}`), settings))),
    startServers(settings.replicas, args, opened),
  ])
  await Promise.all(sentinels.map((sentinel) => watchMaster(sentinel, master, settings)))
  await waitFor(async () => (await Promise.all(sentinels.map((one) => sentinelSees(one, settings)))).every(Boolean), {
    message: 'the Sentinels to know each other and the replicas',
    timeout: 30_000,
    interval: 50,
  })
  return new SentinelGroup(name, master, replicas, sentinels, () => opened.close())
}

async function startServers(
  replicas: number,
  args: readonly string[],
  opened: Opened,
): Promise<[master: TestRedis, replicas: TestRedis[]]> {
  // The master is one that a container could not be: its replicas reach it under the address that tests know.
  const master = await opened.add(startRedis({ args, local: true }))
  const starting = Array.from({ length: replicas }, () => startRedis({ args, replicaOf: master }))
  return [master, await opened.addAll(starting)]
}

/** A Sentinel keeps what it knows in its configuration file, from where it has it again after a restart. */
async function startSentinel(folder: string, settings: Settings): Promise<TestRedis> {
  await mkdir(folder)
  const file = join(folder, 'sentinel.conf')
  await writeFile(file, '')
  const server = await startServer({
    program: localRedisProgram,
    args: (host, port) => [file, ...listenOn(host, port), '--dir', folder, '--sentinel'],
    answers,
  })
  const sentinel = toTestRedis(server)
  const restart = sentinel.restart
  await setPace(sentinel, settings)
  return Object.assign(sentinel, {
    async restart() {
      await restart()
      await setPace(sentinel, settings)
    },
  })
}

/**
 * How often a Sentinel asks and announces, which it doesn't keep when it is restarted. By itself it pings once in
 * `downAfter` where that is below a second, and the first ping to a new master comes when its time is over already.
 * Not below 250 ms: replicas that haven't told about themselves within five pings are not promoted, and they are asked
 * once a second.
 */
async function setPace(sentinel: TestRedis, { downAfter, brisk }: Settings): Promise<void> {
  const pings = ['PING-PERIOD', Math.min(1000, Math.max(250, Math.ceil(downAfter / 2)))]
  const others = brisk ? ['PUBLISH-PERIOD', 500, 'INFO-PERIOD', 500] : []
  await sentinel.command('SENTINEL', 'DEBUG', ...pings, ...others)
}

async function watchMaster(sentinel: TestRedis, master: TestRedis, settings: Settings): Promise<void> {
  const { name, sentinels, replicas, downAfter, failoverTimeout } = settings
  const quorum = Math.floor(sentinels / 2) + 1
  await sentinel.command('SENTINEL', 'MONITOR', name, master.host, master.port, quorum)
  const values = {
    'down-after-milliseconds': downAfter,
    'failover-timeout': failoverTimeout,
    'parallel-syncs': replicas,
  }
  for (const [key, value] of Object.entries(values))
    await sentinel.command('SENTINEL', 'SET', name, key, Math.max(1, value))
}
