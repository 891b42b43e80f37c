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

  pause(): number {
    const upTo = this.next
    this.next = Math.min(upTo * growth, longestPause)
    return jittered(upTo)
  }
}

export function jittered(ms: number): number {
  return ms * (0.5 + Math.random() / 2)
}
