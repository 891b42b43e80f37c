import { configDefaults, defineConfig } from 'vitest/config'
import LongestFirst from './test/support/longest-first.ts'

/** Files with a process of their own: they fake its timers, count what it holds open, or replace its modules. */
const alone = [
  'test/cli/**/*.test.ts',
  'test/express-session/**/*.test.ts',
  'test/frameworks/**/*.test.ts',
  'test/local/local-sessions.test.ts',
  'test/lock/session-locks.test.ts',
  'test/manager/async-context.test.ts',
  'test/manager/long-requests.test.ts',
  'test/manager/mode-switch.test.ts',
  'test/manager/within.test.ts',
  'test/memcached-server/server.test.ts',
  'test/node/natural-end.test.ts',
  'test/node/nothing-left.test.ts',
  'test/node/wrong-setups.test.ts',
  'test/packages/**/*.test.ts',
  'test/placement/node-health.test.ts',
  'test/simulation/**/*.test.ts',
  'test/testing/**/*.test.ts',
  'test/types/**/*.test.ts',
  'test/write-behind/**/*.test.ts',
]

export default defineConfig({
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/patience.ts'],
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: {
          name: 'shared',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, ...alone, 'test/browser/**', 'test/balancers/**'],
          isolate: false,
          setupFiles: ['test/support/shared-process.ts'],
        },
      },
      {
        extends: true,
        test: {
          name: 'isolated',
          include: alone,
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
