import { setTimeout as sleep } from 'node:timers/promises'
import { oneOf, type Random } from '../support/random.js'
import type { Configuration, Shop } from './shop.js'

/** What may happen beside requests; each is over before the next begins. */
const kinds = ['cut', 'hang', 'pause', 'reset', 'restart', 'kill', 'deploy', 'mode'] as const
type TroubleKind = (typeof kinds)[number]

export interface Trouble {
  kind: TroubleKind
  /** Milliseconds of undisturbed requests before it. */
  after: number
  /** How long it lasts, in milliseconds. */
  ms: number
  route: string
  node: string
}

/** Milliseconds; longer than it takes until a node counts as down. */
const longest = 2200
const longestGap = 300

/** The troubles of one history. */
export function planned({ nodes, troubles }: Configuration, routes: readonly string[], random: Random): Trouble[] {
  return Array.from({ length: troubles }, () => ({
    kind: oneOf(kinds, random),
    after: random(longestGap),
    ms: random(longest),
    route: oneOf(routes, random),
    node: `n${1 + random(nodes)}`,
  }))
}

export function describeTrouble({ kind, ms, route, node }: Trouble): string {
  switch (kind) {
    case 'cut':
      return `server ${route} can't reach ${node} for ${ms} ms`
    case 'hang':
      return `no server gets an answer from ${node} for ${ms} ms`
    case 'pause':
      return `${node} stands still for ${ms} ms`
    case 'reset':
      return `the connections of server ${route} to ${node} are reset`
    case 'restart':
      return `${node} is restarted, and empty`
    case 'kill':
      return `${node} is killed, and comes back empty after ${ms} ms`
    case 'deploy':
      return `server ${route} is closed in order, and starts again`
    case 'mode':
      return 'every server changes its mode'
  }
}

/** Whether what the node holds is gone afterwards. */
export function losesData({ kind }: Trouble): boolean {
  return kind === 'restart' || kind === 'kill'
}

/** Lets it happen, from its beginning to its end. */
export async function happen(shop: Shop, trouble: Trouble): Promise<void> {
  const { kind, ms, route, node } = trouble
  const storage = shop.cluster.node(node)
  const toNode = shop.routes.map((each) => shop.way(each, node))
  switch (kind) {
    case 'cut':
    case 'hang': {
      const ways = kind === 'cut' ? [shop.way(route, node)] : toNode
      for (const way of ways) way.hang()
      await sleep(ms)
      for (const way of ways) way.heal()
      return
    }
    case 'pause':
      await storage.suspend()
      await sleep(ms)
      return storage.resume()
    case 'reset':
      return shop.way(route, node).reset()
    case 'restart':
      return losing(shop, () => storage.restart())
    case 'kill':
      await losing(shop, () => storage.kill())
      await sleep(ms)
      return storage.restart()
    case 'deploy':
      return shop.replaceServer(route)
    case 'mode':
      return shop.switchMode(() => sleep(ms % 50))
  }
}

/*
 * In non-sticky mode a hiccup of the machine leaves a change on one node alone for a moment, and the loss of just that one is more than is
 * promised to be survived. So requests wait until all is stored twice; in sticky mode the server has everything in its memory.
 */
function losing(shop: Shop, loss: () => Promise<void>): Promise<void> {
  if (shop.mode === 'sticky') return loss()
  return shop.withoutRequests(async () => {
    await shop.stored()
    await loss()
  })
}
