import { ItemTooLargeError, NodeUnreachableError } from '../../errors.js'
import type { SessionState } from '../../local/session-state.js'
import type { Expected } from '../../node/storage-node.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { type AttributeSection, joinSections } from '../../record/attribute-section.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { SaveResult } from '../../write-behind/save-queue.js'
import { moveTo } from '../content/relocation.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { ManagerServices } from '../session-mode.js'
import { noteEarlyLoss } from '../stored/early-losses.js'
import { type Found, foreignRecord, type RecordStore } from '../stored/record-store.js'
import { SaveFailures } from '../stored/save-failures.js'
import { type FoundSession, type LookUp, lookUp } from '../stored/session-look-up.js'

/** How often one save may be overtaken by others before it waits for its next turn. */
const MAX_ROUNDS = 5

/**
 * Brings sessions to their storage node and compares them with what is there. Every write is fenced: it replaces
 * exactly the record that this server has seen last, with the join of that and what is here.
 */
export class StickySaver {
  private readonly context: ManagerContext
  private readonly storage: RecordStore
  private readonly services: ManagerServices
  private readonly failures: SaveFailures

  constructor(services: ManagerServices) {
    this.services = services
    this.context = services.context
    this.storage = services.storage
    this.failures = new SaveFailures(services.context)
  }

  /** One attempt to bring the session to its node, for the write-behind queue. Never rejects. */
  async save(state: SessionState, attempt: number): Promise<SaveResult> {
    if (state.phase === 'ended' || !this.context.settings.enabled) return 'parked'
    if (state.phase === 'live' && !this.settlePlace(state)) return this.failures.nowhere(state)
    const node = state.node
    if (node === undefined) return this.failures.nowhere(state)
    try {
      if (state.isLetGo) await this.handOver(state)
      else if (state.isSaved) await this.verify(state, false)
      else if (await this.isCompared(node, state)) await this.put(node, state, false)
      return 'done'
    } catch (error) {
      return this.afterFailure(node, state, attempt, error as Error)
    }
  }

  /**
   * Compares the local copy with the stored one in one round trip, which also renews the stored copy's life. Where that is the
   * one that was seen there last, nothing is read.
   * With `claim`, a session that another server has claimed is taken over (its visitor is here); without, the local copy is let go.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async verify(state: SessionState, claim: boolean): Promise<void> {
    const { storedCopy: backup } = state
    const node = backup?.node ?? state.node
    if (node === undefined || node.state === 'down') return
    this.context.statistics.count('verifications')
    const deadline = this.storage.deadline(state)
    const key = this.storage.key(state.keyDigest)
    const found = await (backup ? this.storage.verify(backup, key, deadline) : this.storage.read(node, key, deadline))
    if (state.phase !== 'live') return
    if (found === undefined) return this.restore(state, node, claim)
    if (found === 'unchanged') state.renewed(backup, deadline)
    else if (found.record?.kind === 'tombstone') return this.services.ending.endedElsewhere(state, found.record)
    else if (found.isForeign) return this.leaveAlone(state, node)
    else this.take(state, found, deadline)
    if (state.isSaved && this.isOurs(state)) return state.confirm(this.context.clock.now())
    if (this.isOurs(state) && !claim) return this.services.queue.add(state)
    if (claim) this.claim(state, node)
    await this.put(state.node ?? node, state, claim)
  }

  /** The session's node gives no answer: whether the session has ended, and what others have changed, may stand on another one. Never rejects. @returns whether that has been found out. */
  async askOthers(state: SessionState, silent: WatchedNode): Promise<boolean> {
    const { placement } = this.context
    const nodes = placement.readable(state.token).filter((node) => node !== silent && !node.isStalled)
    if (nodes.length === 0) return false
    const copies = await lookUp(this.storage, nodes, this.storage.key(state.keyDigest)).catch(() => undefined)
    if (copies === undefined || state.phase !== 'live') return copies !== undefined
    if (copies.tombstone !== undefined) await this.services.ending.endedElsewhere(state, copies.tombstone)
    else for (const { record } of copies.sessions) this.services.merger.absorb(state, record)
    return true
  }

