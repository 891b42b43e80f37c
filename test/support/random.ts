/** A whole number from 0, below the one that is given. */
export type Random = (below: number) => number

/** mulberry32: small, and the same on every machine. */
export function randomFrom(seed: number): Random {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

export function oneOf<T>(all: readonly T[], random: Random): T {
  return all[random(all.length)] as T
}
