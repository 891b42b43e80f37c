import { randomBytes } from 'node:crypto'

/**
 * Numbers that we give to the states that we write, in the place of the server's own: they mean the same on every
 * connection and after a restart of the server, which begins to count at 1 again.
 *
 * They have 19 digits or more, where no server's counter gets to, and begin at a random place in each process, so that
 * two processes never use the same ones: there is room for 2^60 of them.
 */
const lowest = 10n ** 18n
const highest = 2n ** 64n - 2n ** 50n

let last = 0n

export function nextOwnCas(): bigint {
  if (last === 0n) last = lowest + (randomBytes(8).readBigUInt64BE(0) % (highest - lowest))
  last += 1n
  return last
}

/** Whether a number can only be one that a client has chosen. */
export function isOwnCas(cas: bigint): boolean {
  return cas >= lowest
}
