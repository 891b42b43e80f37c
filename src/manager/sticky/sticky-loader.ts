import { NodeRefusedError, NodeUnreachableError, StorageUnavailableError } from '../../errors.js'
import { SessionState } from '../../local/session-state.js'
import type { WatchedNode } from '../../placement/watched-node.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { ManagerContext } from '../context/manager-context.js'
import type { ManagerServices } from '../session-mode.js'
import type { RecordStore } from '../stored/record-store.js'
import { type FoundSession, type LookUp, lookUp, unknownNode } from '../stored/session-look-up.js'
import type { StickySaver } from './sticky-saver.js'

/** Brings sessions that are not in this server's memory here, and claims them. */
export class StickyLoader {
  private readonly context: ManagerContext
  private readonly services: ManagerServices
  private readonly storage: RecordStore
  private readonly saver: StickySaver
  private readonly loading = new Map<string, Promise<SessionState | undefined>>()
  private readonly verifying = new Map<SessionState, Promise<void>>()

  constructor(services: ManagerServices, saver: StickySaver) {
    this.services = services
    this.context = services.context
    this.storage = services.storage
    this.saver = saver
  }

  /**
   * Loads and claims a session; requests that ask for the same one share one look-up.
   * @param named the node in the id
   * @returns `undefined`: no storage node knows the session, or it was ended.
   * @throws StorageUnavailableError when it may exist where nobody answers.
   */
  load(token: string, named: string | undefined): Promise<SessionState | undefined> {
    const underWay = this.loading.get(token)
    if (underWay !== undefined) return underWay
    const load = this.loadOnce(token, named).finally(() => this.loading.delete(token))
    this.loading.set(token, load)
    return load
  }

  /**
   * Compares a local copy with all stored ones, wherever they are, and claims the session for this server: for a visitor who comes
   * back from another one, who may have changed it.
   * @param named the node in his id
   * @throws StorageUnavailableError when what others have changed may be where nobody answers.
   */
  verifyEverywhere(state: SessionState, named: string | undefined): Promise<void> {
    const underWay = this.verifying.get(state)
    if (underWay !== undefined) return underWay
    const verification = this.services.lines
      .run(state, () => this.verifyOnce(state, (copies) => this.checkCertain(copies, named)))
      .finally(() => this.verifying.delete(state))
    this.verifying.set(state, verification)
    return verification
  }

  /**
   * Compares the copy of this server, which is in use, with all stored ones that can be had.
   * @throws StorageUnavailableError when no node answers
   */
  compare(state: SessionState): Promise<void> {
    return this.verifying.get(state) ?? this.services.lines.run(state, () => this.verifyOnce(state))
  }

  private async verifyOnce(state: SessionState, check = (_copies: LookUp) => Promise.resolve()): Promise<void> {
    const copies = await this.lookUp(state.token, this.storage.key(state.keyDigest))
    if (!copies.tombstone) await check(copies)
    if (state.phase !== 'live') return
    if (copies.tombstone) return this.services.ending.endedElsewhere(state, copies.tombstone)
    await this.saver.meet(state, copies, true)
  }

  private async loadOnce(token: string, named: string | undefined): Promise<SessionState | undefined> {
    const { statistics, clock, local } = this.context
    const started = this.context.clock.monotonic()
    const key = this.storage.key(tokenDigest(token))
    const copies = await this.lookUp(token, key)
    if (copies.tombstone !== undefined) {
      void this.services.ending.endCopiesOf(token, copies.tombstone)
      return undefined
    }
    const best = copies.sessions[0]
    /* A node that answers over a new connection may have lost what it had. */
    if (best === undefined) await this.context.notes.settled()
    await this.checkCertain(copies, named)
    if (best === undefined) {
      statistics.count('unknownIds')
      return undefined
    }
    const state = this.present(token, best, copies)
    if (state.expiresAt <= clock.now()) return undefined
    if (!(await this.takeOver(state, best))) return local.get(token)
    statistics.record('load', this.context.clock.monotonic() - started)
    return state
  }

  private lookUp(token: string, key: string): Promise<LookUp> {
    return lookUp(this.storage, this.context.placement.readable(token), key, (found) => this.isCertain(found))
  }

  /* A copy that is of its node's era has missed nothing. */
  private isCertain({ node, record }: FoundSession): boolean {
    return !this.context.notes.isDoubtful(record.era, node)
  }

  /*
   * Without a certain copy, what a node has that does not answer may be newer; and where there is none at all, the server that has the
   * session is likely about to back it up elsewhere: to answer with an older state, or with "no such session", would be for good.
   */
  private async checkCertain(copies: LookUp, named: string | undefined): Promise<void> {
    const { notes, placement } = this.context
    if (copies.sessions.some((found) => this.isCertain(found))) return
    const isNowhere = copies.sessions.length === 0
    if (copies.failed.length > 0 || placement.failedRecently() || (isNowhere && placement.returnedRecently()))
      throw new StorageUnavailableError()
    if (await notes.isUsedElsewhere(named)) throw unknownNode(this.context, named)
  }

  /** The session as all of its copies together say. */
  private present(token: string, best: FoundSession, copies: LookUp): SessionState {
    const { settings, clock } = this.context
    const state = SessionState.fromRecord(token, settings.route, best.record, clock.now())
    for (const { record } of copies.sessions) state.take(record.attributes, record.createdAt)
    state.settle(best.node)
    state.found(best.node, best.fence, 0, best.outdated ? undefined : best.record, best.form)
    if (copies.failed.length === 0) state.compared(copies.era)
    for (const { node } of copies.sessions) if (node !== best.node) state.leaveBehind(node)
    for (const node of copies.failed) state.leaveBehind(node)
    return state
  }

  /** Makes this server the owner by a fenced write, before the visitor is let in. */
  private async takeOver(state: SessionState, best: FoundSession): Promise<boolean> {
    const place = this.context.placement.stayOrChoose(state.token, best.node)
    if (place !== undefined) this.saver.relocate(state, place)
    this.saver.claim(state, best.node)
    return this.writeClaim(state)
  }

  /* A node that fails now doesn't keep the visitor out: the session goes on from memory and is stored when possible. */
  private async writeClaim(state: SessionState): Promise<boolean> {
    try {
      return await this.saver.put(state.node as WatchedNode, state, true)
    } catch (error) {
      if (error instanceof NodeUnreachableError || error instanceof NodeRefusedError) return true
      throw error
    }
  }
}
