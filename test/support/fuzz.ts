/**
 * How many times as much is tried as in a run of all tests; `npm run fuzz` sets it. The seed is the same each time unless it is set,
 * so that what fails once fails again.
 */
export const fuzzTimes = Number(process.env.HOLDFAST_FUZZ_TIMES ?? 1)

export function fuzzSeed(ofTest: number): number {
  return Number(process.env.HOLDFAST_FUZZ_SEED ?? 0) * 1000 + ofTest
}
