import { pause } from '../clock.js'
import { ItemTooLargeError, NodeRefusedError, NodeUnreachableError } from '../errors.js'
import type { SessionState } from '../local/session-state.js'
import type { VersionToken } from '../node/storage-node.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { emptySection } from '../record/record-format.js'
import { mergeAttributes } from '../session/merge-attributes.js'
import type { SaveResult } from '../write-behind/save-queue.js'
import type { CopyKeeper, Standing, Written } from './copy-keeper.js'
import type { Engine } from './engine.js'
import type { OutageWait } from './outage-wait.js'
import { SaveFailures } from './save-failures.js'
import type { FoundSession } from './session-look-up.js'
import type { ManagerParts } from './session-mode.js'

/** How often one save may be overtaken by other servers before it waits for its next turn. */
const MAX_ROUNDS = 8
/** Milliseconds that a save which was overtaken waits at most before it tries again; doubles with each time. */
const FIRST_PAUSE = 2

/** What was on its way to the storage, and what it was made from. */
interface Attempt extends Written {
  base: Written['base'] & { cookie: string }
}

/**
 * Stores the sessions of non-sticky mode: a fenced write to the primary node, then fenced writes to the nodes of the
 * further copies. Whoever was overtaken puts its own changes on top of what the other has written, and writes again.
 */
export class NonStickySaver {
  private readonly engine: Engine
  private readonly parts: ManagerParts
  private readonly copies: CopyKeeper
  private readonly outage: OutageWait
  private readonly failures: SaveFailures

  constructor(parts: ManagerParts, copies: CopyKeeper, outage: OutageWait) {
    this.parts = parts
    this.engine = parts.engine
    this.copies = copies
    this.outage = outage
    this.failures = new SaveFailures(parts.engine)
  }

  /** One attempt, for the queue. Never rejects. */
  async save(state: SessionState, attempt: number): Promise<SaveResult> {
    if (state.phase === 'ended' || !this.engine.settings.enabled) return 'parked'
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
    const from = state.node
    if (from === to) return
    state.node = to
    state.backup = undefined
    if (from === undefined) return
    this.copies.leftBehind(state.token, from)
    this.engine.statistics.count('relocations')
    this.engine.events.emitSession('relocated', state, { from: from.id, to: to.id })
  }

  /** @returns false: it is to be stored once more. */
  private async store(node: WatchedNode, state: SessionState): Promise<boolean> {
    const others = this.copies.othersOf(state.token, node)
    /* Asked beside the first write, as what stands there now has to be known for the fence. */
    const standing = others.map((other) => this.copies.standingOn(other, state))
    const written = await this.storePrimary(node, state, others.length > 0)
    if (written === undefined) return true
    const answers = await Promise.all(
      others.map((other, i) => this.copies.write(other, state, written, standing[i] as Promise<Standing>)),
    )
    if (answers.includes('ended')) {
      await this.parts.ending.endedElsewhere(state)
      return true
    }
    if (answers.includes('failed') || this.copies.areTooFew(others)) this.copies.isShort(state.token)
    for (const other of answers) {
      if (typeof other === 'object' && (await this.meetElsewhere(node, state, written, other))) return false
    }
    return true
  }

  /** @returns what was written; `undefined`: the session was ended meanwhile. */
  private async storePrimary(node: WatchedNode, state: SessionState, keep: boolean): Promise<Attempt | undefined> {
    const { storage } = this.parts
    const key = storage.key(state.keyDigest)
    for (let round = 0; round < MAX_ROUNDS; round++) {
      /* The bytes may be in shared memory: nothing is waited for between their making and the write. */
      const expected = state.backup?.node === node ? state.backup.token : 'absent'
      const prepared = this.prepare(state, key, keep)
      const attempt = prepared instanceof Promise ? await prepared : prepared
      if (state.phase === 'ended') return undefined
      const started = this.engine.clock.monotonic()
      state.sent = true
      const result = await node.put(key, attempt.bytes, attempt.deadline, expected, storage.putOptions())
      if (result.stored) {
        this.engine.statistics.record('storageUpdate', this.engine.clock.monotonic() - started)
        this.acknowledge(state, node, attempt, result.token)
        return attempt
      }
      this.engine.statistics.count('backupsRefused')
      if (round > 0) await this.pauseAfter(round)
      if (!(await this.meetStored(node, state, key))) return undefined
    }
    throw new NodeUnreachableError(`the session ${state.handle} was overtaken ${MAX_ROUNDS} times at ${node.address}`)
  }

  /** @param keep the bytes are needed for further copies too, when the shared memory has long been used for others. */
  private prepare(state: SessionState, key: string, keep: boolean): Attempt | Promise<Attempt> {
    const { storage } = this.parts
    const { version, cookie } = state
    const { section } = state.attributes
    const deadline = storage.deadline(state)
    const base = { version: state.savedVersion, section: state.savedSection, cookie: state.savedCookie }
    const attempt = (bytes: Buffer): Attempt => ({ version, section, cookie, deadline, bytes, base })
    const encoded = storage.encode(state, key)
    if (encoded instanceof Promise) return encoded.then(attempt)
    return attempt(keep ? Buffer.from(encoded) : encoded)
  }

