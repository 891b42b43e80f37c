import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HoldfastError } from '../../src/errors.js'
import { formatSessionId, parseSessionId, SessionTokens, tokenDigest } from '../../src/session-id/session-id.js'

const wordCharacters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_']
const wordOf = (minLength: number, maxLength: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...wordCharacters), minLength, maxLength })
const token = wordOf(25, 120)
/* Nodes and routes may be called as pods and hosts are: dashes anywhere, also at the ends and several in a row. */
const nameOf = fc.string({ unit: fc.constantFrom(...wordCharacters, '-', '-', '-'), minLength: 1, maxLength: 64 })
const node = fc.option(nameOf, { nil: undefined })
const route = fc.option(nameOf, { nil: undefined })

/* Texts that look like ids in most places, which random text never does. */
const nearlyId = fc.string({ unit: fc.constantFrom('A', 'z', '0', '_', '-', '.', ' ', ';', '%', 'é', '\0', '😀') })
const anyText = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), nearlyId)

describe('the text of a session id', () => {
  it('gives back the parts that it was put together from', () => {
    fc.assert(
      fc.property(token, node, route, (token, node, route) => {
        expect(parseSessionId(formatSessionId(token, node, route))).toEqual({ token, node, route })
      }),
    )
  })

  it('is the same text again after it was taken apart', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const parts = parseSessionId(text)
        if (parts !== undefined) expect(formatSessionId(parts.token, parts.node, parts.route)).toBe(text)
      }),
    )
  })

  it('has one dot at most, and nothing after the route, whatever balancer reads it', () => {
    fc.assert(
      fc.property(token, node, nameOf, (token, node, route) => {
        const id = formatSessionId(token, node, route)
        expect(id.slice(id.indexOf('.') + 1)).toBe(route)
        expect(id.slice(id.lastIndexOf('.') + 1)).toBe(route)
      }),
    )
  })

  it('never makes the parser throw, and what it takes is of the known alphabets', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const parts = parseSessionId(text)
        if (parts === undefined) return
        expect(parts.token).toMatch(/^\w{25,}$/)
        expect(parts.node ?? 'none').toMatch(/^[\w-]{1,64}$/)
        expect(parts.route ?? 'none').toMatch(/^[\w-]{1,64}$/)
      }),
      { numRuns: 1000 },
    )
  })

  const good = 'A'.repeat(48)
  it.each([
    ['nothing', ''],
    ['no more than a MAC', 'A'.repeat(24)],
    ['an empty node', `${good}-`],
    ['an empty node before a route', `${good}-.a`],
    ['an empty route', `${good}-n1.`],
    ['two dots', `${good}-n1.a.b`],
    ['a space in the token', `${good} -n1.a`],
    ['a line break after the route', `${good}-n1.a\n`],
    ['a percent sign', `${good}%41-n1.a`],
    ['a node of 65 characters', `${good}-${'n'.repeat(65)}`],
    ['a route of 65 characters', `${good}.${'r'.repeat(65)}`],
    ['a token without end', 'A'.repeat(100_000)],
    ['only a suffix', '-n1.a'],
  ])('is refused when it holds %s', (_what, text) => {
    expect(parseSessionId(text)).toBeUndefined()
  })

  it('ends the token at the first dash and the node at the dot, whatever dashes follow', () => {
    expect(parseSessionId(`${good}-cache-0.app-7c9f-x2`)).toEqual({
      token: good,
      node: 'cache-0',
      route: 'app-7c9f-x2',
    })
    expect(parseSessionId(`${good}--.-`)).toEqual({ token: good, node: '-', route: '-' })
    expect(parseSessionId(`${good}.app-0`)).toEqual({ token: good, node: undefined, route: 'app-0' })
  })

  it('has no node when there was none (M3), and takes one without for a token alone', () => {
    expect(formatSessionId(good, undefined, undefined)).toBe(good)
    expect(parseSessionId(`${good}.a`)).toEqual({ token: good, node: undefined, route: 'a' })
  })

  it('is the text that it was taken apart from', () => {
    fc.assert(
      fc.property(token, node, route, (token, node, route) => {
        const text = formatSessionId(token, node, route)
        expect(parseSessionId(text)?.text).toBe(text)
      }),
    )
  })

  it('knows under which secrets its token was issued, also when they change', () => {
    const [old, next] = [new SessionTokens(['old']), new SessionTokens(['next'])]
    const id = parseSessionId(formatSessionId(old.issue(), 'n1', 'a'))
    expect([id?.isIssuedBy(old), id?.isIssuedBy(old), id?.isIssuedBy(next)]).toEqual([true, true, false])
  })
})

describe('the storage key of a session', () => {
  it('is the same wherever node and route point to (W12, W26)', () => {
    fc.assert(
      fc.property(token, node, route, (token, node, route) => {
        expect(tokenDigest(parseSessionId(formatSessionId(token, node, route))?.token ?? '')).toBe(tokenDigest(token))
      }),
    )
  })

  it('is a SHA-256 of 43 characters that does not hold the token', () => {
    const token = new SessionTokens(['secret']).issue()
    expect(tokenDigest(token)).toBe(createHash('sha256').update(token).digest('base64url'))
    expect(tokenDigest(token)).toMatch(/^[\w-]{43}$/)
    expect(tokenDigest(token)).not.toContain(token.slice(0, 8))
  })
})

