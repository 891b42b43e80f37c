import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exchange } from '../../src/testing/exchange.js'
import { redisProgram, startRedis, type TestServer, waitFor } from '../../src/testing/index.js'
import { startServer } from '../../src/testing/start-server.js'
import { redisCommand } from './redis-command.js'

export interface SentinelGroup {
  data: TestServer[]
  sentinels: TestServer[]
  /** The server that the Sentinels name as the master. */
  master(): Promise<TestServer>
  close(): Promise<void>
}

/** A master with a replica, and three Sentinels that watch them under the name `sessions`. */
export async function startSentinelGroup(): Promise<SentinelGroup> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sentinel-'))
  const first = await startRedis()
  const replica = await startRedis({ args: ['--replicaof', first.host, `${first.port}`] })
  const data = [first, replica]
  await waitFor(async () => (await redisCommand(first, 'WAIT 1 100')) === ':1', { timeout: 15_000 })
  const sentinels = await Promise.all([0, 1, 2].map((index) => startSentinel(join(folder, `${index}.conf`), first)))
  const group: SentinelGroup = {
    data,
    sentinels,
    async master() {
      const port = await masterPort(sentinels[0] as TestServer)
      return data.find((server) => server.port === port) as TestServer
    },
    async close() {
      for (const server of [...sentinels, ...data]) {
        await server.resume()
        await server.close()
      }
      await rm(folder, { recursive: true })
    },
  }
  await waitFor(async () => (await Promise.all(sentinels.map(knowsAll))).every(Boolean), { timeout: 20_000 })
  return group
}

async function startSentinel(file: string, master: TestServer): Promise<TestServer> {
  const lines = [
    `sentinel monitor sessions ${master.host} ${master.port} 2`,
    'sentinel down-after-milliseconds sessions 500',
    'sentinel failover-timeout sessions 2000',
  ]
  await writeFile(file, lines.join('\n'))
  return startServer({
    program: redisProgram,
    args: (host, port) => [file, '--port', `${port}`, '--bind', host, '--protected-mode', 'no', '--sentinel'],
    answers: async (address) => (await exchange(address, 'PING', (answer) => answer.includes('\r\n'))) === '+PONG\r\n',
  })
}

async function knowsAll(sentinel: TestServer): Promise<boolean> {
  const line = 'SENTINEL CKQUORUM sessions'
  const text = await redisCommand(sentinel, line)
  const info = await redisCommand(sentinel, 'INFO sentinel')
  return text.startsWith('+OK 3') && info.includes('slaves=1,sentinels=3')
}

async function masterPort(sentinel: TestServer): Promise<number> {
  const command = 'SENTINEL GET-MASTER-ADDR-BY-NAME sessions'
  const answer = await exchange(sentinel, command, (text) => text.split('\r\n').length > 5)
  return Number(answer.split('\r\n')[4])
}

export interface RedisCluster {
  /** Three masters, then a replica for each. */
  servers: TestServer[]
  close(): Promise<void>
}

/** Three masters with a replica each. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-cluster-'))
  const settings = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1500', '--dir', folder]
  const start = (index: number) => startRedis({ args: [...settings, '--cluster-config-file', `nodes-${index}.conf`] })
  const servers = await Promise.all([0, 1, 2, 3, 4, 5].map(start))
  const places = servers.map(({ host, port }) => `${host}:${port}`)
  const create = ['--cluster', 'create', ...places, '--cluster-replicas', '1', '--cluster-yes']
  await promisify(execFile)('redis-cli', create, { timeout: 60_000 })
  const isOk = async (server: TestServer) => (await redisCommand(server, 'CLUSTER INFO')).includes('cluster_state:ok')
  await waitFor(async () => (await Promise.all(servers.map(isOk))).every(Boolean), { timeout: 30_000 })
  return {
    servers,
    async close() {
      for (const server of servers) {
        await server.resume()
        await server.close()
      }
      await rm(folder, { recursive: true })
    },
  }
}
