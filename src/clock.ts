/** Where time comes from: the system's in production, one that is moved by hand in tests. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }
