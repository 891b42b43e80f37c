import type { MBean } from '../admin/mbean/mbean.js'
import { MBeanRegistry } from '../admin/mbean/mbean-registry.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { localSessionsBean } from './local-sessions-bean.js'
import { lockingBean } from './locking-bean.js'
import type { Managed } from './managed.js'
import { sessionManagerBean } from './session-manager-bean.js'
import { SessionTotals } from './session-totals.js'
import { statisticsBean } from './statistics-bean.js'
import { storageNodeBean } from './storage-node-bean.js'
import { writeBehindBean } from './write-behind-bean.js'

/** The MBeans of one session manager; those of its storage nodes come and go with the nodes. */
export class Beans {
  readonly registry: MBeanRegistry
  readonly census: SessionTotals
  private readonly managed: Managed
  private readonly nodes = new Map<string, { node: WatchedNode; remove: () => void }>()

  constructor(managed: Managed, version: string) {
    const { context } = managed.manager
    this.managed = managed
    this.registry = new MBeanRegistry(context.clock)
    this.census = new SessionTotals(managed)
    for (const bean of this.fixed(version)) this.registry.register(bean)
    context.placement.onChange = () => this.followNodes()
    this.followNodes()
  }

  private fixed(version: string): MBean[] {
    const { managed, census } = this
    return [
      sessionManagerBean(managed, version),
      statisticsBean(managed),
      writeBehindBean(managed),
      lockingBean(managed),
      localSessionsBean(managed, census),
    ]
  }

  /* Of two nodes with the same id, one of which is about to leave, the one that stays is shown. */
  private followNodes(): void {
    const current = new Map<string, WatchedNode>()
    for (const node of this.managed.manager.context.placement.nodes) {
      if (!current.has(node.name)) current.set(node.name, node)
    }
    for (const [name, { node, remove }] of this.nodes) {
      if (current.get(name) === node) continue
      remove()
      this.nodes.delete(name)
    }
    for (const [name, node] of current) {
      if (this.nodes.has(name)) continue
      const remove = this.registry.register(storageNodeBean(this.managed, node, this.census))
      this.nodes.set(name, { node, remove })
    }
  }
}
