import { configDefaults, defineConfig } from 'vitest/config'
import LongestFirst from './test/support/longest-first.ts'

/**
 * Files that share a worker's process and modules: importing what they test takes longer than most of them. No file is among
 * them that fakes the timers of its process, or counts what its process holds open: others would be counted with it.
 */
const shared = [
  'admin',
  'config',
  'dashboard',
  'http',
  'mbeans',
  'outside',
  'record',
  'session',
  'session-id',
  'statistics',
]
  .map((folder) => `test/${folder}/**/*.test.ts`)
  .concat('test/memcached-wire/**/*.test.ts', 'test/node/memcached/**/*.test.ts', 'test/*.test.ts')

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/patience.ts'],
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'shared', include: shared, isolate: false, setupFiles: ['test/support/shared-process.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'isolated',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...shared, 'test/browser/**', 'test/balancers/**'],
        },
      },
    ],
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
