import { randomBytes } from 'node:crypto'

/** Where everything random comes from: the system's generator in production, one with a seed in a simulation. */
export interface RandomSource {
  /** At least 0 and less than 1; for jitter, not for secrets. */
  fraction(): number
  /** That many unguessable bytes. */
  bytes(count: number): Buffer
}

export const systemRandom: RandomSource = {
  fraction: () => Math.random(),
  bytes: (count) => randomBytes(count),
}
