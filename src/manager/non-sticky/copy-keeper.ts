import { CopyIndex, type KnownSession } from '../../local/copy-index.js'
import type { SessionState } from '../../local/session-state.js'
import type { Fence } from '../../node/storage-node.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { covers } from '../../record/attribute-section.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { Outgoing, RecordStore } from '../stored/record-store.js'
import type { FoundSession } from '../stored/session-look-up.js'
import { CopyRepair } from './copy-repair.js'

/** How often one copy may be overtaken before it is left to the repair. */
const MAX_ROUNDS = 3

/** What stands where a further copy is to be written. */
export type ExpectedCopy =
  | 'absent'
  | 'failed'
  | {
      fence: Fence
      /** `undefined`: it is not known what is there, only that the token stood for it a moment ago; or it is unreadable. */
      found: FoundSession | undefined
    }

/**
 * The further copies of sessions in non-sticky mode: written behind the primary one, fenced like it, renewed as long as the session
 * is used, and made again when they were lost.
 */
export class CopyKeeper {
  readonly known: CopyIndex
  private readonly context: ManagerContext
  private readonly storage: RecordStore
  private readonly repair: CopyRepair

  constructor(context: ManagerContext, storage: RecordStore) {
    this.context = context
    this.storage = storage
    this.known = new CopyIndex(context.clock, () => context.statistics.count('knownSessionsDropped'))
    this.repair = new CopyRepair(context, storage, this.known)
  }

  get underReplicated(): number {
    return this.repair.size
  }

  get isBusy(): boolean {
    return this.repair.isBusy
  }

  /** Where the further copies belong of a session whose first is on `primary`. */
  othersOf(token: string, primary: WatchedNode): WatchedNode[] {
    return this.context.placement.others(token, primary, this.context.settings.backup.replicas - 1)
  }

  /** Whether there would be more copies if all nodes were up. */
  areTooFew(others: readonly WatchedNode[]): boolean {
    const { placement, settings } = this.context
    return others.length < Math.min(settings.backup.replicas, placement.size) - 1
  }

  /** A node that has the same as `primary`, as far as is known; one that answers at present comes first. */
  standIn(token: string, primary: WatchedNode): WatchedNode | undefined {
    return this.repair.has(token) ? undefined : answeringFirst(this.othersOf(token, primary))
  }

  /** What a further copy will meet on a node. Never rejects. */
  standingOn(node: WatchedNode, state: SessionState): Promise<ExpectedCopy> {
    if (!state.mayBeStored) return Promise.resolve('absent')
    const fence = this.known.get(state.token)?.copyOn(node)?.fence
    if (fence !== undefined) return Promise.resolve({ fence, found: undefined })
    return this.look(node, this.storage.key(state.keyDigest))
  }

  /**
   * Writes a further copy, unless there is one with something that ours has not, or a tombstone. Never rejects.
   * @returns that one, if there is.
   */
  async write(
    node: WatchedNode,
    state: SessionState,
    written: Outgoing,
    standing: Promise<ExpectedCopy>,
  ): Promise<'stored' | 'failed' | FoundSession> {
    const key = this.storage.key(state.keyDigest)
    let current = await standing
    for (let round = 0; round < MAX_ROUNDS && current !== 'failed'; round++) {
      const found = current === 'absent' ? undefined : current.found
      const isEnd = found?.record.kind === 'tombstone'
      if (found !== undefined && (isEnd || !covers(written.section, found.record.attributes))) return found
      const expected = current === 'absent' ? 'absent' : current.fence
      try {
        const result = await node.put(key, written.bytes, written.deadline, expected)
        if (result.stored) {
          this.noteCopy(state.token, node, result.fence)
          return 'stored'
        }
      } catch {
        break
      }
      current = await this.look(node, key)
    }
    this.forgetCopy(state.token, node)
    this.context.statistics.count('underReplicated')
    return 'failed'
  }

  /** On this node stands what this server has written. */
  noteCopy(token: string, node: WatchedNode, version: Fence): void {
    const known = this.known.get(token)
    if (known === undefined) return
    this.forgetCopy(token, node)
    known.copies.push({ node, fence: version })
  }

  /** The primary copy has been stored. */
  stored(state: SessionState, node: WatchedNode): void {
    const known = this.note(state, node)
    known.renewedAt = state.accessedAt
  }

