import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { requestPattern } from '../../src/lock/request-pattern.js'

describe('the pattern of a request', () => {
  it.each([
    ['/', 'GET /'],
    ['/users', 'GET /users'],
    ['/users/17/orders', 'GET /users/:/orders'],
    ['/users/17/orders?page=2&of=9', 'GET /users/:/orders'],
    ['/cart#total', 'GET /cart'],
    ['/files/3f2504e0-4f89-11d3-9a0c-0305e82c3301', 'GET /files/:'],
    ['/commits/9fceb02', 'GET /commits/:'],
    ['/objects/507f1f77bcf86cd799439011', 'GET /objects/:'],
    ['/t/dGhpcyBpcyBhIHRva2Vu1', 'GET /t/:'],
    ['/t/YWJj==', 'GET /t/:'],
    ['/orders/order-12345', 'GET /orders/:'],
    ['/reports/2026-11-22', 'GET /reports/:'],
    ['/mail/anna%40example.com', 'GET /mail/:'],
    ['/mail/anna@example.com', 'GET /mail/:'],
    [`/articles/${'how-to-keep-a-session-'.repeat(3)}`, 'GET /articles/:'],
  ])('of %s is %s', (url, pattern) => {
    expect(requestPattern('GET', url)).toBe(pattern)
  })

  it.each([
    '/v2/users',
    '/oauth2/callback',
    '/faces',
    '/added/decade',
    '/index.html',
    '/http404',
    '/sign-in',
    '/a_b~c',
  ])('leaves words of routes alone: %s', (url) => {
    expect(requestPattern('GET', url)).toBe(`GET ${url}`)
  })

  it('knows methods apart', () => {
    expect(requestPattern('HEAD', '/a')).not.toBe(requestPattern('GET', '/a'))
  })

  it('is not made of paths that are too long or too deep', () => {
    expect(requestPattern('GET', `/${'a'.repeat(600)}`)).toBeUndefined()
    expect(requestPattern('GET', '/a'.repeat(30))).toBeUndefined()
    expect(requestPattern('GET', `/a?${'q'.repeat(10_000)}`)).toBe('GET /a')
  })

  it('is the same for every number and every UUID, whatever the query', () => {
    const identifier = fc.oneof(
      fc.nat().map(String),
      fc.uuid(),
      fc.stringMatching(/^[0-9a-f]{24}$/).filter((hex) => /\d/.test(hex)),
    )
    fc.assert(
      fc.property(identifier, fc.string(), (id, query) => {
        expect(requestPattern('GET', `/users/${id}/orders?${query}`)).toBe('GET /users/:/orders')
      }),
    )
  })

  it('is bounded, whatever the URL', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ maxLength: 2000 }), fc.webUrl()), (url) => {
        expect((requestPattern('GET', url) ?? '').length).toBeLessThan(600)
      }),
    )
  })
})
