import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { freePort } from '../../src/testing/free-port.js'
import { Opened } from '../../src/testing/opened.js'
import { startMemcached } from '../../src/testing/start-memcached.js'
import { startProcess } from '../../src/testing/start-process.js'
import { waitFor } from '../../src/testing/wait-for.js'
import { installShop } from '../balancers/shop.js'
import { Visitor } from '../support/visitor.js'

const program = fileURLToPath(new URL('../../deploy/cluster/cluster.js', import.meta.url))
const slow = { timeout: 60_000 }

describe('the shop under node:cluster', () => {
  const opened = new Opened()

  afterEach(() => opened.close())

  it('has a port and a route for each worker, starts one again that died, and ends in order', async () => {
    const memcached = await opened.add(startMemcached())
    const folder = await installShop(opened)
    await copyFile(program, join(folder, 'cluster.js'))
    const [port, adminPort] = [await freePort(), await freePort()]
    const environment = {
      HOST: '127.0.0.1',
      PORT: String(port),
      ADMIN_PORT: String(adminPort + 10),
      WORKERS: '1',
      SESSION_SECRET: 'a secret for tests only',
      SESSION_NODES: `n1:memcached://127.0.0.1:${memcached.port}`,
      SESSION_BACKUP: 'sync',
      METRICS_TOKEN_SHA256: '0'.repeat(64),
      DRAIN_MS: '100',
    }
    const cluster = await opened.add(startProcess(process.execPath, ['cluster.js'], { folder, environment }))
    const visitor = new Visitor()
    const url = `http://127.0.0.1:${port}/`
    const count = async (): Promise<number> => (await visitor.post(url, {})).json<{ count: number }>().count
    await waitFor(count, { ...slow, message: 'the worker' })
    expect(visitor.route).toBe('app-1')
    const before = await count()
    const worker = /^worker (\d+)$/m.exec(cluster.output)?.[1]
    process.kill(Number(worker), 'SIGKILL')
    await waitFor(async () => (await count()) > before, { ...slow, message: 'the worker that was started again' })
    expect(await count()).toBe(before + 2)
    await cluster.kill('SIGTERM')
    await expect(new Visitor().get(url)).rejects.toThrow('ECONNREFUSED')
  })
})
