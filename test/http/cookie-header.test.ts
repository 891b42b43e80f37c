import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { pathMatches, readCookies } from '../../src/http/cookie-header.js'
import { formatCookie } from '../../src/session/format-cookie.js'
import type { CookieAttributes } from '../../src/session/session-cookie.js'
import { cpuTime } from '../support/cpu-time.js'

/** What RFC 6265, section 5.4, says of a Cookie header, step by step. */
function plainRead(header: string, name: string): string[] {
  const found: string[] = []
  for (const part of header.split(';')) {
    const pair = part.replace(/^ +/, '')
    if (!pair.startsWith(`${name}=`)) continue
    const value = pair.slice(name.length + 1).trim()
    found.push(value.length > 1 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value)
  }
  return found.slice(0, 4)
}

const piece = fc.constantFrom(
  'sid',
  'sid=',
  '=',
  ';',
  '; ',
  ' ',
  '"',
  'x',
  'xsid=',
  'a-n1.b',
  'sid=1',
  '; sid="q"',
  ',',
)
const header = fc.oneof(
  fc.array(piece, { maxLength: 20 }).map((pieces) => pieces.join('')),
  fc.string({ unit: 'binary' }),
)

describe('reading cookies', () => {
  it('finds all of the name, in their order, and never throws', () => {
    fc.assert(
      fc.property(header, (header) => {
        expect(readCookies(header, 'sid')).toEqual(plainRead(header, 'sid'))
      }),
      { numRuns: 2000 },
    )
  })

  it.each([
    ['no header', undefined, []],
    ['an empty header', '', []],
    ['one', 'sid=abc', ['abc']],
    ['one among others', 'a=1; sid=abc; b=2', ['abc']],
    ['one without a space before', 'a=1;sid=abc;b=2', ['abc']],
    ['one with spaces around', 'a=1;   sid=abc  ; b=2', ['abc']],
    ['several (W38, P33)', 'sid=first; sid=second; other=x; sid=third', ['first', 'second', 'third']],
    ['a quoted one', 'sid="abc-n1.app1"', ['abc-n1.app1']],
    ['an empty one', 'sid=; sid=""', ['', '']],
    ['one with an equals sign inside', 'sid=a=b', ['a=b']],
    ['a lone quote', 'sid="', ['"']],
    ['junk', ';;; ==; sid; =sid; sid', []],
    ['a longer name that ends in ours (W38)', 'xsid=no; x-sid=no; sid2=no', []],
    ['a name that stands in a value', 'other=sid=no; x="sid=no"', []],
    ['a name in other letters', 'SID=no; Sid=no', []],
  ])('finds %s', (_what, header, expected) => {
    expect(readCookies(header, 'sid')).toEqual(expected)
  })

  it('gives no more than four of them', () => {
    const header = Array.from({ length: 1000 }, (_, i) => `sid=${i}`).join('; ')
    expect(readCookies(header, 'sid')).toEqual(['0', '1', '2', '3'])
  })

  it('takes every name that a cookie may have as it is', () => {
    const name = fc.stringMatching(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,20}$/).filter((name) => name !== 'a')
    fc.assert(
      fc.property(name, (name) => {
        expect(readCookies(`a=${name}; ${name}=value; ${name}x=no`, name)).toEqual(['value'])
      }),
    )
  })

  it('takes time in proportion to the header', () => {
    for (const hostile of ['sid'.repeat(300_000), ' '.repeat(900_000), `${' '.repeat(1000)}sid=`.repeat(900)]) {
      expect(cpuTime(() => readCookies(`x=${hostile}`, 'sid'))).toBeLessThan(1000)
    }
  })
})

describe('writing a cookie', () => {
  const plain: CookieAttributes = {
    path: '/',
    domain: undefined,
    httpOnly: false,
    secure: false,
    sameSite: false,
    maxAge: undefined,
    partitioned: false,
    priority: undefined,
  }

  it('gives the value alone with its path when nothing else is set', () => {
    expect(formatCookie('sid', 'abc-n1.a', plain)).toBe('sid=abc-n1.a; Path=/')
  })

  it('gives every attribute that is set', () => {
    const cookie = {
      ...plain,
      path: '/app',
      domain: 'example.org',
      httpOnly: true,
      secure: true,
      sameSite: 'none' as const,
      partitioned: true,
      priority: 'high' as const,
      expires: new Date(0),
    }
    expect(formatCookie('sid', 'x', cookie).split('; ')).toEqual([
      'sid=x',
      'Path=/app',
      'Domain=example.org',
      'Max-Age=0',
      'Expires=Thu, 01 Jan 1970 00:00:00 GMT',
      'HttpOnly',
      'Secure',
      'Partitioned',
      'Priority=High',
      'SameSite=None',
    ])
  })

  it('writes "same site" as it was configured', () => {
    const site = (sameSite: CookieAttributes['sameSite']): string | undefined =>
      formatCookie('sid', 'x', { ...plain, sameSite }).split('SameSite=')[1]
    expect([site('lax'), site('strict'), site('none'), site(true), site(false)]).toEqual([
      'Lax',
      'Strict',
      'None',
      'Strict',
      undefined,
    ])
  })

  it('leaves an end out that is no date', () => {
    for (const age of [Number.NaN, Number.POSITIVE_INFINITY, 1e16]) {
      expect(formatCookie('sid', 'x', { ...plain, expires: new Date(age) })).not.toContain('Invalid')
    }
  })

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_.-]{1,60}$/), (value) => {
        expect(readCookies(formatCookie('sid', value, plain), 'sid')).toEqual([value])
      }),
    )
  })
})

describe('a cookie’s path (RFC 6265, section 5.1.4)', () => {
  it.each([
    ['/', '/', true],
    ['/', '/anything?x', true],
    ['/', '*', true],
    ['/app', '/app', true],
    ['/app', '/app/', true],
    ['/app', '/app/page', true],
    ['/app', '/app?query=/x', true],
    ['/app', '/app/page?query', true],
    ['/app', '/apple', false],
    ['/app', '/ap', false],
    ['/app', '/', false],
    ['/app', '/App', false],
    ['/app', '/other/app', false],
    ['/app', '/other?/app', false],
    ['/app/', '/app/', true],
    ['/app/', '/app/page', true],
    ['/app/', '/app', false],
    ['/app/', '/app?/', false],
    ['/a/b', '/a/b/c', true],
    ['/a/b', '/a/c', false],
    ['/app', '', false],
    ['/app', 'http://shop/app/page', true],
    ['/app', 'https://shop:8443/app?query', true],
    ['/app', 'http://shop/apple', false],
    ['/app', 'http://shop?/app', false],
    ['/app', 'http://shop', false],
    ['/app', '*', false],
  ])('%s for a request of %s: %s', (path, url, expected) => {
    expect(pathMatches(path, url)).toBe(expected)
  })

  it('never makes the test throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ unit: 'binary' }), (path, url) => {
        expect(pathMatches(`/${path}`, url)).toBeTypeOf('boolean')
      }),
    )
  })
})
