import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { CopyIndex } from '../../src/local/copy-index.js'
import { SessionState, type Snapshot } from '../../src/local/session-state.js'
import { ClusterNotes } from '../../src/manager/context/cluster-notes.js'
import { latestChange } from '../../src/record/attribute-section.js'
import { SaveQueue } from '../../src/write-behind/save-queue.js'
import { type Configuration, findViolation, Simulation, steps, type Trouble, troubles } from './simulation.js'

const sticky: Configuration = {
  mode: 'sticky',
  backup: 'sync',
  storage: 'memcached',
  nodes: 2,
  servers: 2,
  troubles: [],
}
const nonSticky: Configuration = { ...sticky, mode: 'non-sticky' }

const everything: readonly Trouble[] = troubles.filter((trouble) => trouble !== 'mode' && trouble !== 'nodes')

/** A configuration, how many histories of it, and what may happen in them. */
const clean: [string, Configuration, number, readonly Trouble[]][] = [
  ['sticky on memcached', sticky, 250, everything],
  ['sticky on Redis', { ...sticky, storage: 'redis' }, 250, everything],
  ['sticky without a wait for the storage', { ...sticky, backup: 'async' }, 150, ['hang']],
  ['sticky, a storage node that is cut off', sticky, 200, ['flap', 'cut', 'logout']],
  ['sticky, nodes that come and go', sticky, 150, ['flap', 'nodes', 'deploy']],
  ['non-sticky on one memcached', { ...nonSticky, nodes: 1 }, 150, ['hang', 'pause', 'deploy', 'job']],
  ['non-sticky on two memcached', nonSticky, 300, everything],
  ['non-sticky on two Redis', { ...nonSticky, storage: 'redis' }, 250, everything],
  ['non-sticky on three Redis', { ...nonSticky, storage: 'redis', nodes: 3, servers: 3 }, 150, everything],
  ['a mode that is switched', { ...nonSticky, storage: 'redis' }, 150, ['flap', 'logout', 'job', 'mode']],
]

describe('simulated histories', () => {
  it.each(clean)('keep the promises: %s', async (_, configuration, histories, chosen) => {
    const finding = await findViolation({ ...configuration, troubles: chosen }, { histories, seed: 20_261_128 })
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
  ])('when writes are not fenced: %s', async (_, configuration) => {
    const planted: Configuration = { ...configuration, troubles: ['flap'], plants: { noFence: true } }
    const finding = await findViolation(planted, { histories: 500, seed: 20_261_128 })
    expect(finding?.violations.join()).toMatch(/lost update/)
    expect(finding?.steps.length).toBeLessThan(6)
  })

  it('when the end of a session is on one node only', async () => {
    const planted: Configuration = {
      ...sticky,
      troubles: ['logout', 'restart', 'deploy'],
      plants: { endsOnOneNode: true },
    }
    const finding = await findViolation(planted, { histories: 500, seed: 20_261_128 })
    expect(finding?.violations.join()).toMatch(/zombie/)
  })

  afterEach(() => {
    vi.restoreAllMocks()
  })

  /** @returns what was found within 500 histories, without a search for fewer steps. */
  const planted = async (configuration: Configuration, chosen: readonly Trouble[]): Promise<string> => {
    const finding = await findViolation(
      { ...configuration, troubles: chosen },
      { histories: 500, seed: 20_261_128, shrink: false },
    )
    return finding?.violations.join() ?? 'nothing'
  }

  it('when the state that was changed last wins, whole', async () => {
    vi.spyOn(SessionState.prototype, 'take').mockImplementation(function (this: SessionState, section) {
      if (latestChange(section) > this.changedAt) this.attributes.replace(section)
    })
    expect(await planted(sticky, ['flap'])).toMatch(/lost update/)
    expect(await planted(nonSticky, [])).toMatch(/lost update/)
  })

  it('when what is stored is taken from the state after the wait for the node', async () => {
    const acknowledge = SessionState.prototype.acknowledge
    vi.spyOn(SessionState.prototype, 'acknowledge').mockImplementation(function (this: SessionState, sent, ...rest) {
      return acknowledge.call(this, { ...sent, section: this.section }, ...rest)
    })
    expect(await planted(nonSticky, [])).toMatch(/lost update/)
  })

  it('when what changes during a save is not saved again', async () => {
    const add = SaveQueue.prototype.add
    vi.spyOn(SaveQueue.prototype, 'add').mockImplementation(function (this: SaveQueue, state) {
      if (this.running(state) === undefined) add.call(this, state)
    })
    expect(await planted({ ...sticky, backup: 'async' }, ['flap'])).toMatch(/lost update/)
  })

  it('when saves are out of order', async () => {
    const send = SessionState.prototype.send
    const waiting = new WeakMap<SessionState, Snapshot>()
    vi.spyOn(SessionState.prototype, 'send').mockImplementation(function (this: SessionState) {
      const now = send.call(this)
      const before = waiting.get(this) ?? now
      waiting.set(this, now)
      return before
    })
    expect(await planted({ ...sticky, backup: 'async' }, ['flap'])).toMatch(/lost update/)
  })

  it('when a read cuts the life of an end', async () => {
    /* As if a read were renewed before it is known for how long. */
    vi.spyOn(CopyIndex.prototype, 'has').mockReturnValue(true)
    const planted: Configuration = {
      ...nonSticky,
      nodes: 1,
      servers: 3,
      troubles: ['logout'],
      plants: { cutsEnds: true },
    }
    const finding = await findViolation(planted, { histories: 500, seed: 20_261_128, shrink: false })
    expect(finding?.violations.join()).toMatch(/zombie/)
  })

  it('when nobody tells that a node was away', async () => {
    vi.spyOn(ClusterNotes.prototype, 'isDoubtful').mockReturnValue(false)
    const redis: Configuration = { ...sticky, storage: 'redis' }
    expect(await planted(redis, ['restart', 'cut', 'flap'])).toMatch(/lost update/)
  })
})
