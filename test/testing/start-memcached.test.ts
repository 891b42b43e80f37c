import { describe, expect, it } from 'vitest'
import { exchange } from '../../src/testing/exchange.js'
import { startMemcached, type TestMemcached } from '../../src/testing/start-memcached.js'

const whole = (answer: string): boolean => answer.endsWith('\r\n')

function ask(server: TestMemcached, line: string): Promise<string> {
  return exchange(server, line, whole, 300)
}

describe('a memcached under test', () => {
  it('counts the operations on its keys', async () => {
    const server = await startMemcached()
    const before = await server.storageOperations()
    await ask(server, 'get nothing')
    await ask(server, 'touch nothing 10')
    await ask(server, 'delete nothing')
    await ask(server, 'set key 0 0 5\r\nvalue')
    await ask(server, 'version')
    expect((await server.storageOperations()) - before).toBe(4)
    await server.close()
  })

  it('can be emptied, and is empty after a restart on the same port', async () => {
    const server = await startMemcached()
    const { port } = server
    await ask(server, 'set key 0 0 5\r\nvalue')
    await server.flushAll()
    expect((await server.stats()).cmd_flush).toBe('1')
    expect(await ask(server, 'get key')).toBe('END\r\n')
    const { pid } = server
    await server.restart()
    expect(server.port).toBe(port)
    expect(server.pid).not.toBe(pid)
    expect((await server.stats()).curr_items).toBe('0')
    await server.close()
  })

  it('answers nothing while it is suspended', async () => {
    const server = await startMemcached()
    await server.suspend()
    await expect(ask(server, 'version')).rejects.toThrow(/no answer/)
    await server.resume()
    expect(await ask(server, 'version')).toMatch(/^VERSION/)
    await server.close()
  })

  it('is gone after a kill and after its close', async () => {
    const server = await startMemcached()
    await server.kill()
    await expect(ask(server, 'version')).rejects.toThrow(/ECONNREFUSED/)
    await server.restart()
    await server.close()
    await server.close()
    await expect(ask(server, 'version')).rejects.toThrow(/ECONNREFUSED/)
  })

  it('says what the program wrote when it can not start', async () => {
    await expect(startMemcached({ args: ['--no-such-option'] })).rejects.toThrow(/ended at once.*no-such-option/s)
  })
})
