import { SessionGoneError, StorageUnavailableError } from '../../errors.js'
import type { SessionState } from '../../local/session-state.js'
import { covers } from '../../record/attribute-section.js'
import { issuedAt } from '../../record/session-facts.js'
import { tokenDigest } from '../../session-id/session-id.js'
import type { SaveQueue } from '../../write-behind/save-queue.js'
import type { SessionContent } from '../content/session-content.js'
import type { ManagerContext } from '../context/manager-context.js'
import { within } from '../context/within.js'
import type { RecordStore } from './record-store.js'
import type { SessionEnding } from './session-ending.js'
import { lookUp } from './session-look-up.js'

/** What a renewal works with. */
export interface RenewalParts {
  readonly context: ManagerContext
  readonly storage: RecordStore
  readonly content: SessionContent
  readonly queue: SaveQueue
  readonly ending: SessionEnding
  /** See `SessionManager.openShared`. */
  openShared(token: string): Promise<SessionState | undefined>
  /** See `SessionManager.refresh`. */
  refresh(state: SessionState): Promise<SessionState>
  release(state: SessionState): void
}

/**
 * New ids for sessions that go on. The new token follows from the old one, so everybody who renews a session at once renews it to the same
 * one. First the session is stored under the new token, then a tombstone that says so takes the place of every copy under the old one; what
 * others have stored or changed there until then is joined.
 */
export class SessionRenewal {
  private readonly parts: RenewalParts
  private readonly underWay = new Map<SessionState, Promise<SessionState>>()

  constructor(parts: RenewalParts) {
    this.parts = parts
  }

  /** Whether the setting `renewIdAfter` asks for another id. */
  isDue(state: SessionState): boolean {
    const { settings, clock } = this.parts.context
    const { renewIdAfter, enabled } = settings
    if (renewIdAfter === 0 || !enabled || state.phase !== 'live' || state.isBlank) return false
    return clock.now() - (issuedAt(state.section) || state.createdAt) >= renewIdAfter
  }

  /**
   * @returns the session under its new id; one that nobody can have the id of yet as it is
   * @throws SessionGoneError, StorageUnavailableError when no node takes it: then it stays as it is
   */
  renew(state: SessionState): Promise<SessionState> {
    const before = this.underWay.get(state)
    if (before !== undefined) return before
    const renewal = this.renewOnce(state).finally(() => this.underWay.delete(state))
    this.underWay.set(state, renewal)
    return renewal
  }

  /** The session that a renewed one goes on as, if it is in this server's memory. */
  here({ token, phase }: SessionState): SessionState | undefined {
    const { tokens, local } = this.parts.context
    return phase === 'renewed' ? local.get(tokens.successorOf(token)) : undefined
  }

  /** The same, wherever it is; `undefined`: it has ended, or was not renewed. @throws StorageUnavailableError */
  async follow(state: SessionState): Promise<SessionState | undefined> {
    const token = await this.latestToken(state)
    return token === undefined ? undefined : this.parts.openShared(token)
  }

  /** The token that a renewed session has now. @throws StorageUnavailableError */
  async latestToken({ token, phase }: SessionState): Promise<string | undefined> {
    const { tokens, local } = this.parts.context
    if (phase !== 'renewed' && !(await this.isRenewed(token))) return undefined
    let latest = tokens.successorOf(token)
    while (local.get(latest) === undefined && (await this.isRenewed(latest))) latest = tokens.successorOf(latest)
    return latest
  }

  /** What was committed in a copy that was let go belongs to the session that it goes on as. @returns whether that is here. */
  handOn(state: SessionState): boolean {
    const here = this.here(state)
    if (here === undefined) return false
    this.join(here, state)
    return true
  }

  private async renewOnce(state: SessionState): Promise<SessionState> {
    if (state.phase !== 'live' || state.isBlank) return state
    const { tokens, local } = this.parts.context
    const token = tokens.successorOf(state.token)
    const existing = local.get(token)
    const next = existing ?? this.begin(state, token)
    next.enter()
    try {
      if (existing === undefined) await this.store(next)
      return await this.replaceOld(state, next)
    } finally {
      this.parts.release(next)
    }
  }

  private begin(state: SessionState, token: string): SessionState {
    const { context, content, queue } = this.parts
    content.commit(state, [])
    const next = state.renewedAs(token, context.stamp(state.idleTimeout), context.notes.era)
    const node = context.placement.choose(token)
    if (node !== undefined) next.settle(node)
    context.local.add(next)
    if (context.settings.enabled) queue.add(next)
    return next
  }

  /* What could not be stored is let go: nobody has been told its id. */
  private async store(next: SessionState): Promise<void> {
    const { context, queue, ending } = this.parts
    const { settings, clock } = context
    if (!settings.enabled) return
    const isOver = await within(clock, queue.settled(next), settings.operationTimeout * 2)
    if (next.isEnded) gone()
    if (isOver && next.wasStored) return
    ending.forget(next)
    throw new StorageUnavailableError()
  }

  /** From here on there is one session, under the new token, whatever happens. */
  private async replaceOld(state: SessionState, next: SessionState): Promise<SessionState> {
    const { context, content, queue, ending } = this.parts
    if (state.isEnded) {
      await ending.destroy(next)
      gone()
    }
    content.commit(state, [])
    next.receive(state.section)
    for (const [name, value] of state.attributes.memoryOnlyValues()) {
      if (!next.attributes.has(name)) next.attributes.set(name, value)
    }
    const met = await ending.renewed(state)
    if (met.wasEnded) {
      await ending.destroy(next)
      gone()
    }
    if (!covers(next.section, met.section)) next.receive(met.section)
    if (context.settings.enabled && !next.isSaved) queue.add(next)
    context.statistics.count('idsRenewed')
    context.events.emitSession('renewed', next, { from: state.handle })
    if (!met.wasRenewed && next.phase === 'live') return next
    /* Whoever did the same at once may have stored it elsewhere, or owns it. */
    return this.parts.refresh(next).catch(() => next)
  }

  private join(here: SessionState, state: SessionState): void {
    const { content, queue, context } = this.parts
    if (here.attributes.isAssigned) content.commit(here, [])
    const pending = state.pending()
    state.handedOver(pending)
    if (covers(here.section, pending)) return
    here.receive(pending)
    if (context.settings.enabled) queue.add(here)
  }

  private async isRenewed(token: string): Promise<boolean> {
    const { storage, context } = this.parts
    const copies = await lookUp(storage, context.placement.readable(token), storage.key(tokenDigest(token)))
    return copies.tombstone?.sequel?.kind === 'renewed'
  }
}

function gone(): never {
  throw new SessionGoneError()
}
