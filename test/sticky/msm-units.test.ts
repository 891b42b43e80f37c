import { describe, expect, it } from 'vitest'
import { EndedTokens } from '../../src/local/ended-tokens.js'
import { failoverOrder } from '../../src/placement/failover-order.js'
import { counterMeanings, Statistics } from '../../src/statistics/statistics.js'

describe('the order of a session’s storage nodes', () => {
  const order = (token: string, names: string[]) => failoverOrder(token, names, (name) => name)

  it('M83: has every node once, and is the same wherever it is asked for', () => {
    expect(order('token', [])).toEqual([])
    expect(order('token', ['n1'])).toEqual(['n1'])
    for (let i = 0; i < 100; i++) {
      const found = order(`token${i}`, ['n1', 'n2', 'n3'])
      expect([...found].sort()).toEqual(['n1', 'n2', 'n3'])
      expect(order(`token${i}`, ['n3', 'n2', 'n1'])).toEqual(found)
    }
  })

  it('M84: stays the same for the others when a node is left out', () => {
    for (let i = 0; i < 100; i++) {
      const all = order(`token${i}`, ['n1', 'n2', 'n3'])
      const without = all.filter((name) => name !== 'n2')
      expect(order(`token${i}`, ['n1', 'n3'])).toEqual(without)
    }
  })
})

describe('the memory of ended sessions', () => {
  it('M91: is bounded, forgets the oldest first, and each after its time', () => {
    const ended = new EndedTokens(2)
    for (const token of ['a', 'b']) ended.add(token, 1000)
    ended.add('a', 2000)
    ended.add('c', 2000)
    expect(['a', 'b', 'c'].map((token) => ended.has(token, 1500))).toEqual([true, false, true])
    expect(['a', 'c'].map((token) => ended.has(token, 2000))).toEqual([false, false])
  })
})

describe('the figures', () => {
  it('M92: each counter goes from 0 to 1, and stays at 0 while switched off', () => {
    for (const name of Object.keys(counterMeanings) as (keyof typeof counterMeanings)[]) {
      const [on, off] = [new Statistics(), new Statistics(false)]
      expect(on.snapshot().counters[name]).toBe(0)
      on.count(name)
      off.count(name)
      expect(on.snapshot().counters[name]).toBe(1)
      expect(off.snapshot().counters[name]).toBe(0)
    }
  })

  it('M92: a timing of 1, 1, 4 and 0 has count 4, smallest 0, largest 4 and average 1.5', () => {
    const statistics = new Statistics()
    for (const value of [1, 1, 4, 0]) statistics.record('load', value)
    expect(statistics.snapshot().histograms.load).toMatchObject({ count: 4, min: 0, max: 4, average: 1.5 })
  })
})
