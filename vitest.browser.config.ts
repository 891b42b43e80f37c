import { defineConfig } from 'vitest/config'

/** Tests of the dashboard in a real browser, against the built package: `npm run test:browser`. */
export default defineConfig({
  test: {
    include: ['test/browser/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
    retry: 0,
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