describe('session tokens', () => {
  const tokens = new SessionTokens(['the secret'])

  it('verify under the secret that issued them, and can stand in an id', () => {
    for (let i = 0; i < 500; i++) {
      const token = tokens.issue()
      expect(tokens.verify(token)).toBe(true)
      expect(parseSessionId(formatSessionId(token, 'n1', 'a'))).toEqual({ token, node: 'n1', route: 'a' })
    }
  })

  it('carry 128 random bits and more: no two are alike, and 24 characters stand before the MAC', () => {
    const issued = new Set(Array.from({ length: 2000 }, () => tokens.issue()))
    expect(issued.size).toBe(2000)
    for (const token of issued) expect(token).toHaveLength(48)
  })

  it('do not verify under another secret', () => {
    const others = new SessionTokens(['another secret'])
    for (let i = 0; i < 100; i++) expect(others.verify(tokens.issue())).toBe(false)
  })

  it('do not verify with any one character replaced by another of the alphabet', () => {
    const token = tokens.issue()
    for (let at = 0; at < token.length; at++) {
      for (const character of wordCharacters) {
        if (character === token[at]) continue
        expect(tokens.verify(token.slice(0, at) + character + token.slice(at + 1)), `at ${at}`).toBe(false)
      }
    }
  })

  it('do not verify with any one character replaced by one whose low byte is the same', () => {
    const token = tokens.issue()
    for (let at = 0; at < token.length; at++) {
      const twin = String.fromCharCode(token.charCodeAt(at) + 0x100)
      expect(tokens.verify(token.slice(0, at) + twin + token.slice(at + 1)), `at ${at}`).toBe(false)
    }
  })

  it('do not verify when characters are cut off, put in or doubled', () => {
    const token = tokens.issue()
    for (let at = 0; at < token.length; at++) {
      expect(tokens.verify(token.slice(0, at))).toBe(false)
      if (at > 0) expect(tokens.verify(token.slice(at))).toBe(false)
      expect(tokens.verify(`${token.slice(0, at)}A${token.slice(at)}A`)).toBe(false)
    }
    expect(tokens.verify(token + token)).toBe(false)
    expect(tokens.verify(token.toUpperCase())).toBe(false)
  })

  it('can not be made by hostile texts, which never throw either', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, token), (text) => {
        expect(tokens.verify(text)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  it('go on to verify after the secret was rotated, and new ones are signed by the first', () => {
    const [before, during, after] = [
      new SessionTokens(['old']),
      new SessionTokens(['new', 'old']),
      new SessionTokens(['new']),
    ]
    const [old, fresh] = [before.issue(), during.issue()]
    expect([before.verify(old), during.verify(old), after.verify(old)]).toEqual([true, true, false])
    expect([before.verify(fresh), during.verify(fresh), after.verify(fresh)]).toEqual([false, true, true])
  })

  it('are not issued without a secret', () => {
    expect(() => new SessionTokens([]).issue()).toThrow(HoldfastError)
    expect(new SessionTokens([]).verify(tokens.issue())).toBe(false)
  })
})

describe('tokens around the text of an own generator', () => {
  const tokens = new SessionTokens(['the secret'])

  it('hold the text, with dashes as underscores, and verify', () => {
    const text = fc.string({ unit: fc.constantFrom(...wordCharacters, '-'), minLength: 1, maxLength: 160 })
    fc.assert(
      fc.property(text, (text) => {
        const token = tokens.issue(text)
        expect(token.startsWith(text.replaceAll('-', '_'))).toBe(true)
        expect(tokens.verify(token)).toBe(true)
        expect(parseSessionId(token)?.token).toBe(token)
      }),
    )
  })

  it('can be read back in an id with the longest text, node and route that are allowed', () => {
    const token = tokens.issue('g'.repeat(160))
    const [node, route] = ['n'.repeat(64), 'r'.repeat(64)]
    expect(parseSessionId(formatSessionId(token, node, route))).toEqual({ token, node, route })
  })

  it.each([
    ['empty', ''],
    ['longer than 160 characters', 'x'.repeat(161)],
    ['with a dot', 'a.b'],
    ['with a semicolon', 'a;b'],
    ['with a space', 'a b'],
    ['with a line break', 'ab\n'],
    ['with a letter outside ASCII', 'é'],
  ])('are refused for one that is %s', (_what, text) => {
    expect(() => tokens.issue(text)).toThrow(/genid must return/)
  })

  it('are refused for what is no text at all', () => {
    for (const value of [null, 42, {}, Promise.resolve('id'), ['id']]) {
      expect(() => tokens.issue(value as unknown as string)).toThrow(HoldfastError)
    }
  })
})