  /** A session was read from its primary node, whose record was written at `writtenAt`: the life of the further copies follows. */
  seen(state: SessionState, writtenAt: number): void {
    const known = this.note(state, state.node)
    const { settings } = this.context
    if (settings.backup.replicas < 2 || state.idleTimeout === 0) return
    const renewed = Math.max(writtenAt, known.renewedAt)
    if (state.accessedAt - renewed <= state.idleTimeout * settings.backup.touchAfter) return
    known.renewedAt = state.accessedAt
    void this.renew(state)
  }

  /** The session is no longer where it was; an older copy may be there still. */
  leftBehind(token: string, node: WatchedNode): void {
    const known = this.known.get(token)
    if (known === undefined) return
    known.leftBehind ??= new Set()
    known.leftBehind.add(node)
  }

  /** There are fewer copies of the session than there should be, or not where they should be. */
  scheduleRepair(token: string): void {
    this.repair.add(token)
  }

  /** A session was read from its primary node, in a record of that era: its further copies may have missed something since. */
  compareIfBehind(state: SessionState, era: number): void {
    const { notes } = this.context
    if (state.node === undefined || this.repair.has(state.token)) return
    if (this.othersOf(state.token, state.node).some((node) => notes.isDoubtful(era, node)))
      this.scheduleRepair(state.token)
  }

  forget(token: string): void {
    this.known.delete(token)
    this.repair.remove(token)
  }

  /** All copies of all sessions are compared with what should be there. */
  checkAll(): void {
    this.repair.resume()
    this.repair.addAll(() => true)
  }

  /** Sessions should leave the node: it is down, or being drained. */
  evacuate(node: WatchedNode): void {
    this.repair.addAll((known) => known.isOn(node))
  }

  /** The node can be used again. */
  returned(node: WatchedNode): void {
    this.repair.resume()
    this.repair.addAll((known) => known.leftBehind?.has(node) === true)
  }

  /** The node runs, and has lost what it had. */
  emptied(node: WatchedNode): void {
    this.repair.addAll((known) => known.isOn(node))
  }

  /** Copies on each node, as far as this server knows. */
  copiesByNode(): Map<WatchedNode, number> {
    const counts = new Map<WatchedNode, number>()
    const count = (node: WatchedNode) => counts.set(node, (counts.get(node) ?? 0) + 1)
    for (const { primary, copies } of this.known.values()) {
      if (primary !== undefined) count(primary)
      for (const { node } of copies) count(node)
    }
    return counts
  }

  close(): void {
    this.repair.close()
    this.known.clear()
  }

  private note(state: SessionState, node: WatchedNode | undefined): KnownSession {
    this.known.sweep()
    const known = this.known.note(state.token)
    const end = state.expiresAt
    const isNearer = known.accessedAt === 0 || end < known.expiresAt
    known.primary = node
    known.copies = known.copies.filter((copy) => copy.node !== node)
    known.idleTimeout = state.idleTimeout
    known.absoluteDeadline = state.absoluteDeadline
    known.accessedAt = state.accessedAt
    known.expiresAt = end
    if (isNearer) this.known.schedule(known)
    return known
  }

  private forgetCopy(token: string, node: WatchedNode): void {
    const known = this.known.get(token)
    if (known !== undefined) known.copies = known.copies.filter((copy) => copy.node !== node)
  }

  private async renew(state: SessionState): Promise<void> {
    const key = this.storage.key(tokenDigest(state.token))
    const deadline = this.storage.deadline(state)
    for (const node of state.node === undefined ? [] : this.othersOf(state.token, state.node)) {
      try {
        if (await node.touch(key, deadline)) continue
      } catch {
        /* The repair finds out how the node is. */
      }
      this.scheduleRepair(state.token)
    }
  }

  private async look(node: WatchedNode, key: string): Promise<ExpectedCopy> {
    try {
      const found = await this.storage.read(node, key)
      if (found === undefined) return 'absent'
      if (found.isForeign) return 'failed'
      return { fence: found.fence, found: found.record === undefined ? undefined : (found as FoundSession) }
    } catch {
      return 'failed'
    }
  }
}

/** Of several nodes one that answers at present, else any. */
function answeringFirst(nodes: readonly WatchedNode[]): WatchedNode | undefined {
  return nodes.find((node) => !node.isStalled) ?? nodes[0]
}
