import { ItemTooLargeError, NodeUnreachableError } from '../errors.js'
import type { SessionState } from '../local/session-state.js'
import type { Expected, VersionToken } from '../node/storage-node.js'
import type { WatchedNode } from '../placement/watched-node.js'
import type { AttributeSection, SessionRecord } from '../record/record-format.js'
import { mergeAttributes } from '../session/merge-attributes.js'
import type { SaveResult } from '../write-behind/save-queue.js'
import type { Engine } from './engine.js'
import { SaveFailures } from './save-failures.js'
import type { SessionMerger } from './session-merger.js'
import type { Found, SessionStorage } from './session-storage.js'

/** How often one save may be overtaken by others before it waits for its next turn. */
const MAX_ROUNDS = 5

/** What the saver reports upwards. */
export interface SaverCallbacks {
  /** A tombstone was found: the session was ended by another server. */
  endedElsewhere(state: SessionState): Promise<void>
  /** A tombstone was found of a session that is not in memory: what other nodes have of it ends too. */
  endCopiesOf(token: string, tombstone: SessionRecord): Promise<void>
  /** Another server owns the session; what was pending has been handed over. */
  ownedElsewhere(state: SessionState, owner: string): void
  /** The stored copy is not the local one. */
  needsSaving(state: SessionState): void
  /** Turns what was assigned so far into stored form. */
  commit(state: SessionState): void
}

/** What was on its way to a node. */
interface PutAttempt {
  node: WatchedNode
  version: number
  section: AttributeSection
  cookie: string
  deadline: number
  started: number
}

/** What the comparison of a local copy with the stored one says. */
type Verdict = 'current' | 'older' | 'newer' | 'tombstone' | 'unreadable'

/**
 * Brings sessions to their storage node and compares them with what is there. Every write is fenced: it replaces
 * exactly the record that this server has seen last, so a server that lost a session can't overwrite its successor.
 */
export class SessionSaver {
  private readonly engine: Engine
  private readonly storage: SessionStorage
  private readonly merger: SessionMerger
  private readonly callbacks: SaverCallbacks
  private readonly failures: SaveFailures

  constructor(engine: Engine, storage: SessionStorage, merger: SessionMerger, callbacks: SaverCallbacks) {
    this.engine = engine
    this.storage = storage
    this.merger = merger
    this.callbacks = callbacks
    this.failures = new SaveFailures(engine)
  }

  /** One attempt to bring the session to its node, for the write-behind queue. Never rejects. */
  async save(state: SessionState, attempt: number): Promise<SaveResult> {
    if (state.phase === 'ended' || !this.engine.settings.enabled) return 'parked'
    if (state.phase === 'live' && !this.settlePlace(state)) return this.failures.nowhere(state)
    const node = state.node
    if (node === undefined) return this.failures.nowhere(state)
    try {
      if (state.phase === 'lost') await this.handOverFrom(node, state)
      else if (state.isSaved) await this.verify(state, false)
      else await this.put(node, state, false)
      return 'done'
    } catch (error) {
      return this.afterFailure(node, state, attempt, error as Error)
    }
  }

  /**
   * Compares the local copy with the stored one in one round trip, which also renews the stored copy's life.
   * With `claim`, a newer record of another owner is taken over (its visitor is here); without, the local copy is let go.
   * @throws NodeUnreachableError, NodeRefusedError
   */
  async verify(state: SessionState, claim: boolean): Promise<void> {
    const node = state.backup?.node ?? state.node
    if (node === undefined || node.state === 'down') return
    this.engine.statistics.count('verifications')
    const deadline = this.storage.deadline(state)
    const found = await this.storage.read(node, this.storage.key(state.keyDigest), deadline)
    if (state.phase !== 'live') return
    if (found === undefined) return this.restore(state)
    const verdict = this.judge(state, found)
    if (verdict === 'current') return this.confirm(state, found, deadline)
    if (verdict === 'tombstone') return this.callbacks.endedElsewhere(state)
    if (verdict === 'newer') return this.meetNewer(state, found as Found & { record: SessionRecord }, claim)
    state.backup = { node, token: found.token, deadline, version: found.record?.version ?? 0 }
    this.callbacks.needsSaving(state)
  }

  /**
   * A record that a look at all nodes has found. If it is newer than the local copy, the session is taken over where it is.
   * @returns whether it was newer.
   */
  async meet(state: SessionState, found: Found): Promise<boolean> {
    if (this.judge(state, found) !== 'newer') return false
    if (state.node !== found.node) this.relocate(state, found.node)
    await this.meetNewer(state, found as Found & { record: SessionRecord }, true)
    return true
  }

  endedElsewhere(state: SessionState): Promise<void> {
    return this.callbacks.endedElsewhere(state)
  }

