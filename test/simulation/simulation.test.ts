import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Configuration, findViolation, Simulation, steps, type Trouble } from './simulation.js'

const sticky: Configuration = {
  mode: 'sticky',
  backup: 'sync',
  storage: 'memcached',
  nodes: 2,
  servers: 2,
  troubles: [],
}
const nonSticky: Configuration = { ...sticky, mode: 'non-sticky' }

/** A configuration, how many histories of it, and what may happen in them. */
const clean: [string, Configuration, number, Trouble[]][] = [
  ['sticky on memcached, a storage that stops or hangs', sticky, 150, ['restart', 'hang']],
  ['sticky on Redis, servers that are replaced', { ...sticky, storage: 'redis' }, 150, ['deploy', 'crash']],
  ['sticky without a wait for the storage', { ...sticky, backup: 'async' }, 150, ['hang']],
  ['sticky, sessions that end', sticky, 150, ['logout', 'restart', 'deploy']],
  ['non-sticky, sessions that end', nonSticky, 150, ['logout', 'restart', 'hang', 'pause']],
  ['non-sticky on one memcached', { ...nonSticky, nodes: 1 }, 150, ['hang', 'pause', 'deploy']],
  ['non-sticky on two memcached', nonSticky, 150, ['restart', 'hang', 'pause', 'crash', 'job']],
  [
    'non-sticky on three Redis',
    { ...nonSticky, storage: 'redis', nodes: 3, servers: 3 },
    150,
    ['pause', 'job', 'deploy'],
  ],
]

describe('simulated histories', () => {
  it.each(clean)('keep the promises: %s', { timeout: 60_000 }, async (_, configuration, histories, troubles) => {
    const finding = await findViolation({ ...configuration, troubles }, { histories, seed: 20_261_128 })
    expect(finding).toBeUndefined()
  })

  it('are the same for the same seed', async () => {
    const configuration: Configuration = { ...nonSticky, troubles: ['restart', 'crash', 'cut', 'logout'] }
    const [list] = fc.sample(steps(configuration), { numRuns: 1, seed: 5 })
    const [one, again, other] = [1, 1, 2].map((seed) => new Simulation(configuration, seed))
    const results = [await one?.run(list ?? []), await again?.run(list ?? []), await other?.run(list ?? [])]
    expect(results[0]).toEqual(results[1])
    expect(one?.contents().length).toBeGreaterThan(0)
    expect(one?.contents()).toEqual(again?.contents())
    expect(one?.contents()).not.toEqual(other?.contents())
  })
})

describe('a planted fault is found', () => {
  it.each([
    ['sticky', sticky],
    ['non-sticky', nonSticky],
  ])('when writes are not fenced: %s', { timeout: 60_000 }, async (_, configuration) => {
    const planted: Configuration = { ...configuration, troubles: ['flap'], plants: { noFence: true } }
    const finding = await findViolation(planted, { histories: 500, seed: 20_261_128 })
    expect(finding?.violations.join()).toMatch(/lost update/)
    expect(finding?.steps.length).toBeLessThan(6)
  })

  it('when the end of a session is on one node only', { timeout: 60_000 }, async () => {
    const troubles: Trouble[] = ['logout', 'restart', 'deploy']
    const planted: Configuration = { ...sticky, troubles, plants: { endsOnOneNode: true } }
    const finding = await findViolation(planted, { histories: 500, seed: 20_261_128 })
    expect(finding?.violations.join()).toMatch(/zombie/)
  })
})
