import { describe, expect, it } from 'vitest'
import { suggestion } from '../../src/config/suggestion.js'

const known = ['secret', 'route', 'nodes', 'idleTimeout', 'absoluteTimeout']

describe('suggestions for mistyped words', () => {
  it.each([
    ['secrets', 'secret'],
    ['Route', 'route'],
    ['idletimeout', 'idleTimeout'],
    ['node', 'nodes'],
    ['absolutTimeuot', 'absoluteTimeout'],
  ])('%s means %s', (word, expected) => {
    expect(suggestion(word, known)).toBe(expected)
  })

  it('says nothing when no word is close', () => {
    expect(suggestion('colour', known)).toBeUndefined()
    expect(suggestion('x', known)).toBeUndefined()
    expect(suggestion('a'.repeat(100_000), known)).toBeUndefined()
  })
})
