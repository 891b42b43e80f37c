import { failoverOrder } from './failover-order.js'
import type { WatchedNode } from './watched-node.js'

/** Which storage node serves which session. The set of nodes can be replaced while running. */
export class Placement {
  private all: readonly WatchedNode[] = []
  private regular: readonly WatchedNode[] = []
  private failover: readonly WatchedNode[] = []
  private byId: ReadonlyMap<string | undefined, WatchedNode> = new Map()
  /** Called when the nodes were replaced. */
  onChange: () => void = () => {}

  constructor(nodes: readonly WatchedNode[], failoverIds: readonly string[]) {
    this.use(nodes, failoverIds)
  }

  /** Replaces the nodes and says which of them are used only when no regular one is up. */
  use(nodes: readonly WatchedNode[], failoverIds: readonly string[]): void {
    this.all = nodes
    this.failover = nodes.filter((node) => node.id !== undefined && failoverIds.includes(node.id))
    this.regular = nodes.filter((node) => !this.failover.includes(node))
    this.byId = new Map(nodes.map((node) => [node.id, node]))
    this.onChange()
  }

  get nodes(): readonly WatchedNode[] {
    return this.all
  }

  /** How many nodes are in the configuration. */
  get size(): number {
    return this.all.filter(({ duty }) => duty === 'configured').length
  }

  /** The node that an id's suffix names; only configured nodes are believed. */
  byName(id: string | undefined): WatchedNode | undefined {
    return this.byId.get(id)
  }

  /** Where a session's backup belongs now. `undefined`: no node is up. */
  choose(token: string): WatchedNode | undefined {
    return firstUsable(token, this.regular) ?? firstUsable(token, this.failover)
  }

  /** The first of these places of a session that it need not leave, else where it belongs now. `undefined`: no node is up. */
  stayOrChoose(token: string, ...places: readonly (WatchedNode | undefined)[]): WatchedNode | undefined {
    return places.find((node) => node !== undefined && !this.shouldLeave(node)) ?? this.choose(token)
  }

  /** Where the further copies of a session belong whose first is on `primary`: `count` other nodes, or as many as there are. */
  others(token: string, primary: WatchedNode | undefined, count: number): WatchedNode[] {
    if (count <= 0) return []
    const usable = (node: WatchedNode) => node.isUsable && node !== primary
    const order = failoverOrder(token, this.regular.filter(usable), nameOf)
    if (order.length < count) order.push(...failoverOrder(token, this.failover.filter(usable), nameOf))
    return order.slice(0, count)
  }

  /**
   * Where the lock of a session stands: the same node for every server, as it follows from the token alone. One that is gone gives way to the
   * next; one that may be alive for others does not.
   * @returns `undefined`: all are gone
   */
  lockNode(token: string): WatchedNode | undefined {
    const { regular } = this
    const order = regular.length < 2 ? regular : failoverOrder(token, [...regular], nameOf)
    return order.find((node) => !node.isGone)
  }

  /** Whether a session that is on this node should move: the node can't be used, or it is a failover node that is not needed any more. */
  shouldLeave(node: WatchedNode): boolean {
    if (!node.isUsable) return true
    return this.failover.includes(node) && this.regular.some((other) => other.isUsable)
  }

  /** All nodes that can be read, the session's first choice first. */
  readable(token: string): WatchedNode[] {
    const order = failoverOrder(token, this.regular, nameOf).concat(failoverOrder(token, this.failover, nameOf))
    return order.filter((node) => node.state !== 'down')
  }

  /** Whether a node has stopped answering a moment ago, so that what is on it counts as out of reach, not as lost. */
  failedRecently(): boolean {
    return this.all.some((node) => node.failedRecently())
  }

  /** Whether a node was away, or lost what it had, a moment ago, so that what is not on it yet may be on its way there. */
  returnedRecently(): boolean {
    return this.all.some((node) => node.returnedRecently())
  }

  get anyUp(): boolean {
    return this.all.some((node) => node.isUsable)
  }
}

/* One that answers nothing at present only if there is no other: nothing is to wait for it. */
function firstUsable(token: string, nodes: readonly WatchedNode[]): WatchedNode | undefined {
  const all = nodes.filter((node) => node.isUsable)
  const answering = all.length < 2 ? all : all.filter((node) => !node.isStalled)
  const usable = answering.length === 0 ? all : answering
  return usable.length < 2 ? usable[0] : failoverOrder(token, usable, nameOf)[0]
}

function nameOf(node: WatchedNode): string {
  return node.id ?? ''
}
