import { randomBytes } from 'node:crypto'

/** Where everything random comes from: the system's generator in production, one with a seed in a simulation. */
export interface RandomSource {
  /** At least 0 and less than 1; for jitter, not for secrets. */
  fraction(): number
  /** That many unguessable bytes. */
  bytes(count: number): Buffer
}

/** Between half of that many milliseconds and all: so that those who began together do not come back together. */
export function jittered(ms: number, random: RandomSource): number {
  return ms * (0.5 + random.fraction() / 2)
}

export const systemRandom: RandomSource = {
  fraction: () => Math.random(),
  bytes: (count) => randomBytes(count),
}
