import type { WatchedNode } from '../placement/watched-node.js'

/**
 * Sums over the sessions in this server's memory, kept up to date with each change: to walk a million sessions for a figure would hold
 * up the requests.
 */
export class SessionTally {
  /** Bytes of all attributes. */
  bytes = 0
  /** Requests that have used a session and are not over. */
  activeRequests = 0
  /** Sessions by the node that their backup is on, or belongs on. */
  readonly byNode = new Map<WatchedNode, number>()

  move(from: WatchedNode | undefined, to: WatchedNode | undefined): void {
    if (from === to) return
    this.count(from, -1)
    this.count(to, 1)
  }

  private count(node: WatchedNode | undefined, change: number): void {
    if (node === undefined) return
    const count = (this.byNode.get(node) ?? 0) + change
    if (count === 0) this.byNode.delete(node)
    else this.byNode.set(node, count)
  }
}
