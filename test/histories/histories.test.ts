import { describe, expect, it } from 'vitest'
import type { Mode } from '../../src/config/settings.js'
import type { StorageKind } from '../support/storages.js'
import { runHistory } from './history.js'

/* In sticky mode a deploy and a node that is restarted, in the other one a cut and the death of a node. */
const seeds = { sticky: 70, 'non-sticky': 176 }
const troubles = 2

const configurations: [Mode, number, StorageKind][] = (['sticky', 'non-sticky'] as const).flatMap(
  (mode): [Mode, number, StorageKind][] => [
    [mode, 2, 'memcached'],
    [mode, 2, 'redis'],
    [mode, 3, 'memcached'],
  ],
)

describe('a random history on real servers keeps the promises', () => {
  it.each(configurations)('%s on %i %s', async (mode, nodes, storage) => {
    const seed = Number(process.env.SEED ?? seeds[mode])
    const { violations, requests } = await runHistory({ mode, nodes, storage, troubles }, seed)
    expect(violations, `SEED=${seed}`).toEqual([])
    expect(requests).toBeGreaterThan(0)
  })
})
