import { inParallel } from './in-parallel.js'
import { catalogue } from './shop-catalogue.js'
import type { StoryReport } from './story-report.js'
import { ShopClient, Visitor } from './story-visitor.js'

/** What a session id may name. */
export interface Place {
  route?: string | undefined
  node?: string | undefined
}

/** A cart takes 100 items; visitors who have this many only look at it. */
const FULL_CART = 30

/** The visitors of the story, what they do, and what they find. */
export class Shoppers {
  readonly all: readonly Visitor[]
  readonly #client: ShopClient
  readonly #concurrency: number
  readonly #report: StoryReport

  constructor(count: number, port: number, concurrency: number, report: StoryReport) {
    this.all = Array.from({ length: count }, (_, i) => new Visitor(i + 1))
    this.#client = new ShopClient(port, concurrency)
    this.#concurrency = concurrency
    this.#report = report
  }

  /** Every second one. */
  get active(): readonly Visitor[] {
    return this.all.filter((visitor) => visitor.number % 2 === 0)
  }

  /** The others. */
  get idle(): readonly Visitor[] {
    return this.all.filter((visitor) => visitor.number % 2 === 1)
  }

  close(): void {
    this.#client.close()
  }

  /** Each puts one to three items into the cart. */
  async fillCarts(): Promise<void> {
    await this.#each(this.all, async (visitor) => {
      for (let i = 0; i <= visitor.number % 3; i++) await this.#add(visitor)
    })
  }

  /** Each puts one item into the cart and looks at what is in it. */
  async shop(visitors: readonly Visitor[]): Promise<string> {
    let added = 0
    const intact = await this.#countIntact(visitors, async (visitor) => {
      if (visitor.expected.length < FULL_CART && (await this.#add(visitor))) added += 1
    })
    return `${added} items added, ${intact} of ${visitors.length} carts intact`
  }

  async checkCarts(visitors: readonly Visitor[]): Promise<string> {
    return `${await this.#countIntact(visitors)} of ${visitors.length} carts intact`
  }

  /** Whether every visitor's id names that place; those that do not go into the report. What is left out may be any. */
  expectIds(visitors: readonly Visitor[], { route, node }: Place): void {
    const what = [route && `server ${route}`, node && `node ${node}`].filter(Boolean).join(' and ')
    const isThere = (visitor: Visitor) =>
      (route === undefined || visitor.route === route) && (node === undefined || visitor.node === node)
    const wrong = visitors.filter((visitor) => !isThere(visitor))
    const [first] = wrong
    if (first === undefined) return
    const example = `visitor ${first.number}: node ${first.node}, server ${first.route}`
    this.#report.expect(false, `${wrong.length} of ${visitors.length} ids don't name ${what} (${example})`)
  }

  async #countIntact(visitors: readonly Visitor[], before?: (visitor: Visitor) => Promise<void>): Promise<number> {
    let intact = 0
    await this.#each(visitors, async (visitor) => {
      await before?.(visitor)
      if (await this.#check(visitor)) intact += 1
    })
    return intact
  }

  #each(visitors: readonly Visitor[], work: (visitor: Visitor) => Promise<void>): Promise<void> {
    return inParallel(visitors, this.#concurrency, work)
  }

  async #add(visitor: Visitor): Promise<boolean> {
    const sku = catalogue[(visitor.number + visitor.expected.length) % catalogue.length]?.sku ?? ''
    const answer = await this.#send(visitor, 'POST', '/cart/items', { sku })
    if (answer !== undefined) visitor.expected.push(sku)
    return answer !== undefined
  }

  /** Compares the cart item by item. */
  async #check(visitor: Visitor): Promise<boolean> {
    const answer = await this.#send(visitor, 'GET', '/cart')
    if (answer === undefined) return false
    const found = skusOf(answer)
    if (found.join() === visitor.expected.join()) return true
    this.#report.lostSession(visitor.number, `the cart holds [${found}] instead of [${visitor.expected}]`)
    return false
  }

  /** `undefined`: it failed, and the report says so. */
  async #send(visitor: Visitor, method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    this.#report.requests += 1
    try {
      const answer = await this.#client.send(visitor, method, path, body)
      if (answer.status < 400) return answer.body
      this.#report.failedRequest(
        visitor.number,
        `${method} ${path} was answered with ${answer.status}${saidIn(answer.body)}`,
      )
    } catch (error) {
      this.#report.failedRequest(visitor.number, `${method} ${path}: ${error instanceof Error ? error.message : error}`)
    }
    return undefined
  }
}

/** Tells a failure of the balancer from one of a server. */
function saidIn(body: unknown): string {
  const error = (body as { error?: unknown } | undefined)?.error
  return typeof error === 'string' ? `: ${error}` : ''
}

function skusOf(answer: unknown): string[] {
  const items = (answer as { items?: unknown } | undefined)?.items
  return Array.isArray(items) ? items.map((item) => String(item?.sku)) : []
}
