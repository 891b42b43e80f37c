import { describe, expect, it } from 'vitest'
import { formatBytes, formatDuration, formatName, formatRate, formatValue } from '../../src/dashboard/browser/format.js'
import { Permissions } from '../../src/dashboard/browser/permissions.js'
import { controlFor, fromText, settingName, toText, withUnit } from '../../src/dashboard/browser/setting-value.js'

const list = '[Ljava.lang.String;'

describe('figures as text', () => {
  it.each([
    [undefined, '–'],
    [0, '0 ms'],
    [0.4213, '0.42 ms'],
    [12.4, '12 ms'],
    [3400, '3.4 s'],
    [300_000, '5 min'],
    [7_500_000, '2 h 5 min'],
    [7_200_000, '2 h'],
    [273_600_000, '3 d 4 h'],
  ])('%s milliseconds are %j', (ms, text) => {
    expect(formatDuration(ms)).toBe(text)
  })

  it('have one digit after the point where that tells something', () => {
    expect([null, 0, 0.25, 12.34, 1234.5].map(formatRate)).toEqual(['–', '0', '0.3', '12.3', '1,235'])
    expect([undefined, 12, 1500, 64_000_000].map(formatBytes)).toEqual(['–', '12 B', '1.5 kB', '64.0 MB'])
  })

  it('are told plainly whatever they are', () => {
    const values = [null, '', [], ['a', 'b'], true, 3, 'text', { a: 1 }]
    expect(values.map(formatValue)).toEqual(['none', 'none', 'none', 'a, b', 'yes', '3', 'text', '{"a":1}'])
    expect(formatValue('2026-01-02T03:04:05.678Z')).toMatch(/^2026-01-0\d \d\d:\d\d:05$/)
    expect(formatName('UnderReplicatedSessions')).toBe('Under replicated sessions')
  })
})

describe('a setting', () => {
  it('has a field that fits its type', () => {
    expect(['int', 'double', 'boolean', list, 'java.lang.String'].map(controlFor)).toEqual([
      'number',
      'number',
      'choice',
      'lines',
      'text',
    ])
  })

  it.each([
    ['long', 1500],
    ['double', 0.25],
    ['boolean', false],
    ['java.lang.String', '/static/'],
    ['java.lang.String', ''],
    [list, ['n1', 'n2']],
    [list, []],
  ])('of the type %s comes back from the field as it went in: %j', (type, value) => {
    expect(fromText(toText(value), type)).toEqual(value)
  })

  it('that is no number goes to the server as it is, and an empty field as no value', () => {
    expect(fromText(' soon ', 'long')).toBe('soon')
    expect(fromText('', 'long')).toBeNull()
    expect(fromText(toText(null), 'int')).toBeNull()
  })

  it('is shown with its unit and called by its part', () => {
    expect(withUnit(1_800_000, 'Milliseconds without use')).toBe('1800000 ms (30 min)')
    expect(withUnit(500, 'Milliseconds at most')).toBe('500 ms')
    expect(withUnit(64_000_000, 'Bytes of sessions')).toBe('64000000 B (64.0 MB)')
    expect(withUnit('sticky', 'Milliseconds')).toBe('sticky')
    expect(settingName('holdfast:type=SessionManager', 'IdleTimeout')).toBe('Idle timeout')
    expect(settingName('holdfast:type=Locking', 'Mode')).toBe('Locking mode')
  })
})

describe('what may be done', () => {
  const bean = (rw: boolean, canInvoke: boolean) => ({
    holdfast: {
      'type=SessionManager': {
        attr: { Mode: { type: 'java.lang.String', desc: 'The mode', rw, r: true, w: rw } },
        op: { flush: { desc: 'Stores', canInvoke }, findSession: { desc: 'Finds', canInvoke: true } },
      },
    },
  })
  const mbean = 'holdfast:type=SessionManager'

  it('is what the server lists', () => {
    const permissions = new Permissions(bean(true, true))
    const setting = { mbean, name: 'Mode', type: 'java.lang.String', description: 'The mode' }
    expect(permissions.settings()).toEqual([setting])
    expect(permissions.canInvoke(mbean, 'flush')).toBe(true)
    expect(permissions.canInvoke(mbean, 'unheard')).toBe(false)
    expect(permissions.canChange).toBe(true)
    expect([permissions.knows(mbean), permissions.knows('holdfast:type=Other')]).toEqual([true, false])
  })

  it('is nothing where the server says so, or has said nothing', () => {
    const permissions = new Permissions(bean(false, false))
    expect(permissions.settings()).toEqual([])
    expect(permissions.canInvoke(mbean, 'findSession')).toBe(true)
    expect(permissions.canChange).toBe(false)
    expect(new Permissions().canChange).toBe(false)
    expect(new Permissions(bean(false, true)).canChange).toBe(true)
  })
})
