import { existsSync } from 'node:fs'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SentinelGroup } from '../../src/testing/sentinel-group.js'
import { startRedis } from '../../src/testing/start-redis.js'
import { startRedisSentinel } from '../../src/testing/start-redis-sentinel.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { FaultyRedis } from '../support/faulty-redis.js'

describe('a Sentinel group under test', () => {
  let group: SentinelGroup
  let client: Redis

  beforeEach(async () => {
    group = await startRedisSentinel()
    const sentinels = group.sentinels.map(({ host, port }) => ({ host, port }))
    client = new Redis({ sentinels, name: group.name, maxRetriesPerRequest: null })
    client.on('error', () => {})
  })

  afterEach(async () => {
    client.disconnect()
    await group.close()
  })

  const reachedPort = async (): Promise<string | undefined> => /tcp_port:(\d+)/.exec(await client.info('server'))?.[1]

  it('has a master, two replicas and three Sentinels that agree', async () => {
    expect(group.replicas).toHaveLength(2)
    expect(group.url).toMatch(/^redis\+sentinel:\/\/127\.0\.0\.1:\d+,127\.0\.0\.1:\d+,127\.0\.0\.1:\d+\/holdfast$/)
    expect(await group.currentMaster()).toBe(group.master)
    expect(await reachedPort()).toBe(`${group.master.port}`)
    await client.set('key', 'value')
    for (const replica of group.replicas) await waitFor(async () => (await replica.command('GET', 'key')) === 'value')
  })

  it('promotes a replica when the master is killed, and takes it back as a replica', async () => {
    await client.set('key', 'value')
    expect(await client.wait(2, 5000)).toBe(2)
    await group.master.kill()
    const promoted = await group.waitForFailover(group.master)
    expect(group.replicas).toContain(promoted)
    await waitFor(async () => (await reachedPort()) === `${promoted.port}`, { timeout: 20_000 })
    expect(await client.get('key')).toBe('value')
    await group.master.restart()
    expect(await group.settled()).toBe(promoted)
    expect(await group.master.command('GET', 'key')).toBe('value')
  })

  it('promotes a replica when the master stands still', async () => {
    await group.master.suspend()
    const promoted = await group.waitForFailover(group.master)
    expect(promoted).not.toBe(group.master)
    await group.master.resume()
    expect(await group.settled()).toBe(promoted)
    await expect(group.master.command('SET', 'key', 'value')).rejects.toThrow(/READONLY/)
  })

  it('fails over on demand, and still after a Sentinel was restarted', async () => {
    const second = await group.failover()
    expect(second).not.toBe(group.master)
    await group.sentinels[0]?.restart()
    const third = await group.failover()
    expect(third).not.toBe(second)
    expect(await group.currentMaster()).toBe(third)
    await waitFor(async () => (await reachedPort()) === `${third.port}`, { timeout: 20_000 })
  })

  it('ends with all that it has written', async () => {
    const [, folder = ''] = (await group.master.command('CONFIG', 'GET', 'dir')) as string[]
    const [file] = await Promise.all(
      group.sentinels.map(
        async (sentinel) => /config_file:(\S+)/.exec(String(await sentinel.command('INFO', 'server')))?.[1],
      ),
    )
    expect(existsSync(folder)).toBe(true)
    expect(existsSync(file ?? '')).toBe(true)
    await group.close()
    expect(existsSync(file ?? '')).toBe(false)
    await expect(group.currentMaster()).rejects.toThrow(/don't agree/)
    await expect(group.master.command('PING')).rejects.toThrow()
  })
})

describe('a Sentinel group is not settled', () => {
  it('while a server that cuts its connections, as one does that is being demoted, follows nobody', async () => {
    const [master, alone] = await Promise.all([startRedis(), startRedis()])
    const demoted = new FaultyRedis(alone)
    await demoted.start()
    try {
      const sentinel = { ...master, command: async () => [master.host, `${master.port}`] }
      const replica = { ...alone, host: demoted.host, port: demoted.port }
      const group = new SentinelGroup('holdfast', master, [replica], [sentinel], async () => {})
      demoted.fail({ kind: 'close' }, { command: 'INFO', times: 1 })
      let isSettled = false
      const settled = group.settled().finally(() => {
        isSettled = true
      })
      await waitFor(() => isSettled || demoted.connections > 3)
      expect(isSettled).toBe(false)
      await alone.command('REPLICAOF', master.host, master.port)
      expect(await settled).toBe(master)
    } finally {
      await demoted.close()
      await Promise.all([master.close(), alone.close()])
    }
  })
})
