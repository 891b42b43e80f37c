import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, expect, it } from 'vitest'
import { expandEnvironment } from '../../src/config/environment.js'
import { findProblems } from '../../src/config/parse-settings.js'
import { parseYaml } from '../../src/config/parse-text.js'
import { haproxyProgram } from '../../src/testing/server-binaries.js'
import { startRedis } from '../../src/testing/start-redis.js'
import { startServer } from '../../src/testing/start-server.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { startAppServer } from '../support/app-server.js'
import { attributesAt, visitorsOf } from '../support/cluster.js'
import { modes } from '../support/redis-load.js'

const page = readFileSync(new URL('../../docs/storage.md', import.meta.url), 'utf8')
const configuration = /```haproxy\n([\s\S]*?)```/.exec(page)?.[1] ?? ''

const opened: { close(): Promise<unknown> }[] = []

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close()
})

async function add<T extends { close(): Promise<unknown> }>(starting: Promise<T>): Promise<T> {
  const started = await starting
  opened.push(started)
  return started
}

it('the haproxy.cfg in the documentation sends to the master, before and after a switch', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'storage-page-'))
  opened.push({ close: () => rm(folder, { recursive: true }) })
  const master = await add(startRedis({ local: true }))
  const replica = await add(startRedis({ replicaOf: master }))
  const proxy = await add(
    startServer({
      program: haproxyProgram,
      async args(host, port) {
        const addresses = { '10.0.0.100:6379': `${host}:${port}`, '10.0.0.21:6379': `127.0.0.1:${master.port}` }
        const all = { ...addresses, '10.0.0.22:6379': `127.0.0.1:${replica.port}` }
        const here = Object.entries(all).reduce((text, [there, here]) => text.replace(there, here), configuration)
        await writeFile(join(folder, 'haproxy.cfg'), here)
        return ['-db', '-f', join(folder, 'haproxy.cfg')]
      },
      answers: async () => true,
    }),
  )
  const client = new Redis(proxy.port, proxy.host, { maxRetriesPerRequest: null, retryStrategy: () => 50 })
  const closes: unknown[] = []
  client.on('error', () => {})
  client.on('close', () => closes.push('close'))
  opened.push({ close: async () => client.disconnect() })
  const answerToWrite = () => client.set('key', 'value').catch((error: Error) => error.message)
  const reachedPort = async () => Number(/tcp_port:(\d+)/.exec(await client.info('server'))?.[1])
  await waitFor(async () => (await reachedPort()) === master.port && (await answerToWrite()) === 'OK', {
    timeout: 10_000,
  })
  await waitFor(async () => (await newConnections(proxy, 6)).every((port) => port === master.port), { timeout: 10_000 })

  await master.command('REPLICAOF', replica.host, replica.port)
  const duringTheSwitch = answerToWrite()
  await replica.command('REPLICAOF', 'NO', 'ONE')
  // OK only where HAProxy was quicker: the client has waited for the new master then.
  expect(await duringTheSwitch).toMatch(/^(READONLY|OK$)/)
  await waitFor(async () => (await answerToWrite()) === 'OK', { timeout: 15_000 })
  expect(closes.length).toBeGreaterThan(0)
  expect(await reachedPort()).toBe(replica.port)
})

/** The ports of the servers that as many new connections come to. */
function newConnections({ host, port }: { host: string; port: number }, count: number): Promise<number[]> {
  return Promise.all(Array.from({ length: count }, () => portBehind(host, port)))
}

async function portBehind(host: string, port: number): Promise<number> {
  const client = new Redis(port, host, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  client.on('error', () => {})
  try {
    return Number(/tcp_port:(\d+)/.exec(await client.info('server'))?.[1])
  } finally {
    client.disconnect()
  }
}

it.each(modes)('the access rules in the documentation are enough (%s)', async (mode) => {
  const rules = /^ {6}ACL SETUSER (.*)$/m.exec(page)?.[1]?.split(' ') ?? []
  const redis = await add(startRedis())
  await redis.command('ACL', 'SETUSER', ...rules)
  const nodes = `redis://holdfast:password@${redis.host}:${redis.port}`
  const locking = mode === 'sticky' ? {} : { locking: { mode: 'all' as const } }
  const options = { mode, nodes, operationTimeout: '5s', ...locking }
  const a = await add(startAppServer({ ...options, route: 'a' }))
  const b = await add(startAppServer({ ...options, route: 'b' }))
  const visitors = await visitorsOf(a, 3)
  await a.sessions.flush()
  for (const [number, visitor] of visitors.entries()) expect(await attributesAt(b, visitor)).toEqual({ number })
  for (const visitor of visitors) expect((await visitor.post(`${b.url}/destroy`, {})).status).toBe(200)
  for (const visitor of await visitorsOf(a, 3)) await visitor.post(`${b.url}/`, { more: 'of it' })
  for (const { sessions } of [a, b]) expect(await sessions.flush()).toMatchObject({ unsaved: 0 })
  expect(await redis.command('ACL', 'LOG')).toEqual([])
})

it('every configuration in the documentation is accepted', () => {
  const examples = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text)
  expect(examples.length).toBeGreaterThan(6)
  const environment = { SESSION_SECRET: 'a secret for tests only', REDIS_PASSWORD: 'p', ROUTE: 'a', HOST: '10.0.0.1' }
  for (const text of examples) {
    const { value, problems } = expandEnvironment(parseYaml(text, 'the page'), environment)
    expect([...problems, ...findProblems(value)]).toEqual([])
  }
})
