import { createServer } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from '../../../src/cli/demo/within.js'
import { leastWait } from '../../support/patience.js'
import { holdfast, type RunningCommand } from '../built-command.js'
import { listen, portOf } from './listening.js'
import { isAlive, pidsIn } from './processes.js'

const started: RunningCommand[] = []
afterEach(async () => {
  for (const { child, ended } of started.splice(0)) {
    child.kill('SIGTERM')
    await ended
  }
})

function demo(...args: string[]): RunningCommand {
  const command = holdfast(['demo', ...args])
  started.push(command)
  return command
}

async function addressOf(command: RunningCommand): Promise<string> {
  await until('the shop is open', leastWait, () => command.stdout().includes('The shop is open'))
  return /http:\S+/.exec(command.stdout())?.[0] ?? ''
}

/** A visitor with a cookie, who expects every answer to be a good one. */
class Browser {
  readonly #address: string
  #cookie = ''

  constructor(address: string) {
    this.#address = address
  }

  get(path: string) {
    return this.#send(path, { method: 'GET' })
  }

  post(path: string, body: unknown = {}) {
    const headers = { 'content-type': 'application/json', origin: new URL(this.#address).origin }
    return this.#send(path, { method: 'POST', headers, body: JSON.stringify(body) })
  }

  // biome-ignore lint/suspicious/noExplicitAny: the tests say what they expect
  async #send(path: string, init: RequestInit): Promise<any> {
    const headers = { ...init.headers, cookie: this.#cookie }
    const answer = await fetch(`${this.#address}${path}`, { ...init, headers })
    const [cookie] = answer.headers.getSetCookie()
    if (cookie !== undefined) this.#cookie = cookie.split(';', 1)[0] ?? ''
    expect(answer.ok, path).toBe(true)
    return await answer.json()
  }
}

describe('holdfast demo', () => {
  it('opens a shop, and stops everything on Ctrl-C', async () => {
    const command = demo('--embedded', '--port', '0')
    const page = await fetch(await addressOf(command))
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(await page.text()).toContain('<title>Holdfast demo</title>')
    expect(pidsIn(command.stdout()).filter(isAlive)).toHaveLength(4)
    command.child.kill('SIGINT')
    const { code, stdout } = await command.ended
    expect(code).toBe(0)
    expect(pidsIn(stdout).filter(isAlive)).toEqual([])
  })

  it('shows where a session is, through kills and revivals by its buttons', async () => {
    const address = await addressOf(demo('--embedded', '--port', '0'))
    const visitor = new Browser(address)
    expect((await visitor.get('whoami')).session).toBeUndefined()
    await visitor.post('cart/items', { sku: 'rope' })
    // What an asynchronous backup has not stored yet is on one server alone, and dies with it.
    await until('the cart is stored', leastWait, async () => {
      const { processes } = await visitor.get('demo/state')
      return processes.every(({ pending = 0 }: { pending?: number }) => pending === 0)
    })
    const { route, session } = await visitor.get('whoami')
    expect(session).toEqual({ node: expect.stringMatching(/^n[12]$/), route })
    const other = route === 'a' ? 'b' : 'a'

    await visitor.post(`demo/processes/${route}/kill`)
    expect(await visitor.get('cart')).toMatchObject({ route: other, items: [{ sku: 'rope' }] })
    expect((await visitor.get('whoami')).session).toEqual({ node: session.node, route: other })

    await visitor.post(`demo/processes/${other}/kill`)
    expect(await (await fetch(address)).text()).toContain('<title>Holdfast demo</title>')
    await visitor.post(`demo/processes/${route}/revive`)
    expect(await visitor.get('cart')).toMatchObject({ route, items: [{ sku: 'rope' }] })

    await visitor.post('leave')
    expect((await visitor.get('cart')).items).toEqual([])
  })

  it('gives each server a dashboard, which operators of this machine may use', async () => {
    const command = demo('--embedded', '--port', '0')
    const address = await addressOf(command)
    await until('both are told', leastWait, () => command.stdout().includes('Dashboard of server b'))
    const printed = Array.from(command.stdout().matchAll(/Dashboard of server \w: (\S+)/g), ([, url]) => url)
    const { processes } = await new Browser(address).get('demo/state')
    expect(processes.map(({ dashboard }: { dashboard?: string }) => dashboard)).toEqual([
      ...printed,
      undefined,
      undefined,
    ])
    for (const [index, url] of printed.entries()) {
      expect(await (await fetch(url as string)).text()).toContain('<title>Holdfast</title>')
      const body = { type: 'read', mbean: 'holdfast:type=SessionManager', attribute: 'Route' }
      const headers = { 'content-type': 'application/json' }
      const answer = await fetch(`${url}jolokia`, { method: 'POST', headers, body: JSON.stringify(body) })
      expect(await answer.json()).toMatchObject({ status: 200, value: 'ab'[index] })
    }
  })

  it('leaves no process behind when it is killed itself', async () => {
    const command = demo('--embedded', '--port', '0')
    await addressOf(command)
    command.child.kill('SIGKILL')
    const { stdout } = await command.ended
    await until('all are gone', leastWait, () => pidsIn(stdout).filter(isAlive).length === 0)
  })

  it('says plainly that a port is taken, and which option helps', async () => {
    const holder = createServer()
    await listen(holder)
    const port = portOf(holder)
    const { code, stderr } = await demo('--port', String(port)).ended
    holder.close()
    expect(code).toBe(1)
    expect(stderr).toBe(`holdfast demo: port ${port} on 127.0.0.1 is taken; choose another one with --port\n`)
  })
})