  /** Another write came first, or the token does not count any more. @returns false: the session was ended. */
  private async meetStored(node: WatchedNode, state: SessionState, key: string): Promise<boolean> {
    const found = await this.parts.storage.read(node, key)
    if (state.phase === 'ended') return false
    if (found?.record?.kind === 'tombstone') {
      await this.parts.ending.endedElsewhere(state)
      return false
    }
    if (found?.record !== undefined) this.absorbIfOther(state, found as FoundSession)
    const version = found?.record?.version ?? 0
    state.backup = found === undefined ? undefined : { node, token: found.token, deadline: 0, version }
    return true
  }

  private absorbIfOther(state: SessionState, { record }: FoundSession): void {
    if (record.version < state.savedVersion) return
    if (record.version === state.savedVersion && record.attributes === state.savedSection) return
    this.engine.statistics.count('conflicts')
    /* Servers that could not reach each other's nodes have written the same version. What both had before is not known: nothing goes. */
    if (record.version === state.savedVersion) state.savedSection = emptySection
    this.parts.merger.absorb(state, record)
    /* The next write is a version of its own, even where nothing is to be added. */
    state.version = Math.max(state.version, record.version + 1)
  }

  private acknowledge(state: SessionState, node: WatchedNode, attempt: Attempt, token: VersionToken): void {
    const { statistics, clock } = this.engine
    const { version, section, cookie, deadline } = attempt
    statistics.count('backupsStored')
    this.copies.stored(state, node)
    /* Something newer has been read meanwhile. */
    if (version < state.savedVersion) return
    state.savedVersion = version
    state.savedSection = section
    state.savedCookie = cookie
    state.verifiedAt = clock.now()
    state.retryPause = 0
    if (state.node === node) state.backup = { node, token, deadline, version }
  }

  /**
   * A further copy is not what our write follows. Usually the writer that came after us was faster there, and has our changes. If not, others
   * use that node as the primary, as ours was out of their reach: what we have goes on top there.
   */
  private async meetElsewhere(
    node: WatchedNode,
    state: SessionState,
    written: Attempt,
    other: FoundSession,
  ): Promise<boolean> {
    const found = await this.parts.storage.read(node, this.parts.storage.key(state.keyDigest))
    if (found?.record?.kind !== 'session' || state.phase === 'ended') return false
    const current = found as FoundSession
    const isOurs = current.record.version === written.version && current.record.writer === this.engine.writer
    const target = isOurs || current.record.version < other.record.version ? other : current
    if (target === current && !lacksChanges(written, current)) return false
    if (isOurs) this.copies.noteCopy(state.token, node, current.token)
    this.goOnFrom(target, state, written.base)
    return true
  }

  /** Puts everything that was changed since `base` on top of what another line of writers has stored. */
  private goOnFrom(target: FoundSession, state: SessionState, base: Attempt['base']): void {
    this.relocate(state, target.node)
    state.savedVersion = base.version
    state.savedSection = base.section
    state.savedCookie = base.cookie
    this.absorbIfOther(state, target)
    state.backup = { node: target.node, token: target.token, deadline: 0, version: target.record.version }
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

  private async afterFailure(
    node: WatchedNode,
    state: SessionState,
    { attempt, deadline }: { attempt: number; deadline: number },
    error: Error,
  ): Promise<SaveResult> {
    if (error instanceof ItemTooLargeError) return this.failures.tooLarge(state, node, error)
    /* Moved away from a node that works, the session would be in two places. So it is made sure first. */
    if (node.state !== 'up') await node.check()
    const { placement, settings } = this.engine
    if (attempt >= this.attempts || !(placement.anyUp || (await this.outage.forNode(deadline)))) {
      return this.failures.givenUp(state, node, error)
    }
    if (error instanceof NodeRefusedError && attempt >= settings.backup.attempts) await this.leaveRefusing(node, state)
    return 'retry'
  }

  /* The node works, and does not take the session: it has no room, say. Its older copy goes, or others would go on reading it. */
  private async leaveRefusing(node: WatchedNode, state: SessionState): Promise<void> {
    const [next] = this.copies.othersOf(state.token, node)
    const { backup } = state
    if (next === undefined || state.node !== node || state.phase === 'ended') return
    this.relocate(state, next)
    if (backup?.node !== node) return
    await node.delete(this.parts.storage.key(state.keyDigest), backup.token).catch(() => {})
  }

  private pauseAfter(round: number): Promise<void> {
    const { clock, random } = this.engine
    return pause(clock, FIRST_PAUSE * 2 ** round * random.fraction())
  }

  private get attempts(): number {
    const { placement, settings } = this.engine
    return settings.backup.attempts * Math.max(1, placement.nodes.length)
  }
}

/** Whether what we have changed is still as it was before in what others have stored. */
function lacksChanges({ base, section }: Attempt, { record }: FoundSession): boolean {
  const { applied } = mergeAttributes(base.section, section, record.attributes, 'theirs')
  return applied.length > 0
}
