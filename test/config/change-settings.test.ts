import { describe, expect, it } from 'vitest'
import { changeSettings, type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { ConfigError } from '../../src/errors.js'

const current: HoldfastOptions = {
  secret: 'a-secret-of-the-tests-0123456789',
  route: 'app1',
  nodes: 'n1:h:1 n2:h:2',
  keyPrefix: 'shop:',
  cookie: { sameSite: 'strict', maxAge: '1h' },
  backup: { mode: 'sync' },
}

function problemsOf(change: object) {
  try {
    changeSettings(current, change)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

describe('a change of the configuration', () => {
  it('replaces the keys that it names and keeps the others', () => {
    const { settings } = changeSettings(current, { idleTimeout: '1h', nodes: 'n3:h:3' })
    expect(settings).toMatchObject({ idleTimeout: 3_600_000, route: 'app1' })
    expect(settings.nodes.map((node) => node.id)).toEqual(['n3'])
  })

  it('changes cookie and backup key by key', () => {
    const { settings } = changeSettings(current, { cookie: { maxAge: null }, backup: { timeout: '2s' } })
    expect(settings.cookie).toMatchObject({ sameSite: 'strict', maxAge: undefined })
    expect(settings.backup).toMatchObject({ mode: 'sync', timeout: 2000 })
  })

  it('changes locking key by key, from one mode to another', () => {
    const locked = changeSettings(current, { locking: { mode: 'uri', pattern: '^/cart', timeout: '2s' } })
    const { settings } = changeSettings(locked.options, { locking: { mode: 'auto' } })
    expect(settings.locking).toMatchObject({ mode: 'auto', pattern: /^\/cart/, timeout: 2000 })
    expect(problemsOf({ locking: { mode: 'uri' } }).map(({ path }) => path)).toEqual(['locking.pattern'])
  })

  it('goes back to the default with undefined', () => {
    expect(changeSettings(current, { backup: undefined }).settings.backup.mode).toBe('async')
    expect(changeSettings(current, { cookie: { sameSite: undefined } }).settings.cookie).toMatchObject({
      sameSite: 'lax',
      maxAge: 3_600_000,
    })
  })

  it('gives the options that the next change builds on, and leaves the old ones alone', () => {
    const before = structuredClone(current)
    const first = changeSettings(current, { backup: { timeout: '2s' } })
    const second = changeSettings(first.options, { rolling: true })
    expect(second.settings).toMatchObject({ rolling: true, backup: { mode: 'sync', timeout: 2000 } })
    expect(current).toEqual(before)
  })

  it.each<[object]>([
    [{ route: 'app2' }],
    [{ embed: '127.0.0.1:11300' }],
    [{ name: 'other' }],
    [{ keyPrefix: 'other:' }],
    [{ genid: () => 'x' }],
    [{ codec: { id: 'own', encode: () => undefined, decode: () => null } }],
    [{ route: 'not valid' }],
    [{ route: undefined }],
  ])('is refused for %j, which is fixed while running', (change) => {
    expect(problemsOf(change)).toMatchObject([
      { path: Object.keys(change)[0], expected: expect.stringContaining("can't be changed while running") },
    ])
  })

  it('may repeat fixed keys with the value that they have', () => {
    const same = {
      mode: 'sticky',
      route: 'app1',
      name: 'sid',
      keyPrefix: 'shop:',
      codec: 'json',
      embed: undefined,
    } as const
    expect(changeSettings(current, same).settings).toEqual(parseSettings(current))
  })

  it('is checked as a whole: wrong values, unknown keys, impossible combinations, all at once', () => {
    const problems = problemsOf({ route: 'app2', trustFor: 'x', colour: 1, failoverNodes: 'n9', cookie: { secure: 7 } })
    expect(problems.map((problem) => problem.path).sort()).toEqual([
      'colour',
      'cookie.secure',
      'failoverNodes',
      'route',
      'trustFor',
    ])
  })

  it.each([null, 'text', 5, []])('must be an object, not %j', (change) => {
    expect(problemsOf(change as unknown as object)).toMatchObject([
      { path: 'options', expected: 'an object of options' },
    ])
  })

  it('refuses __proto__ like any unknown key', () => {
    const paths = problemsOf(JSON.parse('{"__proto__": {"rolling": true}, "backup": {"__proto__": {"a": 1}}}')).map(
      (p) => p.path,
    )
    expect(paths).toEqual(['backup.__proto__', '__proto__'])
  })
})
