import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Counters, newCounters } from '../../src/memcached-server/counters.js'
import { ITEM_OVERHEAD_BYTES, type Item, ItemStore, type Refusal } from '../../src/memcached-server/item-store.js'
import { ManualClock } from './manual-clock.js'

const DAY_SECONDS = 24 * 60 * 60

function setUp({ memoryLimit = 1_000_000, maxItemSize = 100_000 } = {}) {
  const clock = new ManualClock()
  const counters: Counters = newCounters()
  const store = new ItemStore({ memoryLimit, maxItemSize, clock, counters })
  const set = (key: string, value = 'v', expiration = 0, cas = 0n): Item | Refusal =>
    store.write('set', key, Buffer.from(value), { flags: 0, expiration, cas })
  const keys = (names: string): string => [...names].filter((name) => store.get(name) !== undefined).join('')
  return { clock, counters, store, set, keys }
}

describe('item store', () => {
  it('evicts the least recently used items when the memory limit is reached', () => {
    const { store, set, keys, counters } = setUp({ memoryLimit: 4 * (ITEM_OVERHEAD_BYTES + 2) })
    for (const key of 'abcd') set(key)
    store.get('a')
    store.touch('b', 0)
    set('e')
    set('f')
    expect(keys('abcdef')).toBe('abef')
    expect(counters).toMatchObject({ evictions: 2, evicted_unfetched: 2 })
  })

  it('makes room for a large item by dropping several small ones, never itself', () => {
    const { store, set, keys } = setUp({ memoryLimit: 2000 })
    for (const key of 'abcd') set(key)
    set('x', 'x'.repeat(2000 - ITEM_OVERHEAD_BYTES - 1))
    expect(keys('abcdx')).toBe('x')
    expect(store.bytes).toBe(2000)
  })

  it('never takes more than its limit, and counts back to nothing', () => {
    const { store, clock } = setUp({ memoryLimit: 5000 })
    const operation = fc.record({
      key: fc.constantFrom(...'abcdefghijklmnop'),
      kind: fc.constantFrom('set', 'get', 'touch', 'remove', 'extend', 'wait', 'sweep'),
      size: fc.nat(1500),
      expiration: fc.constantFrom(0, 1, 5, DAY_SECONDS),
    })
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        for (const { key, kind, size, expiration } of operations) {
          const value = Buffer.alloc(size)
          if (kind === 'set') store.write('set', key, value, { flags: 0, expiration, cas: 0n })
          else if (kind === 'get') store.get(key)
          else if (kind === 'touch') store.touch(key, expiration)
          else if (kind === 'remove') store.remove(key, 0n)
          else if (kind === 'extend') store.extend(key, value, 'back', 0n)
          else if (kind === 'wait') clock.advance(size)
          else store.sweep(3)
          expect(store.bytes).toBeLessThanOrEqual(5000)
          expect(store.bytes >= store.size * ITEM_OVERHEAD_BYTES).toBe(true)
        }
        for (const key of 'abcdefghijklmnop') store.remove(key, 0n)
        expect([store.size, store.bytes]).toEqual([0, 0])
      }),
    )
  })

  it('reads an expiration up to 30 days from now and above as Unix time', () => {
    const { clock, set, keys } = setUp()
    set('a', 'v', 1)
    set('b', 'v', 30 * DAY_SECONDS)
    set('c', 'v', 30 * DAY_SECONDS + 1)
    set('d', 'v', clock.now() / 1000 + 40 * DAY_SECONDS)
    set('e', 'v', 0xffffffff)
    set('f', 'v', clock.now() / 1000)
    set('g', 'v', 0)
    expect(keys('abcdefg')).toBe('abdeg')
    clock.advance(999)
    expect(keys('abcdefg')).toBe('abdeg')
    clock.advance(1)
    expect(keys('abcdefg')).toBe('bdeg')
    clock.advance(30 * DAY_SECONDS * 1000)
    expect(keys('abcdefg')).toBe('deg')
    clock.advance(10 * DAY_SECONDS * 1000)
    expect(keys('abcdefg')).toBe('eg')
  })

  it('treats an expired item as absent for every operation', () => {
    const { clock, store, set } = setUp()
    const expired = (key: string): string => {
      set(key, '1', 1)
      clock.advance(1000)
      return key
    }
    const options = { flags: 0, expiration: 0, cas: 0n }
    expect(store.touch(expired('a'), 10)).toBeUndefined()
    expect(store.remove(expired('b'), 0n)).toBe('absent')
    expect(store.extend(expired('c'), Buffer.from('x'), 'back', 0n)).toBe('absent')
    expect(store.count(expired('d'), 1n, 0n)).toBe('absent')
    expect(store.write('replace', expired('e'), Buffer.from('x'), options)).toBe('absent')
    expect(store.write('set', expired('f'), Buffer.from('x'), { ...options, cas: 1n })).toBe('absent')
    expect(store.write('add', expired('g'), Buffer.from('x'), options)).toMatchObject({ key: 'g' })
  })

  it('moves the expiry with a touch and leaves token and value alone', () => {
    const { clock, store, set } = setUp()
    const written = set('a', 'value', 10) as Item
    store.touch('a', 100)
    clock.advance(50_000)
    expect(store.get('a')).toMatchObject({ cas: written.cas, value: Buffer.from('value') })
    store.touch('a', 0)
    clock.advance(1000 * DAY_SECONDS * 1000)
    expect(store.get('a')).toBeDefined()
  })

  it('sweeps expired items in bounded steps that go round', () => {
    const { clock, counters, store, set } = setUp()
    for (let i = 0; i < 100; i++) set(`key${i}`, 'v', i % 2 === 0 ? 1 : 0)
    clock.advance(1000)
    store.sweep(20)
    expect(store.size).toBeGreaterThanOrEqual(80)
    for (let i = 0; i < 10; i++) store.sweep(20)
    expect(store.size).toBe(50)
    expect(counters).toMatchObject({ reclaimed: 50, expired_unfetched: 50, evictions: 0 })
  })

  it('does not let expired items pile up while others are written', () => {
    const { clock, store, set } = setUp({ memoryLimit: 10_000_000 })
    for (let i = 0; i < 5000; i++) {
      set(`key${i}`, 'v', 1)
      clock.advance(10)
    }
    expect(store.size).toBeLessThan(400)
  })

  it('gives every write a new token and checks a given one', () => {
    const { store, set } = setUp()
    const first = set('a') as Item
    const second = set('a', 'w', 0, first.cas) as Item
    expect(second.cas).toBeGreaterThan(first.cas)
    expect(set('a', 'x', 0, first.cas)).toBe('exists')
    expect(set('b', 'x', 0, first.cas)).toBe('absent')
    expect(store.remove('a', first.cas)).toBe('exists')
    expect(store.remove('a', second.cas)).toBe('removed')
    expect(store.remove('a', second.cas)).toBe('absent')
  })

  it('refuses what is too large or can never fit, and removes the outdated value on a set only', () => {
    const { store, set, keys } = setUp({ memoryLimit: 1000, maxItemSize: 800 })
    const large = Buffer.alloc(750)
    const options = { flags: 0, expiration: 0, cas: 0n }
    for (const mode of ['add', 'replace'] as const) {
      set('a')
      expect(store.write(mode, 'a', large, options)).toBe('tooLarge')
      expect(keys('a')).toBe('a')
    }
    expect(store.write('set', 'a', large, options)).toBe('tooLarge')
    expect(keys('a')).toBe('')
    set('b')
    expect(store.write('set', 'b', Buffer.alloc(700), options)).toBe('noMemory')
    expect(keys('b')).toBe('')
  })

  it('keeps a copy: the memory that the value came in may be used again', () => {
    const { store } = setUp()
    const incoming = Buffer.from('value')
    store.write('set', 'a', incoming, { flags: 0, expiration: 0, cas: 0n })
    incoming.fill(0)
    const stored = store.get('a')?.value
    expect(stored?.toString()).toBe('value')
    expect(stored?.buffer.byteLength).toBe(5)
  })

  it('flushes at once, or everything older at the moment that was ordered', () => {
    const { clock, store, set, keys } = setUp()
    set('a')
    store.flush()
    expect([store.size, store.bytes]).toEqual([0, 0])
    set('b')
    store.flush(10)
    clock.advance(9_999)
    expect(keys('b')).toBe('b')
    clock.advance(1)
    expect(store.size).toBe(0)
    set('c')
    clock.advance(60_000)
    expect(keys('bc')).toBe('c')
  })
})
