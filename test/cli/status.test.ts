import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { status } from '../../src/cli/status/status-command.js'
import { freePort } from '../../src/testing/index.js'
import { openAdmin } from '../mbeans/admin-client.js'
import type { AppServer } from '../support/app-server.js'
import { Cluster } from '../support/cluster.js'
import { Visitor } from '../support/visitor.js'

const token = 'the-token-of-a-person-who-looks'
const password = 'the password of ann'

let cluster: Cluster
let open: AppServer
let guarded: AppServer

beforeAll(async () => {
  cluster = await Cluster.of('n1', 'n2')
  const auth = {
    users: [{ name: 'ann', role: 'viewer', password }],
    tokens: [{ name: 'looks', role: 'viewer', sha256: createHash('sha256').update(token).digest('hex') }],
  } as const
  open = await cluster.server('a', { admin: openAdmin })
  guarded = await cluster.server('b', { admin: { ...openAdmin, auth } })
  await new Visitor().post(open.url, { n: 1 })
})

afterAll(() => cluster.close())

async function run(args: string[], environment: NodeJS.ProcessEnv = {}, isTTY = false, ended?: AbortSignal) {
  const out: string[] = []
  const err: string[] = []
  const io = {
    stdout: { isTTY, write: (text: string) => void out.push(text) },
    stderr: { write: (text: string) => void err.push(text) },
  }
  const code = await status(args, io, environment, ended ?? new AbortController().signal)
  return { code, out: out.join(''), err: err.join('') }
}

const urlOf = (server: AppServer) => server.sessions.adminUrl as string

describe('holdfast status', () => {
  it('shows nodes, sessions, requests, the write-behind queue and locks', async () => {
    const { code, out, err } = await run([urlOf(open)])
    expect([code, err]).toEqual([0, ''])
    expect(out).toMatch(/^Holdfast \d+\.\d+\.\d+ {2}a {2}sticky {2}ready {2}up /)
    expect(out).toContain('1 sessions in memory')
    expect(out).toMatch(/n1 +memcached:\/\/127\.0\.0\.1:\d+ +up +\d+/)
    expect(out).toMatch(/without session +1\n/)
    expect(out).toMatch(/pending +\d+ sessions/)
    expect(out).toMatch(/mode +none/)
  })

  it('gives the same as JSON', async () => {
    const { code, out } = await run([urlOf(open), '--json'])
    expect(code).toBe(0)
    expect(out.trim().split('\n')).toHaveLength(1)
    expect(JSON.parse(out)).toMatchObject({
      manager: { Mode: 'sticky', ActiveSessions: 1 },
      statistics: { SessionsCreated: 1 },
      writeBehind: { HasRoom: true },
      locking: { Mode: 'none' },
      nodes: [
        { Id: 'n1', State: 'up' },
        { Id: 'n2', State: 'up' },
      ],
    })
  })

  it('looks again and again in a terminal, with rates, until it is ended', async () => {
    const end = new AbortController()
    let looks = 0
    let out = ''
    const io = {
      stdout: {
        isTTY: true,
        write: (text: string) => {
          out += text
          if (++looks === 3) end.abort()
        },
      },
      stderr: { write: () => {} },
    }
    expect(await status([urlOf(open), '--interval', '100ms'], io, { NO_COLOR: '1' }, end.signal)).toBe(0)
    expect(out.split('\u001b[H\u001b[J')).toHaveLength(4)
    expect(out).toMatch(/from memory +0 +0\.0\/s/)
    expect((await run([urlOf(open), '--once'], { NO_COLOR: '1' }, true)).out).not.toContain('\u001b')
  })

  it('logs in with a token, or with a user and a password, from the environment', async () => {
    const refused = await run([urlOf(guarded)])
    expect(refused).toMatchObject({ code: 1, out: '' })
    expect(refused.err).toContain('wants a login')
    expect((await run([urlOf(guarded)], { HOLDFAST_ADMIN_TOKEN: token })).code).toBe(0)
    const asUser = [urlOf(guarded), '--user', 'ann']
    expect((await run(asUser, { HOLDFAST_ADMIN_PASSWORD: password })).code).toBe(0)
    await expect(run(asUser)).rejects.toThrow('HOLDFAST_ADMIN_PASSWORD')
  })

  it('takes no credentials in the URL, and does not repeat them', async () => {
    const attempt = run(['http://ann:hidden@127.0.0.1:9400'])
    await expect(attempt).rejects.toThrow('do not belong in the URL')
    await expect(attempt).rejects.not.toThrow('hidden')
  })

  it.each([
    [['--interval', '1ms'], 'from 100ms'],
    [['a', 'b'], 'one URL'],
    [['http://'], 'expected a URL'],
    [['--what'], '--what'],
  ])('refuses %j', async (args, reason) => {
    await expect(run(args)).rejects.toThrow(reason)
  })

  it('says when nothing listens, or something else does', async () => {
    const nobody = await run([`127.0.0.1:${await freePort()}`])
    expect(nobody.code).toBe(1)
    expect(nobody.err).toContain('nothing listens there')
    const other = createServer((_req, res) => res.end('<html>\u001b[31mhello'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const wrong = await run([`http://127.0.0.1:${portOf(other)}/`])
    expect(wrong).toMatchObject({ code: 1, out: '' })
    expect(wrong.err).toContain("is not from Holdfast's administration")
    expect(wrong.err).not.toContain('\u001b')
    other.close()
  })

  it('explains itself', async () => {
    expect((await run(['--help'])).out).toContain('HOLDFAST_ADMIN_TOKEN')
  })
})

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}
