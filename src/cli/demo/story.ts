import type { Terminal } from '../terminal.js'
import type { Demo } from './demo.js'
import type { ServerStats } from './server-stats.js'
import { StoryReport } from './story-report.js'
import { type Place, Shoppers } from './story-shoppers.js'
import { until, within } from './within.js'

export interface StoryOptions {
  /** Default 200. */
  visitors?: number
  /** Connections at once. Default 16. */
  concurrency?: number
  /** Milliseconds for everything. Default 300000. */
  timeout?: number
}

const WAIT_MS = 60_000

/** Lets visitors shop while servers and storage nodes die, checks every cart, and prints a table of what was found. */
export async function tellStory(demo: Demo, io: Terminal, options: StoryOptions = {}): Promise<{ held: boolean }> {
  const { visitors = 200, concurrency = 16, timeout = 300_000 } = options
  const report = new StoryReport()
  const shoppers = new Shoppers(visitors, demo.port, concurrency, report)
  const story = new Story(demo, io, shoppers, report)
  try {
    await within(timeout, story.tell(), () => new Error(`the story took longer than ${timeout / 1000} seconds`))
  } catch (error) {
    report.expect(false, error instanceof Error ? error.message : String(error))
  } finally {
    shoppers.close()
  }
  io.stdout.write(`${report.print(demo.cluster.balancer.counters.retries)}\n`)
  return { held: report.held }
}

class Story {
  readonly #demo: Demo
  readonly #io: Terminal
  readonly #shoppers: Shoppers
  readonly #report: StoryReport

  constructor(demo: Demo, io: Terminal, shoppers: Shoppers, report: StoryReport) {
    this.#demo = demo
    this.#io = io
    this.#shoppers = shoppers
    this.#report = report
  }

  async tell(): Promise<void> {
    const { all } = this.#shoppers
    await this.#fillCarts()
    await this.#waitForBackups('wait until all is stored: a crash loses what is not')
    await this.#killServer()
    await this.#shopOn('everybody shops on, on server b', all)
    await this.#waitForBackups('wait until all is stored')
    await this.#reviveServer('a')
    await this.#killNode()
    await this.#killServerOfIdleSessions()
    await this.#reviveServer('b')
    await this.#reviveNode()
    await this.#shopOn(this.#isSticky ? 'everybody shops on, on server a' : 'everybody shops on, on both servers', all)
    await this.#restartInOrder()
    await this.#step('all carts, one last time', all.length, () => this.#shoppers.checkCarts(all))
  }

