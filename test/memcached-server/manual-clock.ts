import type { TimeOfDay } from '../../src/clock.js'

/** A clock that stands still until it is moved. */
export class ManualClock implements TimeOfDay {
  #now: number

  constructor(now = Date.UTC(2025, 0, 1)) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds
  }
}
