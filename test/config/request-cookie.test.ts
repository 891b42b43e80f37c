import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { changeSettings, type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { ConfigError } from '../../src/errors.js'

const secret = 'a-secret-of-the-tests-0123456789'
const request = { url: '/x' } as IncomingMessage

function answer(cookie: unknown): unknown {
  const { cookieFor } = parseSettings({ secret, cookie: (() => cookie) as never })
  return cookieFor?.(request)
}

function problems(cookie: unknown): readonly { path: string; expected: string }[] {
  try {
    answer(cookie)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
  }
  throw new Error('no ConfigError was thrown')
}

describe('a function that gives cookie options', () => {
  it('gets the request, and its answer is completed as the options are', () => {
    const { cookieFor, cookie } = parseSettings({ secret, cookie: (req) => ({ path: req.url, maxAge: '1h' }) })
    expect(cookieFor?.(request)).toEqual({ ...cookie, path: '/x', maxAge: 3_600_000 })
    expect(answer({})).toEqual(cookie)
  })

  it('leaves the defaults in the settings, for when it fails', () => {
    expect(parseSettings({ secret, cookie: () => ({ path: '/app' }) }).cookie).toEqual(parseSettings({ secret }).cookie)
    expect(parseSettings({ secret, cookie: { path: '/app' } }).cookieFor).toBeUndefined()
  })

  it.each([undefined, null, 7, 'lax', [], Promise.resolve({}), () => ({})])('must give an object, not %s', (cookie) => {
    expect(problems(cookie)).toEqual([
      expect.objectContaining({ path: 'cookie', expected: expect.stringMatching(/^an object/) }),
    ])
  })

  it('is told of every problem of its answer', () => {
    expect(problems({ secure: 7, maxage: 1, path: 'x' }).map(({ path }) => path)).toEqual([
      'cookie.path',
      'cookie.secure',
      'cookie.maxage',
    ])
  })

  it('has its own errors passed on', () => {
    const { cookieFor } = parseSettings({
      secret,
      cookie: () => {
        throw new RangeError('no tenant')
      },
    })
    expect(() => cookieFor?.(request)).toThrow(RangeError)
  })

  it('does not hide the other problems of a configuration', () => {
    expect(() => parseSettings({ secret: 'short', idleTimeout: 'x', cookie: () => ({}) })).toThrow(
      /secret[\s\S]*idleTimeout/,
    )
  })

  it('replaces options, and is replaced by them, while running', () => {
    const options: HoldfastOptions = { secret, cookie: { path: '/app' } }
    const changed = changeSettings(options, { cookie: () => ({ path: '/other' }) })
    expect(changed.settings.cookieFor?.(request)).toMatchObject({ path: '/other' })
    expect(changed.settings.cookie.path).toBe('/')
    const back = changeSettings(changed.options, { cookie: { httpOnly: false } })
    expect(back.settings.cookieFor).toBeUndefined()
    expect(back.settings.cookie).toMatchObject({ path: '/', httpOnly: false })
  })
})
