import { describe, expect, it } from 'vitest'
import { describeSettings } from '../../src/config/describe-settings.js'
import { changeSettings, findProblems, type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { isAvailable } from '../../src/record/transforms/compression.js'

const secret = 'a-secret-of-the-tests-0123456789'

function compressionOf(compression: unknown) {
  return parseSettings({ secret, compression } as HoldfastOptions).compression
}

describe('compression', () => {
  it('is off by default; what may be inflated is limited all the same', () => {
    expect(compressionOf(undefined)).toEqual({
      algorithm: 'off',
      threshold: 1000,
      level: 0,
      maxInflatedBytes: 8_000_000,
    })
  })

  it.each([
    ['gzip', 6],
    ['deflate', 6],
    ['brotli', 4],
  ])('uses a level that suits the algorithm: %s', (algorithm, level) => {
    expect(compressionOf({ algorithm }).level).toBe(level)
    expect(compressionOf({ algorithm, level: '9' }).level).toBe(9)
  })

  it.each([
    [{ algorithm: 'lzma' }, 'compression.algorithm', '"off" or "gzip" or "deflate" or "brotli" or "zstd"'],
    [{ algorithm: 'gzip', level: 0 }, 'compression.level', '1 to 9, the levels of gzip'],
    [{ algorithm: 'brotli', level: 12 }, 'compression.level', '0 to 11, the levels of brotli'],
    [
      { algorithm: 'gzip', maxInflatedBytes: 5 },
      'compression.maxInflatedBytes',
      'a size from 64KiB to 1GiB, such as "64MB"',
    ],
    [{ treshold: 5 }, 'compression.treshold', 'no key of this name; did you mean "threshold"?'],
    ['gzip', 'compression', 'an object of compression options'],
  ])('refuses %j', (compression, path, expected) => {
    const problems = findProblems({ secret, compression })
    expect(problems.map((problem) => [problem.path, problem.expected])).toEqual([[path, expected]])
  })

  it('offers zstd exactly where Node has it, and says so where not', () => {
    const problems = findProblems({ secret, compression: { algorithm: 'zstd' } })
    if (isAvailable('zstd')) expect(problems).toEqual([])
    else {
      expect(problems.map((problem) => problem.path)).toEqual(['compression.algorithm'])
      expect(problems[0]?.expected).toBe(
        `one of off, gzip, deflate, brotli: zstd needs Node 22.15 or later, and this is ${process.version}`,
      )
    }
  })

  it('changes at run time key by key', () => {
    const current: HoldfastOptions = { secret, compression: { algorithm: 'gzip', threshold: '4KB' } }
    const { settings } = changeSettings(current, { compression: { level: 1 } })
    expect(settings.compression).toMatchObject({ algorithm: 'gzip', threshold: 4000, level: 1 })
    expect(changeSettings(current, { compression: undefined }).settings.compression.algorithm).toBe('off')
  })

  it('is printed as people write it', () => {
    expect(describeSettings(parseSettings({ secret, compression: { algorithm: 'brotli' } }))).toMatchObject({
      'compression.algorithm': 'brotli',
      'compression.threshold': '1KB',
      'compression.level': '4',
      'compression.maxInflatedBytes': '8MB',
    })
  })
})