  /**
   * What a look at all nodes has found: the session goes on from all of it.
   * @param claim it belongs to this server from now on
   * @returns whether there was anything new.
   */
  async meet(state: SessionState, { sessions, failed, era }: LookUp, claim: boolean): Promise<boolean> {
    const { section } = state
    this.takeAll(state, sessions)
    for (const node of failed) if (node !== state.node) state.leaveBehind(node)
    if (failed.length === 0) state.compared(era)
    const isNew = state.section !== section
    if (claim) this.claim(state, state.node)
    else if (!this.isOurs(state)) {
      const [latest] = sessions
      if (latest === undefined || (await this.raise(state.token, latest, state.section)))
        this.services.ending.ownedElsewhere(state)
      return isNew
    }
    if (state.isSaved) state.confirm(this.context.clock.now())
    else if (isNew && state.node !== undefined) await this.put(state.node, state, true)
    else this.services.queue.add(state)
    return isNew
  }

  /** Moves a session to another node; it is stored there by its next save. */
  relocate(state: SessionState, to: WatchedNode): void {
    const from = moveTo(this.context, state, to)
    /* What stays there is not kept up to date. Of one that is down that is known already. */
    if (from !== undefined && !from.draining && !(from.state === 'down' && from.wasReached))
      this.context.notes.raise(from)
  }

  /** This server owns the session from now on. */
  claim(state: SessionState, node: WatchedNode | undefined): void {
    const from = state.owner
    if (!state.claim(this.context.owner, this.context.stamp(state.idleTimeout))) return
    this.context.statistics.count('takeovers')
    this.context.events.emitSession('takenOver', state, { from, node: node?.id })
  }

