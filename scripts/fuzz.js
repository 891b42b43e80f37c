/*
 * The long run of the tests with hostile bytes: `npm run fuzz [times] [seed]`. Default: six times as many as in `npm test`, which is about
 * 600,000 records and 100,000 frames, with a seed that is printed.
 */
import { spawnSync } from 'node:child_process'

const [times = '6', seed = String(1 + (Date.now() % 1_000_000))] = process.argv.slice(2)
if (!/^\d{1,6}$/.test(times) || !/^\d{1,9}$/.test(seed)) {
  console.error('expected: npm run fuzz [times] [seed], two whole numbers')
  process.exit(2)
}
console.log(`${times} times as much as in npm test; again with: npm run fuzz ${times} ${seed}`)
const files = ['test/record/fuzz.test.ts', 'test/memcached-server/fuzz.test.ts']
const env = { ...process.env, HOLDFAST_FUZZ_TIMES: times, HOLDFAST_FUZZ_SEED: seed }
const { status } = spawnSync('npx', ['vitest', 'run', ...files], {
  stdio: 'inherit',
  env,
  shell: process.platform === 'win32',
})
process.exit(status ?? 1)
