/**
 * When and by which process something was last set or removed. Stamps are totally ordered: by time, then by process.
 * The time is that of a hybrid logical clock (Kulkarni and others, 2014): a change made in knowledge of another is always later,
 * whatever the servers' clocks say.
 */
export interface Stamp {
  /** Milliseconds since the epoch, or a little more. */
  readonly time: number
  /** The process: 6 bytes as Latin-1 characters. */
  readonly process: string
}

/** Greater than 0: `a` is the later one. */
export function compareStamps(a: Stamp, b: Stamp): number {
  if (a.time !== b.time) return a.time - b.time
  if (a.process === b.process) return 0
  return a.process > b.process ? 1 : -1
}
