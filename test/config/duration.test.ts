import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { formatDuration, parseDuration } from '../../src/config/duration.js'

describe('durations', () => {
  it.each([
    ['100ms', 100],
    ['10s', 10_000],
    ['30m', 1_800_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['7d', 604_800_000],
    ['2w', 1_209_600_000],
    ['1.1s', 1100],
    [' 5 s ', 5000],
    ['250', 250],
    [250, 250],
    [0, 0],
    ['0', 0],
  ])('reads %j as %i milliseconds', (text, expected) => {
    expect(parseDuration(text)).toBe(expected)
  })

  it.each([
    '',
    's',
    '-1s',
    '10S',
    '10M',
    '10 minutes',
    '1h30m',
    '1e3',
    'Infinity',
    '0x10',
    '.5s',
    '5.s',
    '9999999999999w',
  ])('refuses the text %j', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, null, undefined, true, [], {}, 5n])(
    'refuses the value %s',
    (value) => {
      expect(parseDuration(value)).toBeUndefined()
    },
  )

  it('prints in the largest unit that leaves a whole number', () => {
    expect([0, 1, 1500, 60_000, 5_400_000, 172_800_000].map(formatDuration)).toEqual([
      '0ms',
      '1ms',
      '1500ms',
      '1m',
      '90m',
      '2d',
    ])
  })

  it('reads back what it prints', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (ms) => parseDuration(formatDuration(ms)) === ms))
  })

  it('gives whole milliseconds or nothing for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[\d.]{1,8} ?(ms|s|m|h|d|w)?$/)), (text) => {
        const result = parseDuration(text)
        expect(result === undefined || (Number.isSafeInteger(result) && result >= 0)).toBe(true)
      }),
    )
  })
})
