import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Expiring, ExpiryWheel } from '../../src/local/expiry-wheel.js'
import { cpuTime } from '../support/cpu-time.js'

interface Item extends Expiring {
  id: number
  expiresAt: number
}

const width = 100

function item(id: number, expiresAt: number): Item {
  return { id, expiresAt, wheelBucket: 0 }
}

/** Every step moves the clock; then something happens to one item of a few; then the wheel is swept, or not. */
const step = fc.record({
  elapse: fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 5000 })),
  id: fc.integer({ min: 0, max: 9 }),
  change: fc.constantFrom('add', 'later', 'sooner', 'remove', 'none'),
  life: fc.oneof(fc.integer({ min: -50, max: 1000 }), fc.constant(Number.POSITIVE_INFINITY)),
  sweep: fc.boolean(),
})

describe('the expiry wheel', () => {
  it('finds all that has ended within one width and nothing earlier, whatever moves (against a plain list)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), fc.array(step, { maxLength: 60 }), (start, steps) => {
        let now = start
        const wheel = new ExpiryWheel<Item>(width, now)
        const items = new Map<number, Item>()
        /* When an item was last put into the wheel: one that had ended by then can only be found after that. */
        const placed = new Map<number, number>()
        for (const { elapse, id, change, life, sweep } of steps) {
          now += elapse
          const known = items.get(id)
          if (change === 'add' && known === undefined) {
            const added = item(id, now + life)
            items.set(id, added)
            placed.set(id, now)
            wheel.add(added)
          } else if (known !== undefined && change === 'later' && Number.isFinite(known.expiresAt)) {
            known.expiresAt += Math.max(0, life)
          } else if (known !== undefined && change === 'sooner') {
            known.expiresAt = Math.min(known.expiresAt, now + life)
            placed.set(id, now)
            wheel.add(known)
          } else if (known !== undefined && change === 'remove') {
            items.delete(id)
            wheel.remove(known)
          }
          if (!sweep) continue
          const found = wheel.sweep(now)
          expect(new Set(found).size).toBe(found.length)
          for (const one of found) {
            expect(one.expiresAt, 'nothing is found before its end').toBeLessThanOrEqual(now)
            expect(items.get(one.id), 'what is found was there, and only once').toBe(one)
            items.delete(one.id)
          }
          for (const [id, { expiresAt }] of items) {
            const due = Math.max(expiresAt, placed.get(id) as number)
            expect(due, 'nothing is left that ended more than one width ago').toBeGreaterThan(now - width)
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('looks at an item that is used all the time about once in its idle time', () => {
    const wheel = new ExpiryWheel<Item>(width, 0)
    let looks = 0
    const used = {
      end: 10_000,
      wheelBucket: 0,
      get expiresAt() {
        looks++
        return this.end
      },
    }
    wheel.add(used as unknown as Item)
    for (let now = 0; now < 100_000; now += width) {
      used.end = now + 10_000
      expect(wheel.sweep(now)).toEqual([])
    }
    expect(looks).toBeLessThan(60)
  })

  it('never finds what never ends, and forgets what does not end any more', () => {
    const wheel = new ExpiryWheel<Item>(width, 0)
    const eternal = item(1, Number.POSITIVE_INFINITY)
    const spared = item(2, 500)
    wheel.add(eternal)
    wheel.add(spared)
    spared.expiresAt = Number.POSITIVE_INFINITY
    expect(wheel.sweep(10 ** 12)).toEqual([])
    expect([eternal.wheelBucket, spared.wheelBucket]).toEqual([0, 0])
  })

  it('takes an item that is in it already, or has gone already, without harm', () => {
    const wheel = new ExpiryWheel<Item>(width, 0)
    const one = item(1, 500)
    wheel.add(one)
    wheel.add(one)
    expect(wheel.sweep(1000)).toEqual([one])
    expect(wheel.sweep(2000)).toEqual([])
    wheel.remove(one)
    wheel.remove(item(2, 500))
    expect(wheel.sweep(3000)).toEqual([])
  })

  it('finds everything after a pause of years at once', () => {
    const wheel = new ExpiryWheel<Item>(width, 0)
    const items = Array.from({ length: 1000 }, (_, i) => item(i, i * 777))
    for (const one of items) wheel.add(one)
    expect(cpuTime(() => expect(wheel.sweep(10 ** 13)).toHaveLength(1000))).toBeLessThan(1000)
  })

  it('goes on when the clock is set back', () => {
    const wheel = new ExpiryWheel<Item>(width, 10_000)
    const one = item(1, 10_500)
    wheel.add(one)
    expect(wheel.sweep(5000)).toEqual([])
    expect(wheel.sweep(10_600)).toEqual([one])
  })
})

describe('a sweep with a limit', () => {
  it('goes on where the last one has ended, until nothing is due', () => {
    const wheel = new ExpiryWheel<Item>(1000, 0)
    const items = Array.from({ length: 25 }, (_, i) => item(i, 500 + (i % 3) * 1000))
    for (const each of items)
      wheel.add(each)
      /* Was used meanwhile, and stands in an old bucket. */
    ;(items[0] as Item).expiresAt = 60_000
    const found: Item[] = []
    let sweeps = 0
    do {
      const some = wheel.sweep(5000, 4)
      expect(some.length).toBeLessThanOrEqual(4)
      found.push(...some)
      sweeps += 1
    } while (wheel.isBehind)
    expect(sweeps).toBe(7)
    expect(new Set(found)).toEqual(new Set(items.slice(1)))
    expect(wheel.sweep(60_000)).toEqual([items[0]])
  })

  it('does not look again at what ends in the bucket that it is in', () => {
    const wheel = new ExpiryWheel<Item>(1000, 0)
    const only = item(1, 100)
    wheel.add(only)
    only.expiresAt = 900
    expect(wheel.sweep(500, 10)).toEqual([])
    expect(wheel.sweep(2000, 10)).toEqual([only])
  })
})