  endCopiesOf(token: string, tombstone: SessionRecord): Promise<void> {
    return this.callbacks.endCopiesOf(token, tombstone)
  }

  /** Moves a session to another node; it is stored there by its next save. */
  relocate(state: SessionState, to: WatchedNode): void {
    const from = state.node
    if (from === to) return
    state.node = to
    state.backup = undefined
    state.leftBehind?.delete(to)
    if (from === undefined) return
    this.leaveBehind(state, from)
    this.engine.statistics.count('relocations')
    this.engine.events.emitSession('relocated', state, { from: from.id, to: to.id })
  }

  /**
   * The fenced write. Meets a newer record of another owner by taking the session over (`claim`: its visitor is here) or by
   * handing over what is pending.
   * @returns whether this server owns the session afterwards.
   */
  async put(node: WatchedNode, state: SessionState, claim: boolean): Promise<boolean> {
    const key = this.storage.key(state.keyDigest)
    let expected: Expected = state.backup?.node === node ? state.backup.token : 'absent'
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const deadline = this.storage.deadline(state)
      const { version, cookie } = state
      const { section } = state.attributes
      const attempt: PutAttempt = { node, version, section, cookie, deadline, started: this.engine.clock.monotonic() }
      state.sent = true
      let bytes = this.storage.encode(state, key)
      if (bytes instanceof Promise) {
        bytes = await bytes
        if (state.phase === 'ended') return false
      }
      const result = await node.put(key, bytes, deadline, expected, this.storage.putOptions())
      if (result.stored) {
        this.acknowledge(state, attempt, result.token)
        return true
      }
      this.engine.statistics.count('backupsRefused')
      const found = await this.storage.read(node, key)
      expected = found?.token ?? 'absent'
      if (state.phase === 'ended') return false
      if (found === undefined) continue
      const verdict = this.judge(state, found)
      if (verdict === 'tombstone') {
        await this.callbacks.endedElsewhere(state)
        return false
      }
      if (verdict !== 'newer') continue
      const newer = found as Found & { record: SessionRecord }
      if (!claim && newer.record.owner !== this.engine.owner) {
        await this.handOver(state, newer)
        return false
      }
      this.absorb(state, newer.record)
    }
    throw new NodeUnreachableError(`the session ${state.handle} was overtaken ${MAX_ROUNDS} times at ${node.address}`)
  }

  /* Who takes a session over makes a version of its own, whether there is something to add or not. */
  private absorb(state: SessionState, record: SessionRecord): void {
    this.merger.absorb(state, record)
    state.version = Math.max(state.version, record.version + 1)
  }

  /* The way of every changed session: kept free of further promises. */
  private acknowledge(state: SessionState, attempt: PutAttempt, token: VersionToken): void {
    const { statistics, clock } = this.engine
    const { node, version, section, deadline } = attempt
    statistics.record('storageUpdate', this.engine.clock.monotonic() - attempt.started)
    statistics.count('backupsStored')
    state.savedVersion = Math.max(state.savedVersion, version)
    state.savedSection = section
    state.savedCookie = attempt.cookie
    /* Relocated while this was under way: the copy that was just written is to go, and the next save is due. */
    if (state.node !== node) {
      this.leaveBehind(state, node)
      return
    }
    state.backup = { node, token, deadline, version }
    state.verifiedAt = clock.now()
    state.retryPause = 0
  }

  private leaveBehind(state: SessionState, node: WatchedNode): void {
    state.leftBehind ??= new Set()
    state.leftBehind.add(node)
  }

  private judge(state: SessionState, { record }: Found): Verdict {
    if (record === undefined) return 'unreadable'
    if (record.kind === 'tombstone') return 'tombstone'
    if (record.writer === this.engine.writer) return record.version >= state.savedVersion ? 'current' : 'older'
    if (record.version < state.savedVersion) return 'older'
    /* A claim always makes a version of its own; an equal one was restored by a server that had the session before. */
    return record.version === state.savedVersion ? 'older' : 'newer'
  }

  private confirm(state: SessionState, found: Found, deadline: number): void {
    if (state.node !== found.node) return
    const version = found.record?.version ?? 0
    state.backup = { node: found.node, token: found.token, deadline, version }
    /* A version of its own, so that it is written again: sessions that nobody changes must not hold on to an old key. */
    if (found.outdated) state.version++
    if (version !== state.version) this.callbacks.needsSaving(state)
    state.verifiedAt = this.engine.clock.now()
  }

  private restore(state: SessionState): void {
    const wasSaved = state.backup !== undefined
    state.backup = undefined
    state.verifiedAt = this.engine.clock.now()
    if (wasSaved) {
      this.engine.statistics.count('restores')
      this.engine.events.emitSession('restored', state, { node: state.node?.id })
    }
    this.callbacks.needsSaving(state)
  }

  private async meetNewer(
    state: SessionState,
    found: Found & { record: SessionRecord },
    claim: boolean,
  ): Promise<void> {
    const { owner } = found.record
    if (!claim && owner !== this.engine.owner) return this.handOver(state, found)
    this.absorb(state, found.record)
    state.backup = { node: found.node, token: found.token, deadline: 0, version: found.record.version }
    if (owner !== this.engine.owner) {
      this.engine.statistics.count('takeovers')
      this.engine.events.emitSession('takenOver', state, { from: owner, node: found.node.id })
    }
    await this.put(found.node, state, claim)
  }

  private async handOverFrom(node: WatchedNode, state: SessionState): Promise<void> {
    const here = this.engine.local.get(state.token)
    if (here !== undefined) return this.mergeInto(here, state)
    const found = await this.storage.read(node, this.storage.key(state.keyDigest))
    if (found?.record?.kind === 'tombstone') return this.callbacks.endedElsewhere(state)
    if (found?.record?.kind === 'session') await this.handOver(state, found as Found & { record: SessionRecord })
  }

  /** The session went away and came back while somebody (a socket, a job) went on with the old copy: what that has changed follows. */
  private mergeInto(here: SessionState, old: SessionState): void {
    this.commitAssigned(old)
    this.commitAssigned(here)
    const { section } = here.attributes
    const merged = mergeAttributes(old.savedSection, old.attributes.section, section, 'theirs')
    this.engine.statistics.count('mergedAttributes', merged.applied.length)
    this.engine.statistics.count('yieldedAttributes', merged.conflicts.length)
    old.savedSection = old.attributes.section
    if (merged.applied.length === 0) return
    here.attributes.replace(merged.section)
    here.version++
    this.callbacks.needsSaving(here)
  }

  /**
   * Another server owns the session. What was changed here and is not stored yet goes on top of its record where it
   * has not changed the same attribute since; the rest yields.
   */
  private async handOver(state: SessionState, found: Found & { record: SessionRecord }): Promise<void> {
    const { statistics, clock } = this.engine
    const key = this.storage.key(state.keyDigest)
    this.commitAssigned(state)
    let newer: (Found & { record: SessionRecord }) | undefined = found
    for (let round = 0; round < MAX_ROUNDS && newer !== undefined; round++) {
      const { record, node, token } = newer
      const merged = mergeAttributes(state.savedSection, state.attributes.section, record.attributes, 'theirs')
      if (round === 0) statistics.count('yieldedAttributes', merged.conflicts.length)
      if (merged.applied.length === 0) break
      /* A writer of its own: whoever owns the session, this process included, has to see that it was changed. */
      const writer = this.engine.newName()
      const handed = { ...record, version: record.version + 1, writer, attributes: merged.section }
      const deadline = this.storage.deadline({ ...record, accessedAt: clock.now() })
      const packed = this.storage.pack(handed)
      const result = await node.put(key, packed instanceof Promise ? await packed : packed, deadline, token)
      if (result.stored) {
        statistics.count('handovers')
        statistics.count('mergedAttributes', merged.applied.length)
        break
      }
      newer = await this.readSession(node, key)
    }
    state.savedSection = state.attributes.section
    this.callbacks.ownedElsewhere(state, found.record.owner)
  }

  /* What requests have assigned but not committed yet would otherwise go with the local copy. */
  private commitAssigned(state: SessionState): void {
    if (state.attributes.isAssigned) this.callbacks.commit(state)
  }

  private async readSession(node: WatchedNode, key: string) {
    const found = await this.storage.read(node, key)
    return found?.record?.kind === 'session' ? (found as Found & { record: SessionRecord }) : undefined
  }

  /** Chooses a node where there is none, or where it can't be used any more. @returns whether there is one. */
  private settlePlace(state: SessionState): boolean {
    const { placement } = this.engine
    const { node } = state
    if (node !== undefined && !placement.shouldLeave(node)) return true
    const target = placement.choose(state.token)
    if (target === undefined) return false
    this.relocate(state, target)
    return true
  }

  private afterFailure(node: WatchedNode, state: SessionState, attempt: number, error: Error): SaveResult {
    const { placement, settings } = this.engine
    if (error instanceof ItemTooLargeError) return this.failures.tooLarge(state, node, error)
    const perNode = settings.backup.attempts
    if (attempt < perNode && node.isUsable) return 'retry'
    const others = placement.readable(state.token).filter((other) => other !== node && other.isUsable)
    const next = others[0]
    if (next !== undefined && attempt < perNode * placement.nodes.length) {
      if (state.phase === 'live') this.relocate(state, next)
      return 'retry'
    }
    return this.failures.givenUp(state, node, error)
  }
}
