import { pause } from '../../clock.js'
import { ItemTooLargeError, NodeRefusedError, NodeUnreachableError } from '../../errors.js'
import type { SessionState, StoredCopy } from '../../local/session-state.js'
import type { PutResult } from '../../node/storage-node.js'
import { WatchedNode } from '../../placement/watched-node.js'
import type { SaveResult } from '../../write-behind/save-queue.js'
import { moveTo } from '../content/relocation.js'
import type { ManagerContext } from '../context/manager-context.js'
import { within } from '../context/within.js'
import type { ManagerServices } from '../session-mode.js'
import { foreignRecord, type Outgoing } from '../stored/record-store.js'
import { SaveFailures } from '../stored/save-failures.js'
import { type FoundSession, lookUp } from '../stored/session-look-up.js'
import type { CopyKeeper, ExpectedCopy } from './copy-keeper.js'
import type { OutageWait } from './outage-wait.js'

/** Milliseconds of a node's silence after which nobody waits for a further copy on it: until then the change would be on one node alone. */
const COPY_PATIENCE = 200
/** How often one save may be overtaken by other servers before it waits for its next turn. */
const MAX_ROUNDS = 8
/** Milliseconds that a save which was overtaken waits at most before it tries again; doubles with each time. */
const FIRST_PAUSE = 2

/**
 * Stores the sessions of non-sticky mode: a fenced write to the primary node, then fenced writes to the nodes of the
 * further copies. Whoever was overtaken joins what the other has written with its own, and writes again.
 */
export class NonStickySaver {
  private readonly context: ManagerContext
  private readonly services: ManagerServices
  private readonly copies: CopyKeeper
  private readonly outage: OutageWait
  private readonly failures: SaveFailures
  /** Copies on nodes that did not take what came after them. */
  private readonly outdated = new WeakMap<SessionState, StoredCopy>()

  constructor(services: ManagerServices, copies: CopyKeeper, outage: OutageWait) {
    this.services = services
    this.context = services.context
    this.copies = copies
    this.outage = outage
    this.failures = new SaveFailures(services.context)
  }

  /** One attempt, for the queue. Never rejects. */
  async save(state: SessionState, attempt: number): Promise<SaveResult> {
    if (state.phase === 'ended' || !this.context.settings.enabled) return 'parked'
    const { deadline } = this.outage
    if (!this.settlePlace(state)) {
      const isBack = await this.outage.forNode(deadline)
      return isBack && attempt <= this.attempts ? 'retry' : this.failures.nowhere(state)
    }
    const node = state.node as WatchedNode
    try {
      return state.isSaved || (await this.store(node, state)) ? 'done' : 'retry'
    } catch (error) {
      return this.afterFailure(node, state, { attempt, deadline }, error as Error)
    }
  }

  /** Moves the session to another primary node; it is stored there by its next save. */
  relocate(state: SessionState, to: WatchedNode): void {
    const from = moveTo(this.context, state, to)
    if (from !== undefined) this.copies.leftBehind(state.token, from)
  }

  /**
   * @param moves how often another node may take the first copy where this one is late: there, and back, as all may be
   * @returns false: it is to be stored once more.
   */
  private async store(node: WatchedNode, state: SessionState, moves = 2): Promise<boolean> {
    const others = this.copies.othersOf(state.token, node)
    /* Asked beside the first write, as what stands there now has to be known for the fence. */
    const standing = others.map((other) => this.copies.standingOn(other, state))
    /* One that keeps others waiting already would only do the same. */
    const next = moves > 0 ? others.find((other) => !other.isStalled) : undefined
    const written = await this.storePrimary(node, state, others, next)
    if (written === undefined) return true
    if (written instanceof WatchedNode) return this.storeOn(written, state, moves - 1)
    await this.removeOutdated(state)
    const isThere = () => node.state !== 'down'
    const answers = await Promise.all(
      others.map((other, i) => this.writeCopy(other, state, written, standing[i] as Promise<ExpectedCopy>, isThere)),
    )
    const end = answers.find(isTombstone)
    if (end !== undefined) {
      await this.services.ending.endedElsewhere(state, end.record)
      return true
    }
    /* What the only node that has it has taken with it is not stored. */
    if (others.length > 0 && !isThere() && !answers.includes('stored')) return false
    if (answers.includes('failed') || this.copies.areTooFew(others)) this.copies.scheduleRepair(state.token)
    let isComplete = true
    /* Others used that node as the first one, as ours was out of their reach: what they have belongs to the session too. */
    for (const other of answers) {
      if (typeof other === 'object' && this.services.merger.absorb(state, other.record)) isComplete = false
    }
    return isComplete
  }

