import { describe, expect, it } from 'vitest'
import { EndedTokens } from '../../src/local/ended-tokens.js'

describe('the tokens of ended sessions', () => {
  it('are known until their time is over', () => {
    const ended = new EndedTokens()
    ended.add('a', 1000)
    expect([ended.has('a', 0), ended.has('a', 999), ended.has('b', 0)]).toEqual([true, true, false])
    expect([ended.has('a', 1000), ended.has('a', 0)]).toEqual([false, false])
  })

  it('are bounded: the oldest goes first (W35)', () => {
    const ended = new EndedTokens(100)
    for (let i = 0; i < 10_000; i++) ended.add(`token-${i}`, Number.POSITIVE_INFINITY)
    const known = Array.from({ length: 10_000 }, (_, i) => i).filter((i) => ended.has(`token-${i}`, 0))
    expect(known).toEqual(Array.from({ length: 100 }, (_, i) => 9900 + i))
  })

  it('are renewed by being added again', () => {
    const ended = new EndedTokens(2)
    ended.add('a', 1000)
    ended.add('b', 1000)
    ended.add('a', 5000)
    ended.add('c', 1000)
    expect([ended.has('a', 2000), ended.has('b', 0), ended.has('c', 0)]).toEqual([true, false, true])
  })
})
