import type { Clock } from '../clock.js'
import { ClosedError, LockLostError, LockTimeoutError } from '../errors.js'
import type { StorageNode } from '../node/storage-node.js'
import { jittered, type RandomSource } from '../random.js'
import { BackOff, longestPause } from './back-off.js'
import { LockLine } from './lock-line.js'
import type { LockSettings } from './lock-settings.js'
import { type NodeLock, tryLock } from './node-lock.js'
import { type Turn, Waiter } from './waiter.js'

/** A lock in somebody's hands. Whoever took it releases it. */
export interface LockHold {
  /** Aborted when the lock was lost: it could not be renewed in time, or was removed. The reason is a `LockLostError`. */
  readonly signal: AbortSignal
  /** Idempotent; never rejects. A renewal under way is awaited first. */
  release(): Promise<void>
}

export interface SessionLocksOptions {
  clock: Clock
  random: RandomSource
  /** Asked at each use, so that settings may change. */
  settings: () => Pick<LockSettings, 'expiry' | 'timeout' | 'maxWaiters'>
  /** Names this process in the stored value, for people who look there. Default: its process id. */
  holder?: string
  /** A request had to wait, with success or without, that many milliseconds. */
  onWaited?(ms: number): void
  /** A request has waited in vain, or was turned away because too many wait. */
  onTimeout?(key: string): void
  onLost?(key: string): void
}

/** So often in a row a lock is handed on within this process; then other processes get a chance. */
const maxHandovers = 8
/** Milliseconds after which it isn't handed on any more. */
const longestTurn = 100

const firstTurn: Turn = Object.freeze({ lock: undefined, handovers: 0, pause: 0 })

/**
 * Locks of sessions. In this process requests stand in line; the first of the line asks the node for the lock, with
 * jittered pauses while another process has it.
 */
export class SessionLocks {
  private readonly options: SessionLocksOptions
  private readonly holder: string
  private readonly lines = new Map<string, LockLine>()
  private readonly waiters = new Set<Waiter>()
  private readonly holds = new Set<Hold>()
  private closed = false

  constructor(options: SessionLocksOptions) {
    this.options = options
    this.holder = options.holder ?? `pid ${process.pid}`
  }

  /** Requests that wait for a lock now. */
  get waiting(): number {
    return this.waiters.size
  }

  /** Locks that requests of this process hold now. */
  get held(): number {
    return this.holds.size
  }

  /**
   * Waits in line in this process, then for the lock on the node. The time-out bounds the waiting for others; an operation
   * on the node that is under way then is awaited up to its own time-out.
   *
   * @param key where the lock stands on the node
   * @param node `undefined`: the lock is of this process alone
   * @throws LockTimeoutError after `timeout`, or at once when `maxWaiters` stand in line
   * @throws ClosedError after `close()`
   * @throws NodeUnreachableError, or what else the node says, as it is: the caller may try another node
   */
  async acquire(key: string, node: StorageNode | undefined): Promise<LockHold> {
    if (this.closed) throw new ClosedError('the lock')
    const { timeout, maxWaiters } = this.options.settings()
    const waiter = new Waiter(this.options.clock, node, timeout)
    const line = this.lineOf(key)
    if (line.isTaken && line.length >= maxWaiters)
      throw this.failed(key, new LockTimeoutError('too many requests wait'))
    this.waiters.add(waiter)
    try {
      const turn = line.isTaken ? await this.standInLine(key, line, waiter) : firstTurn
      line.isTaken = true
      return await this.takeTurn(key, line, waiter, turn)
    } finally {
      this.waiters.delete(waiter)
      if (waiter.hasWaited) this.options.onWaited?.(waiter.elapsed)
    }
  }

  /** Waiters reject with a ClosedError, renewals stop. Locks that are held can still be released; else they expire. */
  close(): void {
    this.closed = true
    for (const waiter of this.waiters) waiter.giveUp(new ClosedError('the lock'))
    for (const hold of this.holds) hold.lock?.abandon()
  }

