import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { check } from '../../src/cli/check.js'
import { probeNode } from '../../src/cli/probe-node.js'
import { parseNodeAddress } from '../../src/node/address/node-address.js'
import { openNode } from '../../src/node/open-node.js'
import type { StorageNode } from '../../src/node/storage-node.js'
import { freePort } from '../../src/testing/free-port.js'
import { startMemcached, type TestMemcached } from '../../src/testing/start-memcached.js'
import { startRedis } from '../../src/testing/start-redis.js'

const secret = 'a-secret-of-the-tests-0123456789'
const folder = mkdtempSync(join(tmpdir(), 'holdfast-check-'))

let server: TestMemcached
let closedPort: number

beforeAll(async () => {
  server = await startMemcached()
  closedPort = await freePort()
})

afterAll(async () => {
  await server.close()
  rmSync(folder, { recursive: true })
})

afterEach(() => {
  vi.restoreAllMocks()
})

async function run(...args: string[]) {
  let stdout = ''
  let stderr = ''
  const code = await check(args, {
    stdout: { write: (text) => (stdout += text) },
    stderr: { write: (text) => (stderr += text) },
  })
  return { code, stdout, stderr }
}

function config(keys: object): string {
  const path = join(folder, 'config.json')
  writeFileSync(path, JSON.stringify({ secret, ...keys }))
  return path
}

function live(): string {
  return `memcached://${server.host}:${server.port}`
}

