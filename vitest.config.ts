import { configDefaults, defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...configDefaults.exclude, 'test/browser/**'],
    globalSetup: ['test/support/global-setup.ts'],
    pool: 'forks',
    /* More than cores: most tests wait for servers and time-outs. */
    maxWorkers: 4,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    retry: 0,
    reporters: ['default', './test/support/closing-line.ts'],
  },
})
