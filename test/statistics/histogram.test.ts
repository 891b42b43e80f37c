import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { durationBounds, Histogram, quantile, sizeBounds } from '../../src/statistics/histogram.js'

const values = fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { maxLength: 100 })

describe('a histogram', () => {
  it('says of every value where it belongs (W33)', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(durationBounds, sizeBounds), (values, bounds) => {
        const histogram = new Histogram(bounds)
        for (const value of values) histogram.record(value)
        const snapshot = histogram.snapshot()
        expect(snapshot.count).toBe(values.length)
        expect(snapshot.min).toBe(values.length === 0 ? 0 : Math.min(...values))
        expect(snapshot.max).toBe(values.length === 0 ? 0 : Math.max(...values))
        expect(snapshot.sum).toBeCloseTo(values.reduce((sum, value) => sum + value, 0))
        expect(snapshot.buckets).toEqual(
          bounds.map((le) => ({ le, count: values.filter((value) => value <= le).length })),
        )
      }),
    )
  })

  it('has the average that it should have: ten for a constant ten (W33)', () => {
    const histogram = new Histogram(durationBounds)
    for (let i = 0; i < 1000; i++) histogram.record(10)
    expect(histogram.snapshot()).toMatchObject({ average: 10, min: 10, max: 10, count: 1000 })
  })

  it('is empty at first and after a reset', () => {
    const histogram = new Histogram(durationBounds)
    const empty = histogram.snapshot()
    expect(empty).toMatchObject({ count: 0, sum: 0, min: 0, max: 0, average: 0 })
    histogram.record(99_999)
    histogram.reset()
    expect(histogram.snapshot()).toEqual(empty)
  })

  it('keeps what was there before a reset for those who watch how it rises', () => {
    fc.assert(
      fc.property(values, values, (before, after) => {
        const [reset, whole] = [new Histogram(durationBounds), new Histogram(durationBounds)]
        for (const value of before) reset.record(value)
        reset.reset()
        for (const value of after) reset.record(value)
        for (const value of [...before, ...after]) whole.record(value)
        const { sum, ...counts } = reset.lifetime()
        const { sum: wholeSum, count, buckets } = whole.snapshot()
        expect(counts).toEqual({ count, buckets })
        expect(sum).toBeCloseTo(wholeSum)
        expect(reset.snapshot().count).toBe(after.length)
      }),
    )
  })

  it('estimates quantiles within the bucket where they fall', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 2500, noNaN: true }), { minLength: 1, maxLength: 100 }),
        (values) => {
          const histogram = new Histogram(durationBounds)
          for (const value of values) histogram.record(value)
          const sorted = [...values].sort((a, b) => a - b)
          for (const share of [0.5, 0.95, 1]) {
            const exact = sorted[Math.ceil(share * values.length) - 1] as number
            const upper = durationBounds.find((bound) => exact <= bound) as number
            const lower = durationBounds.filter((bound) => bound < exact).at(-1) ?? 0
            const estimate = quantile(histogram.snapshot(), share)
            expect(estimate).toBeLessThanOrEqual(upper)
            expect(estimate).toBeGreaterThanOrEqual(lower)
          }
        },
      ),
    )
    const rounded = new Histogram(durationBounds)
    for (const value of [0, 0, 0, 0.10000000000000002, 0.10000000000000002, 0.10000000000000002]) rounded.record(value)
    expect(quantile(rounded.snapshot(), 0.5)).toBe(0.1)
    expect(quantile(new Histogram(durationBounds).snapshot(), 0.95)).toBe(0)
    const beyond = new Histogram(durationBounds)
    beyond.record(9000)
    expect(quantile(beyond.snapshot(), 0.95)).toBe(9000)
  })

  it('gives snapshots that do not change any more', () => {
    const histogram = new Histogram(durationBounds)
    const before = histogram.snapshot()
    histogram.record(1)
    expect(before.count).toBe(0)
    expect(before.buckets.every(({ count }) => count === 0)).toBe(true)
  })

  it('has ascending bounds', () => {
    for (const bounds of [durationBounds, sizeBounds]) expect([...bounds].sort((a, b) => a - b)).toEqual(bounds)
  })
})
