import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatSize, parseSize } from '../../src/config/size.js'

describe('sizes', () => {
  it.each([
    ['64MB', 64_000_000],
    ['512KB', 512_000],
    ['1MiB', 1_048_576],
    ['2KiB', 2048],
    ['1GB', 1_000_000_000],
    ['1GiB', 1_073_741_824],
    ['1.5 mb', 1_500_000],
    ['10B', 10],
    ['10', 10],
    [10, 10],
  ])('reads %j as %i bytes', (text, expected) => {
    expect(parseSize(text)).toBe(expected)
  })

  it.each(['', 'MB', '-1MB', '1M', '1TB', '1e6', 'lots', -1, 1.5, Number.NaN, null, undefined, {}, []])(
    'refuses %j',
    (value) => {
      expect(parseSize(value)).toBeUndefined()
    },
  )

  it('reads back what it prints', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(formatSize(bytes)) === bytes))
    fc.assert(
      fc.property(
        fc.nat(4096),
        fc.constantFrom(1e3, 1024, 1e6, 1024 ** 2),
        (n, unit) => parseSize(formatSize(n * unit)) === n * unit,
      ),
    )
  })

  it('prints in the largest unit that leaves a whole number', () => {
    expect([0, 10, 64e6, 1024, 1_048_576].map(formatSize)).toEqual(['0B', '10B', '64MB', '1KiB', '1MiB'])
  })
})
