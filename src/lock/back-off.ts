import { jittered, type RandomSource } from '../random.js'

/** Milliseconds. */
const shortest = 3
export const longestPause = 50
const growth = 1.7

/**
 * Pauses between attempts at a lock that another process holds: growing, with a random half, so that processes that began
 * together don't ask together.
 */
export class BackOff {
  private next = shortest
  private readonly random: RandomSource

  constructor(random: RandomSource) {
    this.random = random
  }

  pause(): number {
    const upTo = this.next
    this.next = Math.min(upTo * growth, longestPause)
    return jittered(upTo, this.random)
  }
}
