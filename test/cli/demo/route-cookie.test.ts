import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { routeOf } from '../../../src/cli/demo/route-cookie.js'

describe('the route in a cookie header', () => {
  it('is what follows the last dot of the session id', () => {
    expect(routeOf('sid=abc-n1.a', 'sid')).toBe('a')
    expect(routeOf('theme=dark; sid=abc-n1.app_2; other=x.y', 'sid')).toBe('app_2')
    expect(routeOf('sid=a.b.c', 'sid')).toBe('c')
  })

  it.each([
    ['no header', undefined],
    ['an empty header', ''],
    ['no such cookie', 'other=x.a'],
    ['a longer name', 'xsid=x.a'],
    ['no dot', 'sid=a'],
    ['nothing after the dot', 'sid=x.'],
    ['characters that no route has', 'sid=x.a%0d%0a'],
    ['a path', 'sid=x.../../etc'],
    ['no equals sign', 'sid'],
    ['a very long route', `sid=x.${'a'.repeat(65)}`],
  ])('is absent for %s', (_, header) => {
    expect(routeOf(header, 'sid')).toBeUndefined()
  })

  it('is that of the first cookie of the name', () => {
    expect(routeOf('sid=x.a; sid=y.b', 'sid')).toBe('a')
  })

  it('is either absent or a plain name, whatever the client sends', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (before, value) => {
        const route = routeOf(`${before}; sid=${value}`, 'sid')
        expect(route === undefined || /^\w+$/.test(route)).toBe(true)
      }),
    )
  })
})
