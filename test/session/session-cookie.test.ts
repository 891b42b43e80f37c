import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { type CookieAttributes, SessionCookie } from '../../src/session/session-cookie.js'

const defaults: CookieAttributes = {
  path: '/',
  domain: undefined,
  httpOnly: true,
  secure: false,
  sameSite: 'lax',
  maxAge: undefined,
  partitioned: false,
  priority: undefined,
}

const attributes: fc.Arbitrary<CookieAttributes> = fc.record({
  path: fc.constantFrom('/', '/app', '/a/b'),
  domain: fc.constantFrom(undefined, 'example.org'),
  httpOnly: fc.boolean(),
  secure: fc.constantFrom(true, false, 'auto' as const),
  sameSite: fc.constantFrom(true, false, 'lax' as const, 'strict' as const, 'none' as const),
  maxAge: fc.option(fc.integer({ min: 0, max: 10 ** 11 }), { nil: undefined }),
  partitioned: fc.boolean(),
  priority: fc.constantFrom(undefined, 'low' as const, 'medium' as const, 'high' as const),
})

describe('the cookie of a session', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('has what is configured, and differs in nothing from that', () => {
    fc.assert(
      fc.property(attributes, (attributes) => {
        const cookie = new SessionCookie(attributes)
        expect(cookie).toMatchObject(attributes)
        expect(cookie.overrides()).toBe('')
      }),
    )
  })

  it('gives what the session set differently to the record, and takes it from there', () => {
    fc.assert(
      fc.property(attributes, attributes, (configured, wanted) => {
        const cookie = new SessionCookie(configured)
        Object.assign(cookie, wanted)
        const again = new SessionCookie(configured, cookie.overrides())
        expect(again).toMatchObject(wanted)
        expect(again.overrides()).toBe(cookie.overrides())
      }),
    )
  })

  it('lives until the browser is closed without a maximal age', () => {
    const cookie = new SessionCookie(defaults)
    expect([cookie.maxAge, cookie.expires, cookie.originalMaxAge]).toEqual([undefined, null, null])
    cookie.resetMaxAge()
    expect(cookie.expires).toBeNull()
  })

  it('counts its age down, and begins anew when that is asked for', () => {
    const cookie = new SessionCookie({ ...defaults, maxAge: 60_000 })
    vi.advanceTimersByTime(20_000)
    vi.setSystemTime(1_700_000_020_000)
    expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([40_000, 60_000])
    expect(cookie.expires).toEqual(new Date(1_700_000_060_000))
    cookie.resetMaxAge()
    expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([60_000, 60_000])
  })

  it('takes an age, a Date, or nothing', () => {
    const cookie = new SessionCookie(defaults)
    cookie.maxAge = 1000
    expect(cookie.expires).toEqual(new Date(1_700_000_001_000))
    cookie.maxAge = new Date(1_700_000_002_000)
    expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([2000, 2000])
    cookie.maxAge = null
    expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([undefined, null])
    cookie.maxAge = undefined
    expect(cookie.overrides()).toBe('')
    expect(() => Object.assign(cookie, { maxAge: '1000' })).toThrow(TypeError)
  })

  it.each([
    [1e16, Date.UTC(9999, 11, 31, 23, 59, 59)],
    [-1e16, 0],
  ])('has an end that browsers can read when its age is %d', (age, end) => {
    const cookie = new SessionCookie(defaults)
    cookie.maxAge = age
    expect([cookie.expires?.getTime(), cookie.originalMaxAge]).toEqual([end, age])
    expect(cookie.serialize('sid', 'value')).toContain(`Expires=${new Date(end).toUTCString()}`)
  })

  it('takes an end as Date, text, number or nothing', () => {
    const cookie = new SessionCookie(defaults)
    for (const end of [new Date(1_700_000_005_000), '2023-11-14T22:13:25.000Z', 1_700_000_005_000]) {
      cookie.expires = end
      expect([cookie.maxAge, cookie.originalMaxAge]).toEqual([5000, 5000])
    }
    Object.assign(cookie, { expires: false })
    expect([cookie.expires, cookie.originalMaxAge]).toEqual([null, null])
  })

  it('notes that the session has no maximal age where one is configured', () => {
    const cookie = new SessionCookie({ ...defaults, maxAge: 1000 })
    cookie.maxAge = undefined
    expect(new SessionCookie({ ...defaults, maxAge: 1000 }, cookie.overrides()).maxAge).toBeUndefined()
  })

  it('shows its settings and none of its workings', () => {
    const cookie = new SessionCookie({ ...defaults, maxAge: 1000 })
    const data = {
      originalMaxAge: 1000,
      partitioned: false,
      priority: undefined,
      expires: new Date(1_700_000_001_000),
      secure: false,
      httpOnly: true,
      domain: undefined,
      path: '/',
      sameSite: 'lax',
    }
    expect(cookie.data).toEqual(data)
    expect(JSON.parse(JSON.stringify(cookie))).toEqual(JSON.parse(JSON.stringify(data)))
    expect(Object.keys(cookie)).not.toContain('defaults')
    expect(Object.keys(cookie)).not.toContain('expiry')
  })
})

describe('the text of a cookie', () => {
  it('is what its attributes say, for whoever wants to send it himself', () => {
    const cookie = new SessionCookie({
      path: '/shop',
      domain: undefined,
      httpOnly: true,
      secure: true,
      sameSite: 'lax',
      maxAge: undefined,
      partitioned: false,
      priority: undefined,
    })
    expect(cookie.serialize('sid', 'value')).toBe('sid=value; Path=/shop; HttpOnly; Secure; SameSite=Lax')
    cookie.maxAge = false
    expect(cookie.expires).toBeNull()
  })
})
