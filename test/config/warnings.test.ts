import { describe, expect, it } from 'vitest'
import { type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { configurationWarnings } from '../../src/config/warnings.js'

function warnings(options: Partial<HoldfastOptions>): string[] {
  const whole = { secret: 'a-secret-of-the-tests-0123456789', ...options }
  return configurationWarnings(whole, parseSettings(whole))
}

describe('warnings', () => {
  it('say nothing about a sound configuration', () => {
    expect(warnings({ route: 'a', nodes: 'n1:h:1 n2:h:2', embed: '127.0.0.1:1' })).toEqual([])
    expect(warnings({ mode: 'non-sticky', nodes: 'n1:h:1 n2:h:2' })).toEqual([])
  })

  it.each<[Partial<HoldfastOptions>, RegExp]>([
    [{ nodes: 'n1:h:1' }, /^route is not set/],
    [{}, /memory:\/\/ only/],
    [{ route: 'a', nodes: 'n1:h:1 n2:h:1' }, /memcached:\/\/h:1 stands there more than once/],
    [{ route: 'a', nodes: 'n1:h:1', embed: '0.0.0.0:1' }, /private network/],
    [{ route: 'a', nodes: 'n1:h:1', store: {} }, /store is ignored/],
  ])('%j', (options, expected) => {
    expect(warnings(options)).toEqual([expect.stringMatching(expected)])
  })
})