describe('holdfast check', () => {
  it('tells what each server is, what it has room for, and what it does when it is full', async () => {
    const { code, stdout } = await run(config({ route: 'app1', nodes: live(), operationTimeout: '1m' }))
    expect(code).toBe(0)
    expect(stdout).toMatch(/server: memcached 1\.\d+\.\d+/)
    expect(stdout).toMatch(/protocol: (meta|binary)/)
    expect(stdout).toMatch(/largest item: \S+ (KiB|MiB) \(the server takes 1\.0 MiB\)/)
    expect(stdout).toMatch(/memory: .* used, limit \d/)
    expect(stdout).toContain('when it is full: lru: sessions are lost before their time')
    expect(stdout).toContain('evictions so far: 0')
  })

  it('tells what a server can not do, and what that costs', async () => {
    const redis = await startRedis()
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>sesame', '~*', '+@all', '-wait', '-client|tracking')
    const nodes = `redis://app:sesame@${redis.host}:${redis.port}`
    const { code, stdout } = await run(config({ route: 'app1', nodes, operationTimeout: '1m' }))
    await redis.close()
    expect(code).toBe(0)
    expect(stdout).toContain('missing: CLIENT TRACKING: no near cache')
    expect(stdout).toContain('missing: WAIT: writes can not be acknowledged by replicas')
  })

  it('tries a fenced write: a Redis without scripts, whose SET does not compare, is no node that works', async () => {
    const redis = await startRedis()
    await redis.command('ACL', 'SETUSER', 'app', 'on', '>sesame', '~*', '+@all', '-eval', '-evalsha')
    const { code, stdout } = await run(
      config({ route: 'app1', nodes: `redis://app:sesame@${redis.host}:${redis.port}` }),
    )
    await redis.close()
    expect(stdout).toMatch(/redis:\/\/\S+ +no answer +.*forbids scripts/)
    expect(code).toBe(2)
  })

  it('asks Redis too, and never prints a password', async () => {
    const redis = await startRedis({ args: ['--requirepass', 'open-sesame'] })
    const wrong = `redis://:not-sesame@${redis.host}:${redis.port}`
    const nodes = `n1:redis://:open-sesame@${redis.host}:${redis.port}/2, n2:${wrong}`
    const { code, stdout, stderr } = await run(config({ route: 'app1', nodes }))
    await redis.close()
    expect(stdout).toMatch(/n1 +redis:\/\/\S+\/2 +answers +ping [\d.]+ms/)
    expect(stdout).toMatch(/n2 +redis:\/\/\S+ +no answer +.*refused the login: .*\(WRONGPASS\)/)
    expect(stdout + stderr).not.toContain('sesame')
    expect(code).toBe(2)
  })

  it('ends with 0 when the configuration can be used and every node works', async () => {
    const { code, stdout, stderr } = await run(config({ route: 'app1', nodes: `n1:${live()} n2:memory://` }))
    expect(stdout).toMatch(
      /n1 +memcached:\/\/\S+ +answers +ping [\d.]+ms, put [\d.]+ms, get [\d.]+ms, fence [\d.]+ms, renew [\d.]+ms, delete [\d.]+ms/,
    )
    expect(stdout).toMatch(/n2 +memory:\/\/ +answers/)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  })

  it('prints the effective settings without secrets', async () => {
    const nodes = `n1:memcached://user:p4ssw0rd@127.0.0.1:${closedPort}`
    const { stdout, stderr } = await run(config({ nodes, idleTimeout: '1h' }))
    expect(stdout).toMatch(/idleTimeout +1h\n/)
    expect(stdout).toMatch(/backup\.mode +async\n/)
    expect(stdout).toMatch(/secret +\[redacted\]/)
    expect(stdout + stderr).not.toMatch(/p4ssw0rd|a-secret/)
  })

  it('says what is probably not meant', async () => {
    const { stdout } = await run(config({ nodes: live() }))
    expect(stdout).toContain('Note: route is not set')
  })

  it('ends with 1 and lists every problem when the configuration can not be used', async () => {
    const { code, stdout, stderr } = await run(config({ route: 'a b', trustFor: 'soon', nodes: live() }))
    expect(code).toBe(1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/route: got "a b", expected .*\n {2}trustFor: got "soon", expected/)
  })

  it('ends with 1 when there is no configuration', async () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder)
    rmSync(join(folder, 'config.json'), { force: true })
    const { code, stderr } = await run()
    expect(code).toBe(1)
    expect(stderr).toContain('holdfast.config')
  })

  it('ends with 2 when a node does not answer, and still asks the others', async () => {
    const nodes = `n1:${live()} n2:127.0.0.1:${closedPort}`
    const { code, stdout } = await run(config({ nodes }))
    expect(code).toBe(2)
    expect(stdout).toMatch(/n1 .* answers/)
    expect(stdout).toMatch(/n2 .* no answer +\S/)
  })

  it('ends with 2 within the operation timeout when a node hangs', async () => {
    await server.suspend()
    try {
      const { code, stdout } = await run(config({ nodes: `n1:${live()}`, operationTimeout: '100ms' }))
      expect(code).toBe(2)
      expect(stdout).toMatch(/n1 .* no answer/)
    } finally {
      await server.resume()
    }
  })

  it("does not blame the server's own embedded node for not running yet", async () => {
    const own = `127.0.0.1:${closedPort}`
    const { code, stdout } = await run(config({ nodes: `n1:embedded://${own} n2:${live()}`, embed: own }))
    expect(code).toBe(0)
    expect(stdout).toMatch(/n1 .* not started/)
  })

  it('leaves nothing behind in the node', async () => {
    await run(config({ nodes: `n1:${live()}` }))
    expect((await server.stats()).curr_items).toBe('0')
  })

  it('tells how it is used', async () => {
    expect(await run('--help')).toMatchObject({ code: 0, stdout: expect.stringContaining('holdfast check [file]') })
    expect(await run('a.yaml', 'b.yaml')).toMatchObject({ code: 1, stderr: expect.stringContaining('Usage') })
    expect(await run('--verbose')).toMatchObject({ code: 1, stderr: expect.stringContaining('Usage') })
  })
})

describe('the probe of a node', () => {
  it('fails when a node forgets what it acknowledged', async () => {
    const node = openNode(parseNodeAddress('memory://'))
    const forgetful: StorageNode = {
      id: node.id,
      address: node.address,
      maxValueBytes: node.maxValueBytes,
      connections: 0,
      get: async () => undefined,
      verify: async () => undefined,
      put: (...args) => node.put(...args),
      touch: (...args) => node.touch(...args),
      delete: (...args) => node.delete(...args),
      ping: () => node.ping(),
      close: () => node.close(),
    }
    await expect(probeNode(forgetful, 'p:')).rejects.toThrow('did not give back')
    await node.close()
  })
})
