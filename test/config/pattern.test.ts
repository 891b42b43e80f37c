import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parsePattern } from '../../src/config/pattern.js'

describe('patterns', () => {
  it('reads plain text, delimited text with flags, and RegExp objects', () => {
    expect(parsePattern('^/assets/')).toEqual(/^\/assets\//)
    expect(parsePattern('/\\.(png|css)$/i')).toEqual(/\.(png|css)$/i)
    expect(parsePattern(/a+/u)).toEqual(/a+/u)
  })

  it('matches the same text every time, whatever the flags were', () => {
    for (const value of [/a/g, /a/y, '/a/gy']) {
      const pattern = parsePattern(value)
      expect([pattern?.test('aa'), pattern?.test('aa'), pattern?.test('aa')]).toEqual([true, true, true])
    }
  })

  it.each(['', '(', '/(/', '/a/ii', 'a'.repeat(1001), 5, null, undefined, {}])('refuses %j', (value) => {
    expect(parsePattern(value)).toBeUndefined()
  })

  it('never throws and never gives a pattern that remembers', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.string().map((s) => `/${s}/gi`),
        ),
        (text) => {
          const pattern = parsePattern(text)
          expect(pattern === undefined || !(pattern.global || pattern.sticky)).toBe(true)
        },
      ),
    )
  })
})
