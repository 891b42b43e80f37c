/** Numbers from 0 (inclusive) to `below` (exclusive), the same each time for the same seed (xorshift, Marsaglia 2003). */
export type RandomNumber = (below: number) => number

export function randomNumbers(seed: number): RandomNumber {
  let state = seed | 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Bytes that lead parsers astray: ends of ranges, long lengths, signs. */
const EXTREMES = [0x00, 0x01, 0x7f, 0x80, 0xc1, 0xdd, 0xdf, 0xfe, 0xff]

type Mutation = (bytes: Buffer, random: RandomNumber) => Buffer

const mutations: readonly Mutation[] = [
  (bytes, random) => withByte(bytes, random, (byte) => byte ^ (1 << random(8))),
  (bytes, random) => withByte(bytes, random, () => random(256)),
  (bytes, random) => withByte(bytes, random, () => EXTREMES[random(EXTREMES.length)] as number),
  (bytes, random) => bytes.subarray(0, random(bytes.length + 1)),
  (bytes, random) => without(bytes, random(bytes.length + 1), random(8)),
  (bytes, random) => withInserted(bytes, random, Buffer.alloc(1 + random(8), EXTREMES[random(EXTREMES.length)])),
  (bytes, random) => withInserted(bytes, random, slice(bytes, random)),
]

/** A changed copy of bytes: one to four mutations (bits, bytes, lengths, cuts, insertions, repetitions). */
export function mutateBytes(bytes: Buffer, random: RandomNumber): Buffer {
  let mutated: Buffer = Buffer.from(bytes)
  for (let left = 1 + random(4); left > 0; left--) {
    mutated = (mutations[random(mutations.length)] as Mutation)(mutated, random)
  }
  return Buffer.from(mutated)
}

function withByte(bytes: Buffer, random: RandomNumber, change: (byte: number) => number): Buffer {
  if (bytes.length === 0) return bytes
  const at = random(bytes.length)
  bytes[at] = change(bytes[at] as number)
  return bytes
}

function without(bytes: Buffer, at: number, length: number): Buffer {
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)])
}

function withInserted(bytes: Buffer, random: RandomNumber, inserted: Buffer): Buffer {
  const at = random(bytes.length + 1)
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)])
}

function slice(bytes: Buffer, random: RandomNumber): Buffer {
  const at = random(bytes.length + 1)
  return bytes.subarray(at, at + 1 + random(32))
}
