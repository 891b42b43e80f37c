import { waitFor } from '../../src/testing/wait-for.js'
import { holdfast } from '../cli/built-command.js'
import { Visitor } from '../support/visitor.js'

/** A cluster as `holdfast demo` starts it. */
export interface DemoCluster {
  shop: string
  /** Addresses of the dashboards by route. */
  dashboards: Record<string, string>
  /** Kills or revives a server or a storage node. */
  control(name: string, action: 'kill' | 'revive'): Promise<void>
  /** New visitors with something in their carts, on the server of that route. */
  shoppers(count: number, route: string): Promise<Visitor[]>
  /** What is in a visitor's cart. */
  cartOf(visitor: Visitor): Promise<unknown[]>
  close(): Promise<void>
}

export async function startDemo(): Promise<DemoCluster> {
  const { child, ended, stdout } = holdfast(['demo', '--embedded', '--port', '0'])
  const find = (pattern: RegExp): Promise<RegExpExecArray> =>
    waitFor(() => pattern.exec(stdout()), { message: `${pattern} in the output`, timeout: 60_000 })
  const [, shop = ''] = await find(/The shop is open: (http:\S+\/)/)
  const address = async (route: string) =>
    (await find(new RegExp(`Dashboard of server ${route}: (http:\\S+)`)))[1] ?? ''
  const origin = new URL(shop).origin
  const json = async (path: string, init?: RequestInit) => (await fetch(`${shop}${path}`, init)).json()
  return {
    shop,
    dashboards: { a: await address('a'), b: await address('b') },
    async control(name, action) {
      const answer = await json(`demo/processes/${name}/${action}`, { method: 'POST', headers: { origin } })
      const { done, error } = answer as { done?: boolean; error?: string }
      if (done !== true) throw new Error(error)
    },
    async shoppers(count, route) {
      const found: Visitor[] = []
      for (let attempt = 0; found.length < count && attempt < 20 * count; attempt++) {
        const visitor = new Visitor()
        await visitor.post(`${shop}cart/items`, { sku: 'rope' })
        if (visitor.route === route) found.push(visitor)
      }
      if (found.length < count) throw new Error(`the balancer sends nobody to server ${route}`)
      return found
    },
    cartOf: async (visitor) => (await visitor.get(`${shop}cart`)).json<{ items: unknown[] }>().items,
    async close() {
      child.kill('SIGTERM')
      await ended
    },
  }
}
