import { describe, expect, it } from 'vitest'
import { type CounterName, counterMeanings, histogramMeanings, Statistics } from '../../src/statistics/statistics.js'

describe('statistics', () => {
  it('have every counter and every histogram from the beginning, with a meaning', () => {
    const { counters, histograms } = new Statistics().snapshot()
    expect(Object.keys(counters)).toEqual(Object.keys(counterMeanings))
    expect(Object.keys(histograms)).toEqual(Object.keys(histogramMeanings))
    expect(Object.values(counters).every((count) => count === 0)).toBe(true)
    for (const meaning of [...Object.values(counterMeanings), ...Object.values(histogramMeanings)])
      expect(meaning.length).toBeGreaterThan(10)
  })

  it('count one by one or several at once, each for itself', () => {
    const statistics = new Statistics()
    for (const name of Object.keys(counterMeanings) as CounterName[]) statistics.count(name)
    statistics.count('takeovers', 5)
    const { counters } = statistics.snapshot()
    expect(counters.takeovers).toBe(6)
    expect(Object.values(counters).reduce((a, b) => a + b)).toBe(Object.keys(counterMeanings).length + 5)
  })

  it('measure sizes in bytes and durations in milliseconds', () => {
    const statistics = new Statistics()
    statistics.record('recordSize', 1000)
    statistics.record('load', 3)
    const { histograms } = statistics.snapshot()
    expect(histograms.recordSize.buckets.find(({ count }) => count > 0)?.le).toBe(1024)
    expect(histograms.load.buckets.find(({ count }) => count > 0)?.le).toBe(5)
  })

  it('can be switched off and on while running, and stay readable (W33)', () => {
    const statistics = new Statistics(false)
    statistics.count('takeovers')
    statistics.record('load', 3)
    expect(statistics.snapshot()).toMatchObject({ counters: { takeovers: 0 }, histograms: { load: { count: 0 } } })
    statistics.enabled = true
    statistics.count('takeovers')
    statistics.enabled = false
    statistics.count('takeovers')
    expect(statistics.snapshot().counters.takeovers).toBe(1)
  })

  it('begin anew after a reset', () => {
    const statistics = new Statistics()
    const before = statistics.snapshot()
    statistics.count('relocations')
    statistics.record('delete', 3)
    expect(before.counters.relocations).toBe(0)
    statistics.reset()
    expect(statistics.snapshot()).toEqual(before)
  })
})
