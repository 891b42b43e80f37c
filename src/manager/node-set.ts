import { isDeepStrictEqual } from 'node:util'
import type { NodeRefusedError } from '../errors.js'
import type { NodeAddress } from '../node/address/node-address.js'
import type { ReplicaShortfall, StorageNode } from '../node/storage-node.js'
import { type NodeObserver, WatchedNode, type WatchOptions } from '../placement/watched-node.js'
import type { ManagerContext } from './context/manager-context.js'
import type { NodeReactions } from './session-mode.js'

/** Milliseconds that a server which has just started is given to reach a node. */
const FIRST_ATTEMPTS = 3000

export type OpenNode = (address: NodeAddress) => StorageNode

/**
 * The storage nodes in use: opens and closes them as the configuration says, and finds out whether one that was away
 * still has its data: see `ClusterNotes`.
 */
export class NodeSet implements NodeObserver {
  private readonly context: ManagerContext
  private readonly open: OpenNode
  private readonly sessions: { readonly currentMode: NodeReactions }
  private readonly addresses = new Map<WatchedNode, NodeAddress>()
  private readonly checking = new Set<WatchedNode>()
  /** Nodes behind which another server process answers, whose data is not to be relied on. */
  private readonly replaced = new Set<WatchedNode>()
  private readonly preparing = new Set<Promise<unknown>>()
  /** Nodes that went away, and were not looked at since. */
  private readonly wasDown = new Set<WatchedNode>()
  /** Drained by an operator: they stay, and can be used again. */
  private readonly drained = new Set<WatchedNode>()
  private closed = false

  constructor(context: ManagerContext, open: OpenNode, sessions: { readonly currentMode: NodeReactions }) {
    this.context = context
    this.open = open
    this.sessions = sessions
    context.notes.onLost = (node) => this.lost(node)
    context.notes.onTwin = (node, other) => this.warnOfTwins(node, other)
  }

  /** Nodes that are to give their sessions away: taken out of the configuration, or drained by an operator. */
  get draining(): WatchedNode[] {
    return this.context.placement.nodes.filter((node) => node.draining)
  }

  /** Opens what is new in the settings, and drains what is not there any more. */
  apply(): void {
    const { settings, placement } = this.context
    const kept: WatchedNode[] = []
    for (const address of settings.nodes) kept.push(this.find(address) ?? this.add(address))
    const removed = placement.nodes.filter((node) => !kept.includes(node))
    for (const node of removed) {
      if (node.duty === 'configured') node.duty = 'leaving'
      node.draining = true
    }
    placement.use([...kept, ...removed], this.lastResorts())
    for (const node of removed) this.sessions.currentMode.evacuate(node)
    for (const node of kept) if (placement.shouldLeave(node)) this.sessions.currentMode.evacuate(node)
  }

  /**
   * Sessions leave the node and no new ones come to it; it stays open, may be read, and can be undrained.
   * @returns false, and nothing happens, when no other node could take the sessions.
   */
  drain(node: WatchedNode): boolean {
    if (!this.context.placement.nodes.some((other) => other !== node && other.isUsable)) return false
    this.drained.add(node)
    node.draining = true
    this.sessions.currentMode.evacuate(node)
    return true
  }

  /** @returns false for a node that is not in the configuration any more: it can't stay. */
  undrain(node: WatchedNode): boolean {
    this.drained.delete(node)
    if (node.duty !== 'configured') return false
    if (!node.draining) return true
    node.draining = false
    this.sessions.currentMode.returned(node)
    return true
  }

