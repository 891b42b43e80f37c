import { setTimeout as sleep } from 'node:timers/promises'
import { oneOf, type Random, randomFrom } from '../support/random.js'
import { Shopper } from '../support/shopper.js'
import type { Shop } from './shop.js'

/** Out of so many steps of the first tab one is a logout. */
const logOuts = 30
/** Out of so many steps of a tab one goes with the cookie of a session that has ended. */
const lateSteps = 10
const longestPause = 50

/** Somebody who shops with several tabs at once, logs out, and logs in again. */
export class Customer {
  /** One for each login. */
  readonly sessions: Shopper[] = []
  private readonly name: string
  private readonly shop: Shop
  private readonly seed: number
  private current: Shopper | undefined

  constructor(name: string, shop: Shop, seed: number) {
    this.name = name
    this.shop = shop
    this.seed = seed
  }

  /** The session that this one works with; none between two of them. */
  get session(): Shopper | undefined {
    return this.current
  }

  /** Uses several tabs until the end. */
  async use(tabs: number, isOver: () => boolean): Promise<void> {
    const shopWith = async (tab: number) => {
      const random = randomFrom(this.seed + tab)
      while (!isOver()) {
        await this.shop.admit(() => this.step(tab, random))
        await sleep(random(longestPause))
      }
    }
    await Promise.all(Array.from({ length: tabs }, (_, tab) => shopWith(tab)))
  }

  /** Begins another session; where that fails, there is none. */
  async logIn(): Promise<void> {
    const session = new Shopper(`${this.name}/${this.sessions.length + 1}`)
    this.sessions.push(session)
    const server = this.shop.serverFor(session.browser)
    if (await session.logIn(server)) this.current = session
  }

  private async step(tab: number, random: Random): Promise<void> {
    const { shop, current } = this
    const ended = this.sessions.filter((session) => session.isOver)
    if (ended.length > 0 && random(lateSteps) === 0) {
      const session = oneOf(ended, random)
      await session.visit(tab, shop.serverFor(session.browser), random)
    } else if (current === undefined) {
      if (tab === 0) await this.logIn()
    } else if (tab === 0 && random(logOuts) === 0) {
      this.current = undefined
      await current.logOut(shop.serverFor(current.browser))
    } else await current.visit(tab, shop.serverFor(current.browser), random)
  }
}