  private lineOf(key: string): LockLine {
    const line = this.lines.get(key) ?? new LockLine()
    this.lines.set(key, line)
    return line
  }

  private async standInLine(key: string, line: LockLine, waiter: Waiter): Promise<Turn> {
    line.join(waiter)
    try {
      const turn = await waiter.wait(waiter.left)
      if (turn === undefined) throw this.timedOut(key)
      return turn
    } finally {
      line.leave(waiter)
    }
  }

  private async takeTurn(key: string, line: LockLine, waiter: Waiter, turn: Turn): Promise<LockHold> {
    try {
      if (waiter.error !== undefined) throw waiter.error
      const lock = turn.lock ?? (waiter.node && (await this.lockOn(waiter.node, key, waiter, turn.pause)))
      return this.hold(key, line, { ...turn, lock })
    } catch (error) {
      void this.pass(key, line, turn)
      throw error
    }
  }

  private async lockOn(node: StorageNode, key: string, waiter: Waiter, pause: number): Promise<NodeLock> {
    const backOff = new BackOff(this.options.random)
    const expiry = (): number => this.options.settings().expiry
    if (pause > 0) await waiter.wait(pause)
    for (;;) {
      const { clock, random } = this.options
      const lock = await tryLock({ node, key, expiry, holder: this.holder, clock, random })
      if (waiter.error !== undefined) {
        void lock?.release()
        throw waiter.error
      }
      if (lock !== undefined) return lock
      if (waiter.left <= 0) throw this.timedOut(key)
      await waiter.wait(backOff.pause())
    }
  }

  private hold(key: string, line: LockLine, turn: Turn): LockHold {
    const hold = new Hold(turn.lock, () => {
      this.holds.delete(hold)
      return this.pass(key, line, turn)
    })
    this.holds.add(hold)
    turn.lock?.watch(() => {
      hold.lose(key)
      this.options.onLost?.(key)
    })
    return hold
  }

  /** Gives the turn to the next in line; the node's lock too, unless other processes are due. */
  private async pass(key: string, line: LockLine, { lock, handovers }: Turn): Promise<void> {
    const wanted = lock?.isHeld === true && !this.closed && line.first?.node === lock.node
    const age = lock === undefined ? 0 : this.options.clock.monotonic() - lock.takenAt
    lock?.watch(ignore)
    if (wanted && handovers < maxHandovers && age < longestTurn) {
      line.pass({ lock, handovers: handovers + 1, pause: 0 })
      return
    }
    await lock?.release()
    /* Other processes ask at intervals: they are given time for one attempt, a part of what this process has had. */
    line.pass({ ...firstTurn, pause: wanted ? jittered(Math.min(age / 2, longestPause), this.options.random) : 0 })
    if (!line.isTaken) this.lines.delete(key)
  }

  private timedOut(key: string): LockTimeoutError {
    return this.failed(key, new LockTimeoutError('another request of the session holds it'))
  }

  private failed(key: string, error: LockTimeoutError): LockTimeoutError {
    this.options.onTimeout?.(key)
    return error
  }
}

class Hold implements LockHold {
  readonly lock: NodeLock | undefined
  private readonly end: () => Promise<void>
  private ended: Promise<void> | undefined
  private controller: AbortController | undefined
  private lost: LockLostError | undefined

  constructor(lock: NodeLock | undefined, end: () => Promise<void>) {
    this.lock = lock
    this.end = end
  }

  /** Made when it is asked for: most holds are too short to be lost. */
  get signal(): AbortSignal {
    this.controller ??= new AbortController()
    if (this.lost !== undefined) this.controller.abort(this.lost)
    return this.controller.signal
  }

  lose(key: string): void {
    this.lost = new LockLostError(`the lock ${key} was lost`)
    this.controller?.abort(this.lost)
  }

  release(): Promise<void> {
    this.ended ??= this.end()
    return this.ended
  }
}

function ignore(): void {}
