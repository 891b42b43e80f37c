import { setTimeout as sleep } from 'node:timers/promises'
import { waitFor } from '../../src/testing/index.js'
import type { AppServer } from '../support/app-server.js'
import { randomFrom } from '../support/random.js'
import type { Shopper } from '../support/shopper.js'
import { Customer } from './customer.js'
import { type Configuration, Shop } from './shop.js'
import { describeTrouble, happen, losesData, planned, type Trouble } from './troubles.js'

/** A violation, and what its session and all else went through. */
export interface Violation {
  what: string
  /** A line for each request and trouble, in order. */
  story: string[]
}

export interface Outcome {
  violations: Violation[]
  requests: number
  /** Requests that were answered with 503. */
  unavailable: number
  troubles: string[]
}

interface Period {
  trouble: Trouble
  began: number
  ended: number
}

const customers = 3
const tabs = 3

/** Runs what follows from a seed on real servers, and judges it. */
export async function runHistory(configuration: Configuration, seed: number): Promise<Outcome> {
  const random = randomFrom(seed)
  const servers = 2 + random(2)
  const shop = await Shop.start(configuration, servers, randomFrom(random(2 ** 31)))
  try {
    const history = new History(shop, planned(configuration, shop.routes, random), random(2 ** 31))
    await history.run()
    return history.outcome()
  } finally {
    await shop.close()
  }
}

class History {
  private readonly shop: Shop
  private readonly troubles: readonly Trouble[]
  private readonly customers: readonly Customer[]
  private readonly periods: Period[] = []
  private readonly began = performance.now()
  private readonly unhealed: string[] = []
  /** Nodes that have lost their data since a session ended. */
  private readonly endsLostOn = new Map<Shopper, Set<string>>()

  constructor(shop: Shop, troubles: readonly Trouble[], seed: number) {
    this.shop = shop
    this.troubles = troubles
    this.customers = Array.from({ length: customers }, (_, i) => new Customer(`visitor ${i}`, shop, seed + i * tabs))
  }

  async run(): Promise<void> {
    for (const customer of this.customers) await customer.logIn()
    let isOver = false
    const shopping = Promise.all(this.customers.map((customer) => customer.use(tabs, () => isOver)))
    try {
      for (const trouble of this.troubles) await this.suffer(trouble)
    } catch (error) {
      this.unhealed.push(`not healed: ${(error as Error).message}`)
    }
    isOver = true
    await shopping
    if (this.unhealed.length === 0) await this.lookAtEverything()
  }

  outcome(): Outcome {
    const requests = this.sessions.flatMap((session) => session.requests)
    return {
      requests: requests.length,
      unavailable: requests.filter(({ status }) => status === 503).length,
      troubles: this.troubles.map(describeTrouble),
      violations: [
        ...this.unhealed.map((what) => ({ what, story: this.story() })),
        ...this.sessions.flatMap((session) =>
          this.violationsOf(session).map((what) => ({ what, story: this.story(session) })),
        ),
      ],
    }
  }

  private get sessions(): Shopper[] {
    return this.customers.flatMap((customer) => customer.sessions)
  }

  private async suffer(trouble: Trouble): Promise<void> {
    await sleep(trouble.after)
    const period = { trouble, began: performance.now(), ended: Number.POSITIVE_INFINITY }
    this.periods.push(period)
    if (losesData(trouble)) this.loseEnds(trouble.node)
    await happen(this.shop, trouble)
    await this.shop.healed(() => this.customers.flatMap(({ session }) => session ?? []))
    period.ended = performance.now()
  }

  private loseEnds(node: string): void {
    for (const session of this.sessions.filter((each) => each.isOver)) {
      const nodes = this.endsLostOn.get(session) ?? new Set()
      this.endsLostOn.set(session, nodes.add(node))
    }
  }

  /* For some seconds after the return of a node a request that finds nothing gets a 503: so it is asked until there is another answer. */
  private async lookAtEverything(): Promise<void> {
    try {
      for (const session of this.sessions.filter(({ state }) => state !== 'new'))
        for (const server of this.shop.running) await this.lookAtTheEnd(session, server)
    } catch (error) {
      this.unhealed.push(`not served: ${(error as Error).message}`)
    }
  }

  private async lookAtTheEnd(session: Shopper, server: AppServer): Promise<void> {
    const message = `an answer to ${session.name} when all is healed`
    await waitFor(() => session.lookAtTheEnd(server), { interval: 100, timeout: 15_000, message })
  }

  private violationsOf(session: Shopper): string[] {
    const isForgotten = this.endsLostOn.get(session)?.size === this.shop.cluster.ids.length
    return [
      /* Nobody remembers an end whose every copy was lost: see "Memory pressure" in the guarantees. */
      ...session.violations().filter((what) => !(isForgotten && what.startsWith('zombie'))),
      ...this.wrongAnswers(session),
    ]
  }

  /*
   * A request may get a 503 while a storage node is away: an older copy or a new session would be worse. One that finds nothing may get it
   * for some seconds after the return of the node, too. No answer at all has only who asked a server that was being closed.
   */
  private wrongAnswers(session: Shopper): string[] {
    return session.requests.flatMap(({ status, began, ended, what, body }) => {
      const troubles = this.periods.filter((period) => period.began <= ended && began <= period.ended)
      const isDeployed = troubles.some(({ trouble }) => trouble.kind === 'deploy')
      if (status === 200 || (status === undefined && isDeployed)) return []
      if (status === 503 && (troubles.length > 0 || (session.isOver && this.periods.length > 0))) return []
      return [`wrong answer: ${status ?? 'none'} to ${session.name}, ${what}: ${body}`]
    })
  }

  /** What happened to a session, or to all of them. */
  private story(of?: Shopper): string[] {
    const lines = this.periods.flatMap(({ trouble, began, ended }): [number, string][] => [
      [began, `TROUBLE: ${describeTrouble(trouble)}`],
      ...(ended === Number.POSITIVE_INFINITY ? [] : [[ended, 'all is healed'] as [number, string]]),
    ])
    for (const session of of === undefined ? [] : [of])
      for (const { began, ended, server, what, status, body } of session.requests) {
        lines.push([
          began,
          `server ${server}: ${what}: ${status ?? 'no answer'} after ${Math.round(ended - began)} ms, ${body}`,
        ])
      }
    return lines.sort(([a], [b]) => a - b).map(([time, line]) => `+${Math.round(time - this.began)} ms ${line}`)
  }
}