  /**
   * Closes nodes that were taken out of the configuration, that no local session is on any more, and that no other server uses: what
   * such a one has there may be asked for here.
   * @returns whether there were any.
   */
  retire(isEmpty: (node: WatchedNode) => boolean): boolean {
    const { placement, notes } = this.context
    const removed = placement.nodes.filter(({ duty }) => duty !== 'configured')
    for (const node of removed) node.duty = isEmpty(node) ? 'left' : 'leaving'
    const isNeeded = (node: WatchedNode) =>
      node.state !== 'down' && notes.isInUse(node) && !this.hasAnotherAddress(node)
    const unused = removed.filter((node) => node.duty === 'left' && !isNeeded(node))
    if (unused.length === 0) return false
    const left = placement.nodes.filter((node) => !unused.includes(node))
    placement.use(left, this.lastResorts())
    for (const node of unused) {
      this.addresses.delete(node)
      this.replaced.delete(node)
      this.wasDown.delete(node)
      this.drained.delete(node)
      void node.close()
    }
    return true
  }

  /** Resolves when it is known of each node whether it is up, and those that are have been prepared. */
  async ready(): Promise<void> {
    await Promise.all(this.context.placement.nodes.map((node) => node.check()))
    await Promise.all(this.preparing)
    await this.context.notes.settled()
  }

  nodeDown(node: WatchedNode, error: Error): void {
    if (this.closed) return
    this.context.statistics.count('nodeFailures')
    this.context.events.emitNode('nodeDown', { node: node.id, address: node.address, error })
    this.warn(node, `is down${becauseOf(node)}`, error)
    if (node.wasReached) this.context.notes.raise(node)
    else this.raiseIfItStaysAway(node)
    this.wasDown.add(node)
    this.sessions.currentMode.evacuate(node)
  }

  /* Its copies stay as they are while the sessions go on elsewhere. So they are as those of a node that is away, but for being read. */
  nodeReadOnly(node: WatchedNode, error: Error): void {
    if (this.closed) return
    this.context.statistics.count('nodeFailures')
    this.context.events.emitNode('nodeReadOnly', { node: node.id, address: node.address, error })
    this.warn(node, `is used for reads only${becauseOf(node)}`, error)
    this.context.notes.raise(node)
    this.wasDown.add(node)
    this.sessions.currentMode.evacuate(node)
  }

  nodeRefused(node: WatchedNode, error: NodeRefusedError): void {
    const { log, settings } = this.context
    const text = `storage node ${named(node)} has refused an operation${becauseOf(node)}`
    log.write(`refused ${node.address}`, text, (m) => settings.logger.warn(m, { ...fieldsOf(node), error }))
  }

  nodeUp(node: WatchedNode): void {
    if (this.closed) return
    this.context.statistics.count('nodeRecoveries')
    this.context.events.emitNode('nodeUp', { node: node.id, address: node.address })
    this.warn(node, 'is up again')
    this.sessions.currentMode.returned(node)
    void this.lookAgain(node)
  }

  nodeReconnected(node: WatchedNode): void {
    if (!this.closed && node.state !== 'down') void this.lookAgain(node)
  }

  nodeReplaced(node: WatchedNode): void {
    if (this.closed) return
    if (this.checking.has(node)) {
      this.lost(node)
      return
    }
    this.replaced.add(node)
    this.nodeReconnected(node)
  }

  replicasMissing(node: WatchedNode, { acknowledged, wanted }: ReplicaShortfall): void {
    const { statistics, log, settings } = this.context
    statistics.count('replicaShortfalls')
    const text = `storage node ${named(node)}: ${acknowledged} of ${wanted} replicas have acknowledged a write`
    log.write(`replicas missing ${node.address}`, text, (m) => settings.logger.warn(m, fieldsOf(node)))
  }

  nodeEvicted(node: WatchedNode, values: number): void {
    if (this.closed) return
    const { log, settings } = this.context
    const text = `storage node ${named(node)} has given up ${values} values before their time, for want of memory: sessions are lost with them`
    log.write(`evictions ${node.address}`, text, (m) => settings.logger.warn(m, fieldsOf(node)))
  }

  async close(): Promise<void> {
    this.closed = true
    await Promise.all(this.context.placement.nodes.map((node) => node.close()))
  }

  private hasAnotherAddress(node: WatchedNode): boolean {
    const { placement, notes } = this.context
    return placement.nodes.some((other) => other.duty === 'configured' && notes.areOne(node, other) === 'yes')
  }

