import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/balancers/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/patience.ts'],
    pool: 'forks',
    /* One balancer after the other: each has three servers to itself. */
    maxWorkers: 1,
    /* For what never comes, on the slowest machine: no test is to pass or fail by the speed of its machine. */
    testTimeout: 240_000,
    hookTimeout: 240_000,
    expect: { poll: { timeout: 60_000 } },
    retry: 0,
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
