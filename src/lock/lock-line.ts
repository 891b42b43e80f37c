import type { Turn, Waiter } from './waiter.js'

/** The requests of this process that want one lock: one has its turn, the others stand in line in the order of their coming. */
export class LockLine {
  /** Whether some request has its turn. */
  isTaken = false
  private readonly waiters = new Set<Waiter>()

  get length(): number {
    return this.waiters.size
  }

  /** The next one that can be woken. */
  get first(): Waiter | undefined {
    for (const waiter of this.waiters) if (waiter.isWaiting) return waiter
    return undefined
  }

  join(waiter: Waiter): void {
    this.waiters.add(waiter)
  }

  leave(waiter: Waiter): void {
    this.waiters.delete(waiter)
  }

  /** Gives the turn to the first in line, if there is one. */
  pass(turn: Turn): void {
    const next = this.first
    this.isTaken = next !== undefined
    if (next === undefined) return
    this.waiters.delete(next)
    next.wake(turn)
  }
}