  /* The end of an outage is told at the level of its beginning: whoever reads of the one has to read of the other. */
  private warn(node: WatchedNode, what: string, error?: Error): void {
    const fields = { ...fieldsOf(node), state: node.state, ...(error && { error }) }
    this.context.settings.logger.warn(`storage node ${named(node)} ${what}`, fields)
  }

  /* The node that this process carries itself is gone when the process is: it protects nothing while there is another. */
  private lastResorts(): string[] {
    const { failoverNodes, embed, nodes } = this.context.settings
    const own = nodes.filter(
      ({ scheme, host, port }) => scheme === 'embedded' && host === embed?.host && port === embed.port,
    )
    return [...failoverNodes, ...own.flatMap(({ id }) => id ?? [])]
  }

  private find(address: NodeAddress): WatchedNode | undefined {
    for (const [node, known] of this.addresses) {
      if (!sameAddress(known, address)) continue
      node.duty = 'configured'
      node.draining = this.drained.has(node)
      return node
    }
    return undefined
  }

  private add(address: NodeAddress): WatchedNode {
    const node = new WatchedNode(this.open(address), this.watching(), this)
    this.addresses.set(node, address)
    node.start()
    const prepared = this.context.notes.exchangeWith(node).finally(() => this.preparing.delete(prepared))
    this.preparing.add(prepared)
    return node
  }

  private watching(): WatchOptions {
    const { context } = this
    return {
      clock: context.clock,
      random: context.random,
      probeInterval: () => context.settings.probeInterval,
      operationTimeout: () => context.settings.operationTimeout,
    }
  }

  /* Not the word on it alone: a node that came back from an old snapshot may not tell what was lost after that. */
  private async lookAgain(node: WatchedNode): Promise<void> {
    if (this.checking.has(node)) return
    this.checking.add(node)
    const wasReplaced = this.replaced.delete(node)
    const answered = await this.context.notes.exchangeWith(node)
    this.checking.delete(node)
    /* Away again; its next return is the next look. */
    if (wasReplaced && !answered) this.replaced.add(node)
    else if (wasReplaced) this.lost(node)
    if (node.state !== 'down') this.wasDown.delete(node)
  }

  /* While a node is being replaced by itself under another address, that is as it should be. */
  private warnOfTwins(node: WatchedNode, other: WatchedNode): void {
    if (this.closed || node.duty !== 'configured' || other.duty !== 'configured') return
    const { log, settings } = this.context
    const text = `storage nodes ${named(other)} and ${named(node)} are one server: what is on both is lost with it`
    log.write(`twins ${node.name}`, text, (m) => settings.logger.warn(m))
  }

  /* The first attempts of a server that has just started fail easily, and tell nothing of the node. */
  private raiseIfItStaysAway(node: WatchedNode): void {
    const { clock, notes } = this.context
    clock
      .setTimeout(() => {
        if (!this.closed && node.state === 'down') notes.raise(node)
      }, FIRST_ATTEMPTS)
      .unref()
  }

  private lost(node: WatchedNode): void {
    if (this.closed) return
    node.emptied()
    /* Of one that was seen going away, all that it had is of an earlier era already; what it was given since is not. */
    if (!this.wasDown.has(node)) this.context.notes.raise(node)
    this.sessions.currentMode.emptied(node)
  }
}

/** A node for people: its id where it has one, and its address. */
function named({ id, address }: WatchedNode): string {
  return id === undefined ? address : `${id} (${address})`
}

function becauseOf({ lastError }: WatchedNode): string {
  return lastError === undefined ? '' : `: ${lastError.message}`
}

function fieldsOf({ name, address }: WatchedNode): { node: string; address: string } {
  return { node: name, address }
}

/** Everything counts: another password or another certificate asks for other connections. */
function sameAddress(a: NodeAddress, b: NodeAddress): boolean {
  return isDeepStrictEqual({ ...a }, { ...b })
}
