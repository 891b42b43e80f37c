import { LockTimeoutError, NodeUnreachableError } from '../errors.js'
import { LockPolicy } from '../lock/lock-policy.js'
import { type LockHold, SessionLocks } from '../lock/session-locks.js'
import type { WatchedNode } from '../placement/watched-node.js'
import { formatSessionId, parseSessionId, tokenDigest } from '../session-id/session-id.js'
import type { Engine } from './engine.js'

type PlaceOfLock = (token: string, named: string | undefined) => WatchedNode | undefined

/** The locks of sessions, for requests and for the application. */
export class RequestLocks {
  readonly policy: LockPolicy
  private readonly engine: Engine
  private readonly locks: SessionLocks
  private readonly placeOf: PlaceOfLock

  constructor(engine: Engine, placeOf: PlaceOfLock) {
    const { clock, random, statistics } = engine
    this.engine = engine
    this.placeOf = placeOf
    this.policy = new LockPolicy(() => engine.settings.locking)
    this.locks = new SessionLocks({
      clock,
      random,
      settings: () => engine.settings.locking,
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
  async take(id: string): Promise<LockHold | undefined> {
    const { tokens, settings, ended, clock } = this.engine
    const parts = parseSessionId(id)
    if (parts === undefined || !settings.enabled || !tokens.verify(parts.token)) return undefined
    if (ended.has(parts.token, clock.now())) return undefined
    try {
      const hold = await this.acquire(parts.token, parts.node)
      if (hold !== undefined) this.engine.statistics.count('locksAcquired')
      return hold
    } catch (error) {
      if (!(error instanceof LockTimeoutError)) throw error
      const event = {
        handle: tokenDigest(parts.token).slice(0, 12),
        id: formatSessionId(parts.token, parts.node, undefined),
      }
      this.engine.events.emitSession('lockTimeout', event)
      if (settings.locking.onTimeout === 'fail') throw error
      return undefined
    }
  }

  close(): void {
    this.locks.close()
  }

  /* Where no node answers, the look for the session says so; while one writes, the fence protects. */
  private async acquire(token: string, named: string | undefined): Promise<LockHold | undefined> {
    const key = `${this.engine.settings.keyPrefix}lock:${tokenDigest(token)}`
    for (let attempt = 0; attempt < 2; attempt++) {
      const node = this.placeOf(token, named)
      try {
        return await this.locks.acquire(key, node)
      } catch (error) {
        if (!(error instanceof NodeUnreachableError)) throw error
        await node?.check()
      }
    }
    return undefined
  }
}
