import { describe, expect, it } from 'vitest'
import { LockPolicy } from '../../src/lock/lock-policy.js'
import type { LockSettings } from '../../src/lock/lock-settings.js'

type Mode = LockSettings['mode']

function policyOf(mode: Mode, pattern?: RegExp, capacity?: number, except?: RegExp): LockPolicy {
  return new LockPolicy(() => ({ mode, pattern, except }), capacity)
}

function learnTimes(policy: LockPolicy, times: number, method: string, url: string, wrote = false): void {
  for (let i = 0; i < times; i++) policy.learn(method, url, wrote)
}

describe('the modes of locking', () => {
  it.each<[Mode, boolean]>([
    ['none', false],
    ['app', false],
    ['all', true],
    ['auto', true],
  ])('%s: a request that is not known yet locks: %s', (mode, locks) => {
    expect(policyOf(mode).needsLock('GET', '/')).toBe(locks)
    expect(policyOf(mode).needsLock('POST', '/')).toBe(locks)
    expect(policyOf(mode).needsLock(undefined, '/')).toBe(locks)
  })

  it.each([
    '/redeem',
    '/Redeem',
    '/REDEEM/',
    '/redeem/',
    '/redeem//',
    '/redeem?x',
    '/redeem/?x=/other',
    '/redeem?',
    '/redeem#x',
    '/redeem/#/x',
    'http://app.example.com/redeem',
    'HTTPS://app.example.com:8443/Redeem/?x',
    '\\\\redeem#',
    '/redeem\\#x',
  ])('uri: a spelling that an application may route alike locks, too: %s', (url) => {
    const spelling = url.replace(/^\\\\/, '\\')
    expect(policyOf('uri', /^\/redeem$/).needsLock('POST', spelling)).toBe(true)
    expect(policyOf('uri', /^\/redeem\/$/i).needsLock('POST', spelling)).toBe(true)
    expect(policyOf('uri', /^\/redeemed$/).needsLock('POST', spelling)).toBe(false)
  })

  it('uri: the URLs that match the pattern lock, by path and query', () => {
    const policy = policyOf('uri', /^\/cart|[?&]lock=1/)
    expect(policy.needsLock('GET', '/cart/items')).toBe(true)
    expect(policy.needsLock('GET', '/page?x=2&lock=1')).toBe(true)
    expect(policy.needsLock('POST', '/page')).toBe(false)
  })

  it.each<Mode>(['all', 'auto', 'uri'])('%s: paths that are left out do not lock, whatever the query', (mode) => {
    const policy = policyOf(mode, undefined, undefined, /^\/events$/)
    expect(policy.needsLock('GET', '/events')).toBe(false)
    expect(policy.needsLock('GET', '/events?since=7')).toBe(false)
    expect(policy.needsLock('POST', '/count?x=/events')).toBe(true)
    expect(policy.needsLock('POST', '/events/count')).toBe(true)
  })

  it('a change of the mode counts from the next request on', () => {
    let mode: Mode = 'none'
    const policy = new LockPolicy(() => ({ mode, pattern: undefined, except: undefined }))
    expect(policy.needsLock('GET', '/')).toBe(false)
    mode = 'all'
    expect(policy.needsLock('GET', '/')).toBe(true)
  })
})

describe('what auto learns', () => {
  it('a pattern reads only after three requests in a row that wrote nothing', () => {
    const policy = policyOf('auto')
    learnTimes(policy, 2, 'GET', '/items/1')
    expect(policy.needsLock('GET', '/items/2')).toBe(true)
    policy.learn('GET', '/items/3?sort=up', false)
    expect(policy.needsLock('GET', '/items/4')).toBe(false)
    expect(policy.needsLock('GET', '/items')).toBe(true)
    expect(policy.needsLock('HEAD', '/items/4')).toBe(true)
  })

  it('one request that wrote takes that back at once, and it has to be earned anew', () => {
    const policy = policyOf('auto')
    learnTimes(policy, 10, 'GET', '/items/1')
    policy.learn('GET', '/items/7', true)
    learnTimes(policy, 2, 'GET', '/items/1')
    expect(policy.needsLock('GET', '/items/1')).toBe(true)
    policy.learn('GET', '/items/1', false)
    expect(policy.needsLock('GET', '/items/1')).toBe(false)
  })

  it('a write in between breaks the row', () => {
    const policy = policyOf('auto')
    learnTimes(policy, 2, 'GET', '/news')
    policy.learn('GET', '/news', true)
    policy.learn('GET', '/news', false)
    expect(policy.needsLock('GET', '/news')).toBe(true)
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND'])('%s always locks, whatever it did', (method) => {
    const policy = policyOf('auto')
    learnTimes(policy, 10, method, '/items')
    expect(policy.needsLock(method, '/items')).toBe(true)
  })

  it('is bounded: the patterns that were used longest ago are forgotten, and lock again', () => {
    const policy = policyOf('auto', undefined, 10)
    learnTimes(policy, 3, 'GET', '/kept')
    learnTimes(policy, 3, 'GET', '/forgotten')
    for (let i = 0; i < 9; i++) {
      policy.learn('GET', `/other/${'x'.repeat(i)}`, false)
      policy.learn('GET', '/kept', false)
    }
    expect(policy.needsLock('GET', '/kept')).toBe(false)
    expect(policy.needsLock('GET', '/forgotten')).toBe(true)
  })

  it('stays while another mode is set', () => {
    let mode: Mode = 'auto'
    const policy = new LockPolicy(() => ({ mode, pattern: undefined, except: undefined }))
    learnTimes(policy, 3, 'GET', '/items')
    mode = 'all'
    policy.learn('GET', '/items', true)
    expect(policy.needsLock('GET', '/items')).toBe(true)
    mode = 'auto'
    expect(policy.needsLock('GET', '/items')).toBe(false)
  })

  it('a path that is too long to be learnt locks', () => {
    const policy = policyOf('auto')
    const url = `/${'a'.repeat(1000)}`
    learnTimes(policy, 5, 'GET', url)
    expect(policy.needsLock('GET', url)).toBe(true)
  })
})
