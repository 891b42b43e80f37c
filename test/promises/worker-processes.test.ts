import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { freePort } from '../../src/testing/free-port.js'

const program = fileURLToPath(new URL('../support/workers-that-listen.js', import.meta.url))
const run = promisify(execFile)

it.each(['embed', 'admin'])('workers of node:cluster never share an address silently (%s)', async (what) => {
  const port = String(await freePort())
  const ports = what === 'embed' ? [port, '0'] : ['0', port]
  const { stdout } = await run(process.execPath, [program, ...ports], { timeout: 60_000 })
  expect(stdout.trim().split('\n')).toEqual(['listens', 'is refused'])
})