  /** One of the other nodes takes the first copy, as the one so far keeps the visitor waiting. */
  private storeOn(next: WatchedNode, state: SessionState, moves: number): Promise<boolean> {
    const copy = this.copies.known.get(state.token)?.copyOn(next)
    this.relocate(state, next)
    if (copy !== undefined) state.found(next, copy.fence, 0, undefined)
    return this.store(next, state, moves)
  }

  /** @param isThere whether the node with the first copy is; without it this copy is the only one, and is waited for. */
  private async writeCopy(
    node: WatchedNode,
    state: SessionState,
    written: Outgoing,
    standing: Promise<ExpectedCopy>,
    isThere: () => boolean,
  ): Promise<'stored' | 'failed' | 'late' | FoundSession> {
    const writing = this.copies.write(node, state, written, standing)
    if (!(await this.isTooLate(node, writing, state, COPY_PATIENCE)) || !isThere()) return writing
    this.context.statistics.count('hedgedWrites')
    void writing.then((answer) => {
      if (isTombstone(answer)) void this.services.ending.endedElsewhere(state, answer.record)
      else if (answer !== 'stored') this.copies.scheduleRepair(state.token)
    })
    return 'late'
  }

  /**
   * @param next who takes the first copy when this node is late
   * @returns what was written; `next`: this node is late; `undefined`: the session was ended meanwhile.
   */
  private async storePrimary(
    node: WatchedNode,
    state: SessionState,
    others: readonly WatchedNode[],
    next: WatchedNode | undefined,
  ): Promise<Outgoing | WatchedNode | undefined> {
    const { storage } = this.services
    const key = storage.key(state.keyDigest)
    for (let round = 0; round < MAX_ROUNDS; round++) {
      if (state.wasStored && state.storedCopy?.node !== node && !(await this.meetElsewhere(node, state, key)))
        return undefined
      /* The bytes may be in shared memory: nothing is waited for between their making and the write. */
      const expected = state.storedCopy?.node === node ? state.storedCopy.fence : 'absent'
      const prepared = storage.prepare(state, key)
      const outgoing = prepared instanceof Promise ? await prepared : kept(prepared, others.length > 0)
      if (state.phase === 'ended') return undefined
      const started = this.context.clock.monotonic()
      const put = node.put(key, outgoing.bytes, outgoing.deadline, expected, storage.putOptions())
      if (next !== undefined && (await this.isTooLate(node, put, state))) {
        this.context.statistics.count('hedgedWrites')
        void this.afterPassingOver(node, put, state, key)
        return next
      }
      const result = await put
      if (result.stored && state.isEnded) {
        await storage.takeBack(node, key, result.fence)
        return undefined
      }
      if (result.stored) {
        this.context.statistics.record('storageUpdate', this.context.clock.monotonic() - started)
        this.context.statistics.count('backupsStored')
        this.copies.stored(state, node)
        state.acknowledge(outgoing, node, result.fence, outgoing.deadline, this.context.clock.now())
        return outgoing
      }
      this.context.statistics.count('backupsRefused')
      if (round > 0) await this.pauseAfter(round)
      if (!(await this.meetStored(node, state, key))) return undefined
    }
    throw new NodeUnreachableError(`the session ${state.handle} was overtaken ${MAX_ROUNDS} times at ${node.address}`)
  }

  /**
   * Never under the session's lock: its next holder is to see everything, wherever it reads.
   * @param least milliseconds that the node has to be silent for at least
   */
  private async isTooLate(node: WatchedNode, write: Promise<unknown>, { isGuarded }: SessionState, least = 0) {
    if (isGuarded || !(await node.isLate(write))) return false
    const rest = least - node.silence
    return rest <= 0 || !(await within(this.context.clock, write, rest))
  }

  /* The node may take the write after all, or not: then what it has is old. The session itself has gone on with another one. */
  private async afterPassingOver(node: WatchedNode, put: Promise<PutResult>, state: SessionState, key: string) {
    try {
      const result = await put
      if (result.stored && state.isEnded) await this.services.storage.takeBack(node, key, result.fence)
    } catch {
      if (node.state !== 'down') this.context.notes.raise(node)
      this.copies.scheduleRepair(state.token)
    }
  }

