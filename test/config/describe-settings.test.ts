import { describe, expect, it } from 'vitest'
import { describeSettings } from '../../src/config/describe-settings.js'
import { parseSettings } from '../../src/config/parse-settings.js'

const secret = 'a-secret-of-the-tests-0123456789'

describe('settings for printing', () => {
  it('are written as people write them', () => {
    const described = describeSettings(
      parseSettings({
        secret,
        route: 'app1',
        idleTimeout: 5_400_000,
        embed: '[::1]:1',
        ignore: '/x/i',
        cookie: { maxAge: '1d' },
        locking: { mode: 'uri', pattern: '^/cart' },
      }),
    )
    expect(described).toMatchObject({
      route: 'app1',
      nodes: 'memory://',
      embed: '[::1]:1, memory limit 64MB',
      idleTimeout: '90m',
      absoluteTimeout: 'none',
      ignore: '/x/i',
      'cookie.maxAge': '1d',
      'backup.maxPendingBytes': '64MB',
      'locking.mode': 'uri',
      'locking.pattern': '/^\\/cart/',
      'locking.expiry': '5s',
    })
  })

  it('say that a function decides on the cookie, and what applies when it fails', () => {
    const described = describeSettings(parseSettings({ secret, cookie: () => ({ path: '/app' }) }))
    expect(described).toMatchObject({ cookie: 'a function; if it fails:', 'cookie.path': '/' })
    expect(describeSettings(parseSettings({ secret }))).not.toHaveProperty('cookie')
  })

  it('hold neither secrets nor passwords', () => {
    const settings = parseSettings({ secret: [secret, `${secret}2`], nodes: 'n1:memcached://user:p4ssw0rd@h:1 n2:h:2' })
    const described = describeSettings(settings)
    expect(described.secret).toBe('[redacted] (2)')
    expect(described.nodes).toBe('n1:memcached://h:1 n2:memcached://h:2')
    expect(JSON.stringify(described)).not.toMatch(/p4ssw0rd|a-secret/)
  })
})
