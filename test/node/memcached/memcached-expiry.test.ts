import { describe, expect, it } from 'vitest'
import { memcachedExpiry } from '../../../src/node/memcached/memcached-expiry.js'

const now = 1_700_000_000_000
const days = 24 * 60 * 60

describe('the expiry that memcached is sent', () => {
  it.each([
    ['never', 0, 0],
    ['one second for a deadline in the past', now - 60_000, 1],
    ['one second for a negative deadline', -1, 1],
    ['one second for a deadline that is no number', Number.NaN, 1],
    ['one second for less than one', now + 1, 1],
    ['seconds, rounded up', now + 1001, 2],
    ['seconds up to 30 days', now + 30 * days * 1000, 30 * days],
    ['a date above 30 days', now + 30 * days * 1000 + 1, now / 1000 + 30 * days + 1],
    ['the last date that fits for what lies beyond', Number.MAX_SAFE_INTEGER, 0xffff_ffff],
    ['the last date that fits for no end', Number.POSITIVE_INFINITY, 0xffff_ffff],
  ])('is %s', (_, deadline, expected) => {
    expect(memcachedExpiry(deadline, now)).toBe(expected)
  })
})
