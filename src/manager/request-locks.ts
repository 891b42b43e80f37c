import { LockTimeoutError, NodeRefusedError, NodeUnreachableError } from '../errors.js'
import { LockPolicy } from '../lock/lock-policy.js'
import { type LockHold, SessionLocks } from '../lock/session-locks.js'
import { formatSessionId, type SessionId, tokenDigest } from '../session-id/session-id.js'
import type { ManagerContext } from './context/manager-context.js'

/** Attempts at a lock whose node does not answer. */
const MAX_ATTEMPTS = 2

/** The locks of sessions, for requests and for the application. */
export class RequestLocks {
  readonly policy: LockPolicy
  private readonly context: ManagerContext
  private readonly locks: SessionLocks

  constructor(context: ManagerContext) {
    const { clock, random, statistics } = context
    this.context = context
    this.policy = new LockPolicy(() => context.settings.locking)
    this.locks = new SessionLocks({
      clock,
      random,
      settings: () => context.settings.locking,
      onWaited: (ms) => {
        statistics.count('lockWaits')
        statistics.record('lockWait', ms)
      },
      onTimeout: () => statistics.count('lockTimeouts'),
      onLost: () => statistics.count('locksLost'),
    })
  }

  get waiting(): number {
    return this.locks.waiting
  }

  get held(): number {
    return this.locks.held
  }

  /**
   * Takes the lock of the session that an id names. `undefined`: the id is none of ours, or the request may go on without.
   * @throws LockTimeoutError
   */
  async take(id: SessionId): Promise<LockHold | undefined> {
    const { tokens, settings, ended, clock } = this.context
    const { token } = id
    if (!settings.enabled || ended.has(token, clock.now())) return undefined
    /* One that is in memory needs no proof: its session is found without, too. */
    if (this.context.local.get(token) === undefined && !id.isIssuedBy(tokens)) return undefined
    try {
      const hold = await this.acquire(token)
      this.context.statistics.count('locksAcquired')
      return hold
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error
      const event = {
        handle: tokenDigest(token).slice(0, 12),
        id: formatSessionId(token, id.node, undefined),
      }
      this.context.events.emitSession('lockTimeout', event)
      if (settings.locking.onTimeout === 'fail') throw error
      return undefined
    }
  }

  close(): void {
    this.locks.close()
  }

  /**
   * Where all nodes are gone, the lock is of this process alone.
   * @throws LockTimeoutError also when the lock's node does not answer: others may hold the lock there.
   */
  private async acquire(token: string): Promise<LockHold> {
    const key = `${this.context.settings.keyPrefix}lock:${tokenDigest(token)}`
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const node = this.context.placement.lockNode(token)
      try {
        return await this.locks.acquire(key, node)
      } catch (error) {
        if (!(error instanceof NodeUnreachableError || error instanceof NodeRefusedError)) throw error
        await node?.check()
      }
    }
    this.context.statistics.count('lockTimeouts')
    throw new LockTimeoutError('the storage node of its lock does not answer, or takes no writes')
  }
}
