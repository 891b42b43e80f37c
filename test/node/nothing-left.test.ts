import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { startFaultyServer } from '../../src/testing/faulty-server.js'
import { startMemcached, type TestMemcached } from '../../src/testing/start-memcached.js'
import { startRedis, type TestRedis } from '../../src/testing/start-redis.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { FaultyRedis } from '../support/faulty-redis.js'

const program = fileURLToPath(new URL('../support/counts-what-it-holds.js', import.meta.url))

/** What a process holds of the system's, and of Node's. */
interface Held {
  descriptors: number
  sockets: number
  timers: number
  listeners: number
}

const ends: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function untilTheEnd<T extends { close(): Promise<unknown> }>(server: T): T {
  ends.push(() => server.close())
  return server
}

/** A process with a node on a storage server. */
class NodeProcess {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  static async start(url: string, timeout: number, kept = ''): Promise<NodeProcess> {
    const child = fork(program, [url, String(timeout), kept])
    ends.push(async () => child.kill('SIGKILL'))
    await once(child, 'message')
    return new NodeProcess(child)
  }

  async operate(times: number): Promise<{ failed: number; held: Held }> {
    const answer = once(this.#child, 'message')
    this.#child.send({ times })
    return (await answer)[0]
  }

  /** Waits until no more is held than that. */
  async holdsNoMoreThan(before: Held): Promise<void> {
    const names = Object.keys(before) as (keyof Held)[]
    const isHeld = async (): Promise<boolean> => {
      const { held } = await this.operate(0)
      const excess = names.flatMap((name) => (held[name] > before[name] ? [`${held[name]} ${name}`] : []))
      if (excess.length > 0) throw new Error(excess.join(', '))
      return true
    }
    await waitFor(isHeld, { message: `no more than ${JSON.stringify(before)}` })
  }

  /** Waits until an operation is answered. */
  async works(): Promise<void> {
    await waitFor(async () => (await this.operate(1)).failed === 0, { timeout: 60_000 })
  }

  /** @returns the exit code: it closes its node, and nothing else ends it. */
  async end(): Promise<number> {
    const exit = once(this.#child, 'exit')
    this.#child.send({ end: true })
    return (await exit)[0]
  }
}

interface Kind {
  name: string
  start(): Promise<TestRedis | TestMemcached>
  url(place: { host: string; port: number }): string
  resets(server: TestRedis | TestMemcached): Promise<{ host: string; port: number; close(): Promise<void> }>
  kept?: 'kept'
}

async function resettingMemcached(server: { host: string; port: number }) {
  const faulty = await startFaultyServer(server)
  faulty.fail({ kind: 'reset' })
  return faulty
}

async function resettingRedis(server: { host: string; port: number }) {
  const faulty = new FaultyRedis(server)
  await faulty.start()
  faulty.fail({ kind: 'reset' })
  return faulty
}

const redis = { start: startRedis, url: (at: Place) => `redis://${at.host}:${at.port}`, resets: resettingRedis }
const memcached = { start: startMemcached, resets: resettingMemcached }
type Place = { host: string; port: number }

const kinds: Kind[] = [
  { name: 'memcached, meta', ...memcached, url: ({ host, port }) => `memcached://${host}:${port}?protocol=meta` },
  { name: 'memcached, binary', ...memcached, url: ({ host, port }) => `memcached://${host}:${port}?protocol=binary` },
  { name: 'Redis', ...redis },
  { name: 'Redis with a near cache', ...redis, kept: 'kept' },
]

describe.each(kinds)('a process with a node on $name holds no more than before', ({ start, url, resets, kept }) => {
  it('while the server hangs, and when it is back', async () => {
    const server = untilTheEnd(await start())
    const child = await NodeProcess.start(url(server), 500, kept)
    await child.works()
    const { held } = await child.operate(5)
    await server.suspend()
    expect((await child.operate(5)).failed).toBeGreaterThan(0)
    await server.resume()
    await child.works()
    await child.holdsNoMoreThan(held)
    expect(await child.end()).toBe(0)
  })

  it('after a thousand connections that ended hard', async () => {
    const server = untilTheEnd(await start())
    const way = untilTheEnd(await resets(server))
    const child = await NodeProcess.start(url(way), 30_000, kept)
    const { held } = await child.operate(20)
    const { failed } = await child.operate(1000)
    expect(failed).toBe(1000)
    await child.holdsNoMoreThan(held)
    expect(await child.end()).toBe(0)
  })
})

describe('a process with a node that is refused holds no more than before', () => {
  async function isRefused(url: string): Promise<void> {
    const child = await NodeProcess.start(url, 30_000)
    const { held } = await child.operate(20)
    expect((await child.operate(200)).failed).toBe(200)
    await child.holdsNoMoreThan(held)
    expect(await child.end()).toBe(0)
  }

  it('with a wrong password (Redis)', async () => {
    const { host, port } = untilTheEnd(await startRedis({ password: 'right' }))
    await isRefused(`redis://:wrong@${host}:${port}`)
  })

  it('with a wrong password (memcached)', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-'))
    ends.push(() => rm(folder, { recursive: true }))
    await writeFile(join(folder, 'users'), 'user:right\n')
    const { host, port } = untilTheEnd(await startMemcached({ args: ['-Y', join(folder, 'users')] }))
    await isRefused(`memcached://user:wrong@${host}:${port}`)
  })

  it('as its address leads to a replica', async () => {
    const master = untilTheEnd(await startRedis({ local: true }))
    const { host, port } = untilTheEnd(await startRedis({ replicaOf: master }))
    const child = await NodeProcess.start(`redis://${host}:${port}`, 200)
    const { held } = await child.operate(5)
    expect((await child.operate(15)).failed).toBe(15)
    await child.holdsNoMoreThan(held)
    expect(await child.end()).toBe(0)
  })
})