  /** Another write came first, or the token does not count any more. @returns false: the session was ended. */
  private async meetStored(node: WatchedNode, state: SessionState, key: string): Promise<boolean> {
    const found = await this.services.storage.read(node, key)
    if (state.phase === 'ended') return false
    if (found?.record?.kind === 'tombstone') {
      await this.services.ending.endedElsewhere(state, found.record)
      return false
    }
    if (found?.isForeign) throw foreignRecord(node)
    if (found?.record !== undefined && this.services.merger.absorb(state, found.record))
      this.context.statistics.count('conflicts')
    if (found === undefined) state.forgetStored()
    else state.found(node, found.fence, 0, undefined)
    return true
  }

  /**
   * A node has nothing of the session, or nothing is known of it: what others have may have been changed since it was read. What can't be
   * looked at makes the copy that is about to be written doubtful.
   * @returns false: the session was ended.
   */
  private async meetElsewhere(node: WatchedNode, state: SessionState, key: string): Promise<boolean> {
    const others = this.context.placement.nodes.filter((other) => other !== node)
    const nodes = others.filter((other) => other.state === 'up' && !other.isStalled)
    if (nodes.length < others.length) state.uncompared()
    if (nodes.length === 0) return true
    const copies = await lookUp(this.services.storage, nodes, key).catch(() => undefined)
    if (state.phase === 'ended') return false
    if (copies?.tombstone !== undefined) {
      await this.services.ending.endedElsewhere(state, copies.tombstone)
      return false
    }
    for (const { record } of copies?.sessions ?? []) this.services.merger.absorb(state, record)
    if (copies === undefined || copies.failed.length > 0) state.uncompared()
    else if (nodes.length === others.length) state.compared(copies.era)
    return true
  }

  /** Chooses a node where there is none, or where it can't be used any more. @returns whether there is one. */
  private settlePlace(state: SessionState): boolean {
    const place = this.context.placement.stayOrChoose(state.token, state.node)
    if (place === undefined) return false
    this.relocate(state, place)
    return true
  }

  private async afterFailure(
    node: WatchedNode,
    state: SessionState,
    { attempt, deadline }: { attempt: number; deadline: number },
    error: Error,
  ): Promise<SaveResult> {
    if (error instanceof ItemTooLargeError) return this.failures.tooLarge(state, node, error)
    /* Moved away from a node that works, the session would be in two places. So it is made sure first. */
    if (node.state !== 'up') await node.check()
    const { placement, settings } = this.context
    if (attempt >= this.attempts || !(placement.anyUp || (await this.outage.forNode(deadline)))) {
      return this.failures.givenUp(state, node, error)
    }
    if (error instanceof NodeRefusedError && attempt >= settings.backup.attempts) this.leaveRefusing(node, state)
    return 'retry'
  }

  /* The node works, and does not take the session: it has no room, say. Its older copy goes when another node has what is in it. */
  private leaveRefusing(node: WatchedNode, state: SessionState): void {
    const [next] = this.copies.othersOf(state.token, node)
    const { storedCopy: backup } = state
    if (next === undefined || state.node !== node || state.phase === 'ended') return
    this.relocate(state, next)
    this.copies.scheduleRepair(state.token)
    if (backup?.node === node) this.outdated.set(state, backup)
  }

  /* What was in it has just been stored elsewhere; others would go on reading it. */
  private async removeOutdated(state: SessionState): Promise<void> {
    const old = this.outdated.get(state)
    if (old === undefined) return
    this.outdated.delete(state)
    const { storage } = this.services
    const places = state.node === undefined ? [] : [state.node]
    await storage.removeCopy(old.node, storage.key(state.keyDigest), old.fence, places).catch(() => {})
  }

  private pauseAfter(round: number): Promise<void> {
    const { clock, random } = this.context
    return pause(clock, FIRST_PAUSE * 2 ** round * random.fraction())
  }

  private get attempts(): number {
    const { placement, settings } = this.context
    return settings.backup.attempts * Math.max(1, placement.nodes.length)
  }
}

function isTombstone(answer: string | FoundSession): answer is FoundSession {
  return typeof answer === 'object' && answer.record.kind === 'tombstone'
}

/* For further copies too, when the shared memory has long been used for others. */
function kept(outgoing: Outgoing, keep: boolean): Outgoing {
  return keep ? { ...outgoing, bytes: Buffer.from(outgoing.bytes) } : outgoing
}
