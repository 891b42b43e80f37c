import type { Clock, Timer } from '../clock.js'
import type { StorageNode } from '../node/storage-node.js'
import type { NodeLock } from './node-lock.js'

/** What a request gets from the one before it in the line. */
export interface Turn {
  /** The node's lock, when it is handed on. */
  lock: NodeLock | undefined
  /** How often the lock was handed on since it was taken. */
  handovers: number
  /** Milliseconds that other processes are given to take the lock first. */
  pause: number
}

interface Waiting {
  resolve(turn: Turn | undefined): void
  reject(error: Error): void
}

/** A request that wants a lock: its time limit, and what it waits for at the moment. */
export class Waiter {
  readonly node: StorageNode | undefined
  /** Whether the lock was not to be had at once. */
  hasWaited = false
  /** Why it has to give up; set once. */
  error: Error | undefined
  private readonly clock: Clock
  private readonly since: number
  private readonly timeout: number
  private timer: Timer | undefined
  private waiting: Waiting | undefined

  /** @param timeout milliseconds */
  constructor(clock: Clock, node: StorageNode | undefined, timeout: number) {
    this.clock = clock
    this.since = clock.monotonic()
    this.node = node
    this.timeout = timeout
  }

  /** `false`: nothing can wake it; its time has passed, or it gives up. */
  get isWaiting(): boolean {
    return this.waiting !== undefined
  }

  get elapsed(): number {
    return this.clock.monotonic() - this.since
  }

  /** Milliseconds; negative when the time is up. */
  get left(): number {
    return this.timeout - this.elapsed
  }

  /**
   * Waits for its turn, for at most that many milliseconds and within its time limit.
   *
   * @returns `undefined`: the time has passed
   * @throws the error that it is made to give up with
   */
  wait(ms: number): Promise<Turn | undefined> {
    this.hasWaited = true
    if (this.error !== undefined) return Promise.reject(this.error)
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      const limit = Math.max(0, Math.min(ms, this.left))
      this.timer = this.clock.setTimeout(() => this.stop()?.resolve(undefined), limit)
    })
  }

  wake(turn: Turn): void {
    this.stop()?.resolve(turn)
  }

  giveUp(error: Error): void {
    this.error = error
    this.stop()?.reject(error)
  }

  private stop(): Waiting | undefined {
    const { waiting } = this
    this.clock.clearTimeout(this.timer)
    this.waiting = undefined
    return waiting
  }
}
