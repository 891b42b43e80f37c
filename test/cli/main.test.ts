import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { until } from '../../src/cli/demo/within.js'
import { leastWait } from '../support/patience.js'
import { holdfast } from './built-command.js'
import { listen, portOf } from './demo/listening.js'

describe('the command line', () => {
  it('helps', async () => {
    const { code, stdout } = await holdfast(['--help']).ended
    expect(code).toBe(0)
    for (const command of ['demo', 'check', 'node']) expect(stdout).toContain(`\n  ${command} `)
  })

  it('says its version', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
    expect(await holdfast(['--version']).ended).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
  })

  it.each([
    { args: [], says: 'which command?' },
    { args: ['dance'], says: 'there is no command "dance"' },
    { args: ['demo', '--unknown'], says: "'--unknown'" },
    { args: ['demo', '--port', 'x'], says: 'is not a port' },
    { args: ['node', '--memory', 'much'], says: 'is not a size' },
    { args: ['node', 'word'], says: "'word'" },
  ])('ends with 2 and a hint for $args', async ({ args, says }) => {
    const { code, stdout, stderr } = await holdfast(args).ended
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toContain(says)
    expect(stderr).toContain('--help')
  })
})

describe('holdfast node', () => {
  it.each(['SIGINT', 'SIGTERM'] as const)('says where it listens, and ends in order on %s', async (signal) => {
    const node = holdfast(['node', '--port', '0'])
    await until('it listens', leastWait, () => node.stdout().includes('\n'))
    expect(node.stdout()).toMatch(/^holdfast node listens on 127\.0\.0\.1:\d+ with 64MB\n$/)
    node.child.kill(signal)
    expect(await node.ended).toMatchObject({ code: 0, stderr: '' })
  })

  it('says plainly that a port is taken', async () => {
    const holder = createServer()
    await listen(holder)
    const { code, stderr } = await holdfast(['node', '--port', String(portOf(holder))]).ended
    holder.close()
    expect(code).toBe(1)
    expect(stderr).toContain('is taken; choose another one with --port')
  })
})