  /**
   * The fenced write. What stands there instead of what was expected is joined with what is here, and that written.
   * @param claim this server owns the session whatever stands there, as its visitor is here
   * @returns whether this server owns the session afterwards.
   */
  async put(node: WatchedNode, state: SessionState, claim: boolean): Promise<boolean> {
    const key = this.storage.key(state.keyDigest)
    let expected: Expected = state.storedCopy?.node === node ? state.storedCopy.fence : 'absent'
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const started = this.context.clock.monotonic()
      let outgoing = this.storage.prepare(state, key)
      if (outgoing instanceof Promise) {
        outgoing = await outgoing
        if (state.phase === 'ended') return false
      }
      const result = await node.put(key, outgoing.bytes, outgoing.deadline, expected, this.storage.putOptions())
      if (result.stored && state.phase === 'ended') {
        await this.storage.takeBack(node, key, result.fence)
        return false
      }
      if (result.stored) {
        this.context.statistics.record('storageUpdate', this.context.clock.monotonic() - started)
        this.context.statistics.count('backupsStored')
        state.acknowledge(outgoing, node, result.fence, outgoing.deadline, this.context.clock.now())
        const isOurs = this.keepOrLose(state)
        if (isOurs) return true
        this.context.statistics.count('handovers')
        if (state.phase === 'lost') await this.leaveCopy(state.token, key, outgoing, node)
        return false
      }
      this.context.statistics.count('backupsRefused')
      const found = await this.storage.read(node, key)
      if (state.phase === 'ended') return false
      const wasThere = expected !== 'absent'
      expected = found?.fence ?? 'absent'
      if (found === undefined) {
        if (wasThere && !(await this.goesOnHere(state, node, claim))) return false
        continue
      }
      if (found.isForeign) throw foreignRecord(node)
      if (found.record?.kind === 'tombstone') {
        await this.services.ending.endedElsewhere(state, found.record)
        return false
      }
      this.take(state, found, 0)
      if (claim) this.claim(state, node)
      if (this.isAsStored(state, found)) return this.keepOrLose(state)
    }
    throw new NodeUnreachableError(`the session ${state.handle} was overtaken ${MAX_ROUNDS} times at ${node.address}`)
  }

  /**
   * The copy that was to be replaced is gone: its node has lost it, or another server has moved the session, or ended it.
   * @returns whether this server goes on with it.
   */
  private async goesOnHere(state: SessionState, node: WatchedNode, claim: boolean): Promise<boolean> {
    const others = this.context.placement.readable(state.token).filter((other) => other !== node)
    if (others.length === 0) return true
    const copies = await lookUp(this.storage, others, this.storage.key(state.keyDigest))
    if (state.phase === 'ended') return false
    if (copies.tombstone !== undefined) {
      await this.services.ending.endedElsewhere(state, copies.tombstone)
      return false
    }
    this.takeAll(state, copies.sessions)
    if (claim) this.claim(state, node)
    const [latest] = copies.sessions
    if (latest === undefined || state.phase === 'lost' || this.isOurs(state)) return true
    if (await this.raise(state.token, latest, state.section)) this.services.ending.ownedElsewhere(state)
    return state.phase === 'live'
  }

  /* Somebody else may read it. Until it is gone, the session is kept elsewhere. */
  private leaveAlone(state: SessionState, node: WatchedNode): void {
    const next = this.elsewhere(state, node)
    if (next === undefined) {
      state.confirm(this.context.clock.now())
      return
    }
    this.relocate(state, next)
    this.services.queue.add(state)
  }

  /** Another node that can take the session; its own first choice comes first. */
  private elsewhere(state: SessionState, node: WatchedNode): WatchedNode | undefined {
    return this.context.placement.readable(state.token).find((other) => other !== node && other.isUsable)
  }

  private isAsStored(state: SessionState, { record, outdated }: Found): boolean {
    return record !== undefined && !outdated && record.attributes === state.section
  }

  /* Without stickiness, to which this server may have been switched meanwhile, nobody owns a session. */
  private isOurs({ owner }: SessionState): boolean {
    return owner === this.context.owner || this.context.owner === ''
  }

  private keepOrLose(state: SessionState): boolean {
    if (state.phase !== 'live') return false
    if (this.isOurs(state)) return true
    this.services.ending.ownedElsewhere(state)
    return false
  }

  /* What stands on a node is known from now on, and in the state. */
  private take(state: SessionState, { node, fence, record, outdated, form }: Found, deadline: number): void {
    if (record !== undefined) this.services.merger.absorb(state, record)
    /* What is in an old form is written again: sessions that nobody changes must not hold on to an old key. */
    state.found(node, fence, deadline, outdated ? undefined : record, form)
  }

  private takeAll(state: SessionState, copies: readonly FoundSession[]): void {
    for (const copy of copies) {
      this.take(state, copy, 0)
      if (copy.node !== state.node) state.leaveBehind(copy.node)
    }
  }

  /* A copy is removed when what is in it is elsewhere: so it has moved, or its node has lost it. */
  private async restore(state: SessionState, node: WatchedNode, claim: boolean): Promise<void> {
    const others = this.context.placement.readable(state.token).filter((other) => other !== node)
    const wasSaved = state.storedCopy?.node === node
    if (wasSaved) state.forgetStored()
    if (wasSaved && others.length > 0) {
      const copies = await lookUp(this.storage, others, this.storage.key(state.keyDigest))
      if (state.phase !== 'live') return
      if (copies.tombstone !== undefined) return this.services.ending.endedElsewhere(state, copies.tombstone)
      if (await this.meet(state, copies, claim)) return
    }
    state.confirm(this.context.clock.now())
    if (wasSaved) {
      void noteEarlyLoss(this.context, node, state.era)
      this.context.statistics.count('restores')
      this.context.events.emitSession('restored', state, { node: state.node?.id })
    }
    this.services.queue.add(state)
  }

  /**
   * A copy that was let go, and with which somebody (a socket, a job) went on: what was changed in it is joined to what others have, the rest
   * of it does not count any more.
   */
  private async handOver(state: SessionState): Promise<void> {
    if (state.attributes.isAssigned) this.services.content.commit(state, [])
    const token =
      (state.phase === 'renewed' ? await this.services.renewal.latestToken(state) : undefined) ?? state.token
    const here = this.context.local.get(token)
    if (here !== undefined) return this.handTo(here, state)
    const key = this.storage.key(tokenDigest(token))
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const copies = await lookUp(this.storage, this.context.placement.readable(token), key)
      if (copies.tombstone !== undefined) return this.services.ending.endedElsewhere(state, copies.tombstone)
      const [latest] = copies.sessions
      for (const { record } of copies.sessions) this.giveWay(state, record.attributes)
      const pending = state.pending()
      if (latest === undefined || (await this.raise(token, latest, pending))) return state.handedOver(pending)
    }
    throw new NodeUnreachableError(`the session ${state.handle} was overtaken ${MAX_ROUNDS} times`)
  }

  private handTo(here: SessionState, old: SessionState): void {
    if (here.attributes.isAssigned) this.services.content.commit(here, [])
    this.giveWay(old, here.section)
    const pending = old.pending()
    const joined = joinSections(here.section, pending)
    old.handedOver(pending)
    if (joined === here.section) return
    this.context.statistics.count('mergedAttributes')
    here.receive(pending)
    this.services.queue.add(here)
  }

  private giveWay(state: SessionState, theirs: AttributeSection): void {
    state.giveWayTo(theirs, () => this.context.stamp(state.idleTimeout))
  }

  /** @returns false: somebody was faster. */
  private async raise(
    token: string,
    { node, fence: seen, record }: FoundSession,
    pending: AttributeSection,
  ): Promise<boolean> {
    const attributes = joinSections(record.attributes, pending)
    if (attributes === record.attributes) return true
    const { clock, writer, statistics } = this.context
    const deadline = this.storage.deadline({ ...record, accessedAt: clock.now() })
    const packed = this.storage.pack({ ...record, writer, attributes })
    const result = await node.put(record.key, packed instanceof Promise ? await packed : packed, deadline, seen)
    if (!result.stored) return false
    statistics.count('handovers')
    statistics.count('mergedAttributes')
    await this.leaveCopy(token, record.key, { section: attributes, createdAt: record.createdAt, deadline }, node)
    return true
  }

  /**
   * What was handed over is not in its owner's memory yet, and would be lost with the node before the owner has looked there. The owner would go
   * on where it meets this copy. It is of no era, so nobody believes it as long as there is another one.
   */
  private async leaveCopy(
    token: string,
    key: string,
    { section, createdAt, deadline }: { section: AttributeSection; createdAt: number; deadline: number },
    node: WatchedNode,
  ): Promise<void> {
    const [other] = this.context.placement.others(token, node, 1)
    if (other === undefined) return
    try {
      const found = await this.storage.read(other, key)
      if (found !== undefined && found.record?.kind !== 'session') return
      const attributes = joinSections(section, found?.record?.attributes ?? section)
      const { writer, clock } = this.context
      const record = { kind: 'session', key, createdAt, accessedAt: clock.now(), era: 0, writer, attributes } as const
      const packed = this.storage.pack(record)
      const bytes = packed instanceof Promise ? await packed : packed
      await other.put(key, bytes, deadline, found?.fence ?? 'absent')
    } catch {
      /* With one node fewer there is one copy fewer. */
    }
  }

  /**
   * A copy that is written to a node which was away since the session was compared is not to be believed, unless that is done now.
   * @returns false: there is nothing left to store
   */
  private async isCompared(node: WatchedNode, state: SessionState): Promise<boolean> {
    if (!state.wasStored || !this.context.notes.isDoubtful(state.era, node)) return true
    const nodes = this.context.placement.readable(state.token)
    const copies = await lookUp(this.storage, nodes, this.storage.key(state.keyDigest))
    if (state.isEnded) return false
    if (copies.tombstone !== undefined) {
      await this.services.ending.endedElsewhere(state, copies.tombstone)
      return false
    }
    await this.meet(state, copies, false)
    return state.phase === 'live' && !state.isSaved
  }

  /** Chooses a node where there is none, or where it can't be used any more. @returns whether there is one. */
  private settlePlace(state: SessionState): boolean {
    const place = this.context.placement.stayOrChoose(state.token, state.node)
    if (place === undefined) return false
    this.relocate(state, place)
    return true
  }

  private afterFailure(node: WatchedNode, state: SessionState, attempt: number, error: Error): SaveResult {
    const { placement, settings } = this.context
    if (error instanceof ItemTooLargeError) return this.failures.tooLarge(state, node, error)
    const perNode = settings.backup.attempts
    if (attempt < perNode && node.isUsable) return 'retry'
    const next = this.elsewhere(state, node)
    if (next !== undefined && attempt < perNode * placement.nodes.length) {
      if (state.phase === 'live') this.relocate(state, next)
      return 'retry'
    }
    return this.failures.givenUp(state, node, error)
  }
}