  async #fillCarts(): Promise<void> {
    const { all } = this.#shoppers
    await this.#step('visitors fill their carts', all.length, async () => {
      await this.#shoppers.fillCarts()
      const carts = await this.#shoppers.checkCarts(all)
      return `${carts}; ${this.#whereTheyLive()}`
    })
  }

  /** Asynchronous backup has a loss window; the story shows what holds outside of it. */
  async #waitForBackups(title: string): Promise<void> {
    await this.#step(title, this.#shoppers.all.length, async () => {
      await until('nothing waits to be stored', WAIT_MS, async () => {
        return (await this.#statsOfRunning()).every(({ pendingBackups }) => pendingBackups === 0)
      })
      return '0 backups pending'
    })
  }

  async #killServer(): Promise<void> {
    const { all } = this.#shoppers
    const moving = this.#isSticky ? `; ${all.filter((visitor) => visitor.route === 'a').length} taken over` : ''
    await this.#step('kill -9 server a while carts are read', all.length, async () => {
      const kill = this.#soon(all.length / 4).then(() => this.#demo.cluster.kill('a'))
      const [carts] = await Promise.all([this.#shoppers.checkCarts(all), kill])
      return carts
    })
    await this.#step('all carts read on server b', all.length, async () => {
      const carts = await this.#shoppers.checkCarts(all)
      this.#expectIds(all, { route: 'b' })
      return `${carts}${moving}`
    })
  }

  async #killNode(): Promise<void> {
    const { all, active, idle } = this.#shoppers
    const [activeThere, idleThere] = [active, idle].map((half) => half.filter(({ node }) => node === 'n1').length)
    const began = performance.now()
    await this.#step('kill -9 node n1', all.length, async () => {
      await this.#demo.cluster.kill('n1')
      return `${all.filter(({ node }) => node === 'n1').length} ${this.#isSticky ? 'backups' : 'first copies'} gone`
    })
    await this.#shopOn('half of them shop on', active)
    await this.#step('the idle half is backed up again', idle.length, async () => {
      await until('every session has a backup on n2', WAIT_MS, () => this.#allProtectedWithout('n1'))
      return `${idleThere} moved to n2, ${Math.round(performance.now() - began)} ms after the kill`
    })
    await this.#step('ids of the active half', active.length, async () => {
      const carts = await this.#shoppers.checkCarts(active)
      this.#expectIds(active, { node: 'n2' })
      return `${carts}; ${activeThere} ids relocated`
    })
  }

  async #killServerOfIdleSessions(): Promise<void> {
    const { all, idle } = this.#shoppers
    await this.#step('the proof: kill -9 server b, idle carts read on a', idle.length, async () => {
      await this.#demo.cluster.kill('b')
      const carts = await this.#shoppers.checkCarts(idle)
      this.#expectIds(idle, { route: 'a', node: 'n2' })
      return carts
    })
    await this.#step('all carts read on server a', all.length, async () => {
      const carts = await this.#shoppers.checkCarts(all)
      this.#expectIds(all, { route: 'a' })
      return carts
    })
  }

  async #reviveServer(name: string): Promise<void> {
    await this.#step(`server ${name} revived, empty`, undefined, async () => {
      await this.#demo.cluster.revive(name)
      await until(`the balancer sees server ${name}`, WAIT_MS, () => this.#demo.cluster.balancer.isUp(name))
      return 'up'
    })
  }

  async #reviveNode(): Promise<void> {
    await this.#step('node n1 revived, empty', undefined, async () => {
      await this.#demo.cluster.revive('n1')
      await until('both servers see all nodes up', WAIT_MS, async () => {
        return (await this.#statsOfRunning()).every(({ nodes }) => nodes.every(({ state }) => state === 'up'))
      })
      return 'up in the eyes of both servers'
    })
  }

  async #restartInOrder(): Promise<void> {
    const { all } = this.#shoppers
    await this.#step('server a restarted in order, everybody shops', all.length, async () => {
      const before = this.#report.requests
      let restarting = true
      const restart = this.#soon(all.length / 4)
        .then(() => this.#demo.cluster.restart('a'))
        .finally(() => {
          restarting = false
        })
      // A round that is begun is ended, so that there are requests before, during and after.
      const shopping = async (): Promise<void> => {
        do await this.#shoppers.shop(all)
        while (restarting)
      }
      const [{ unsaved }] = await Promise.all([restart, shopping()])
      this.#report.expect(unsaved === 0, `server a reported ${unsaved} unsaved sessions at its orderly end`)
      return `${this.#report.requests - before} requests; ${unsaved} sessions unsaved`
    })
  }

  async #shopOn(title: string, visitors: Shoppers['all']): Promise<void> {
    await this.#step(title, visitors.length, () => this.#shoppers.shop(visitors))
  }

  get #isSticky(): boolean {
    return this.#demo.cluster.mode === 'sticky'
  }

  /** Without stickiness no id names a server. */
  #expectIds(visitors: Shoppers['all'], { route, node }: Place): void {
    this.#shoppers.expectIds(visitors, { route: this.#isSticky ? route : undefined, node })
  }

  #whereTheyLive(): string {
    const { all } = this.#shoppers
    const count = (place: 'route' | 'node', name: string) => all.filter((visitor) => visitor[place] === name).length
    if (this.#isSticky) return `${count('route', 'a')} live in a, ${count('route', 'b')} in b`
    return `${count('node', 'n1')} live in n1, ${count('node', 'n2')} in n2`
  }

  /** Resolves when that many more requests have been made: the next thing happens in the midst of them. */
  #soon(requests: number): Promise<void> {
    const from = this.#report.requests
    return until('requests are under way', WAIT_MS, () => this.#report.requests >= from + requests)
  }

  #statsOfRunning(): Promise<ServerStats[]> {
    const running = this.#demo.cluster.servers.filter((server) => server.state === 'running')
    return Promise.all(running.map((server) => server.stats()))
  }

  async #allProtectedWithout(node: string): Promise<boolean> {
    const { nodes, pendingBackups, unprotected, protecting } = await this.#demo.cluster.server('b').stats()
    const left = nodes.find(({ id, state }) => id === node && state === 'down')?.sessions
    return left === 0 && pendingBackups === 0 && unprotected === 0 && !protecting
  }

  async #step(step: string, sessions: number | undefined, run: () => Promise<string>): Promise<void> {
    this.#io.stdout.write(`--- ${step}\n`)
    const began = performance.now()
    const result = await run()
    this.#report.rows.push({ step, sessions: sessions?.toString() ?? '', result, ms: performance.now() - began })
  }
}
