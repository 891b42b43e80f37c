import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { createSessionManager, type Sessions } from '../../src/create-session-manager.js'
import { silentLogger } from '../../src/logger.js'
import { Opened } from '../../src/testing/opened.js'
import { startMemcached, type TestMemcached } from '../../src/testing/start-memcached.js'
import { secret } from '../support/app-server.js'
import { leastWait } from '../support/patience.js'

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), 'utf8')
const page = read('docs/operations.md')
const token = 'the-token-of-an-operator-in-a-test'

describe('the page on operations', () => {
  const opened = new Opened()
  let sessions: Sessions
  let memcacheds: TestMemcached[]

  beforeAll(async () => {
    memcacheds = await opened.addAll([startMemcached(), startMemcached(), startMemcached()])
    const sha256 = createHash('sha256').update(token).digest('hex')
    sessions = createSessionManager({
      secret,
      logger: silentLogger,
      nodes: `n1:127.0.0.1:${memcacheds[0]?.port} n2:127.0.0.1:${memcacheds[1]?.port}`,
      admin: {
        listen: '127.0.0.1:0',
        readOnly: false,
        auth: { tokens: [{ name: 'op', role: 'operator', sha256, nodes: true }] },
      },
    })
    await opened.add(Promise.resolve({ close: () => sessions.close() }))
    await sessions.ready()
  })

  afterAll(() => opened.close())

  /** The commands in the code blocks of the page, each with the lines that it goes on over. */
  const commands = Array.from(page.matchAll(/^```sh\n(.*?)^```/gms), ([, block = '']) =>
    block.split(/\n(?=\S)/).map((command) => command.trim()),
  ).flat()

  function run(command: string) {
    const text = command
      .replaceAll('http://127.0.0.1:9400', sessions.adminUrl as string)
      .replaceAll(/10\.0\.0\.(\d):11211/g, (_all, number) => `127.0.0.1:${memcacheds[Number(number) - 1]?.port}`)
    return promisify(execFile)('sh', ['-c', text], { env: { ...process.env, TOKEN: token }, timeout: leastWait })
  }

  it('has commands that work, as they stand there', async () => {
    const calls = commands.filter((command) => command.startsWith('curl'))
    expect(calls.length).toBeGreaterThan(5)
    for (const command of calls) {
      const { stdout } = await run(command)
      expect(stdout, command).not.toBe('')
      if (command.includes('/jolokia/')) expect(JSON.parse(stdout), command).toMatchObject({ status: 200 })
    }
    expect(sessions.stats().nodes.map(({ id }) => id)).toEqual(['n1', 'n2', 'n3'])
  })

  it('finds the metrics that it says to look at', async () => {
    const command = commands.find((text) => text.includes('grep')) as string
    const { stdout } = await run(command)
    for (const name of [
      'storage_node_up{node="n1"}',
      'sessions_unprotected',
      'sessions_under_replicated',
      'protecting',
    ]) {
      expect(stdout).toContain(`holdfast_${name} `)
    }
  })

  it('says for each alert, and only for those, what to do', () => {
    const { groups } = parse(read('examples/prometheus/holdfast-alerts.yml'))
    const alerts = groups[0].rules.map(({ alert }: { alert: string }) => alert)
    expect(Array.from(page.matchAll(/^### (Holdfast\w+)$/gm), ([, name]) => name)).toEqual(alerts)
  })
})
