import { describe, expect, it } from 'vitest'
import { runHistory } from './history.js'
import type { Configuration } from './shop.js'

const seed = Number(process.env.SEED ?? 20_261_128)

const troubles = 2

const configurations: Configuration[] = (['sticky', 'non-sticky'] as const).flatMap((mode) => [
  { mode, storage: 'memcached', nodes: 2, troubles },
  { mode, storage: 'redis', nodes: 2, troubles },
  { mode, storage: 'memcached', nodes: 3, troubles },
])

describe('a random history on real servers keeps the promises', () => {
  it.each(configurations)(`$mode on $nodes $storage (SEED=${seed})`, async (configuration) => {
    const { violations, requests } = await runHistory(configuration, seed)
    expect(violations).toEqual([])
    expect(requests).toBeGreaterThan(0)
  })
})
