import { configDefaults, defineConfig } from 'vitest/config'
import LongestFirst from './test/support/longest-first.ts'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/browser/**', 'test/balancers/**'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/patience.ts', 'test/support/shared-process.ts'],
    pool: 'forks',
    /* What a file imports takes longer than what most of them do: a worker imports it once. */
    isolate: false,
    sequence: { sequencer: LongestFirst },
    /* More than cores: most tests wait for servers and time-outs. */
    maxWorkers: 4,
    /* For what never comes, on the slowest machine: no test is to pass or fail by the speed of its machine. */
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
    retry: 0,
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
