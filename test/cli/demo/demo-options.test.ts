import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { choosePorts, parseDemoOptions } from '../../../src/cli/demo/demo-options.js'
import { UsageError } from '../../../src/cli/usage-error.js'
import { listen, portOf } from './listening.js'

describe('the options of the demo', () => {
  it('open the page on loopback, port 8080', () => {
    expect(parseDemoOptions([])).toMatchObject({ script: false, embedded: false, host: '127.0.0.1', port: 8080 })
  })

  it('take the mode of the sessions, sticky unless told otherwise', () => {
    expect(parseDemoOptions([]).mode).toBe('sticky')
    expect(parseDemoOptions(['--mode', 'non-sticky']).mode).toBe('non-sticky')
  })

  it('take any free port for the story, which nobody has to find', () => {
    expect(parseDemoOptions(['--script']).port).toBe(0)
    expect(parseDemoOptions(['--script', '--port', '8081']).port).toBe(8081)
  })

  it('take the number of visitors of the story', () => {
    expect(parseDemoOptions(['--script']).visitors).toBe(200)
    expect(parseDemoOptions(['--script', '--visitors', '20']).visitors).toBe(20)
    expect(() => parseDemoOptions(['--visitors', '19'])).toThrow('--visitors wants a count from 20 to 10000, not "19"')
  })

  it('give each server a dashboard, the story none unless its port is told', () => {
    expect(parseDemoOptions([])).toMatchObject({ dashboards: true, adminPorts: undefined })
    expect(parseDemoOptions(['--script']).dashboards).toBe(false)
    const options = parseDemoOptions(['--script', '--admin-ports', '9400,9401'])
    expect(options).toMatchObject({ dashboards: true, adminPorts: [9400, 9401] })
  })

  it('read the ports of servers and nodes', () => {
    const options = parseDemoOptions(['--server-ports', '3001,3002', '--node-ports=11311, 11312'])
    expect(options).toMatchObject({ serverPorts: [3001, 3002], nodePorts: [11311, 11312] })
  })

  it.each([
    [['--mode', 'glued']],
    [['--visitors', 'many']],
    [['--visitors', '10001']],
    [['--port', 'x']],
    [['--port', '65536']],
    [['--port', '-1']],
    [['--server-ports', '3001']],
    [['--server-ports', '3001,3001']],
    [['--node-ports', '0,1']],
    [['--admin-ports', '9400']],
    [['--unknown']],
    [['word']],
  ])('refuse %j', (args) => {
    expect(() => parseDemoOptions(args)).toThrow(UsageError)
  })

  it('name the option that helps when a port is taken', async () => {
    const holder = createServer()
    await listen(holder)
    const taken = portOf(holder)
    await expect(choosePorts([taken, taken + 1], '--node-ports')).rejects.toThrow(
      `port ${taken} on 127.0.0.1 is taken; choose another one with --node-ports`,
    )
    holder.close()
  })
})
