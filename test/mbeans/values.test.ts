import { describe, expect, it } from 'vitest'
import { jsonText } from '../../src/mbeans/json-text.js'
import { auditedNodeIds, auditedNodeList, checkNodeList, printNodeList } from '../../src/mbeans/node-list.js'
import { parseNodeList } from '../../src/node/address/node-address.js'

describe('a list of storage nodes as text', () => {
  const printed = (text: string) => printNodeList(parseNodeList(text, 'nodes').nodes)

  it.each([
    'memory://',
    'n1:memcached://h1:11211 n2:memcached://h2:11212',
    'n1:redis://h1:6379/2 n2:redis+sentinel://s1:26379,s2:26379/name',
    'embedded://127.0.0.1:11311',
  ])('reads as the same nodes: %s', (text) => {
    expect(printed(text)).toBe(text)
    expect(parseNodeList(checkNodeList(printed(text)), 'nodes')).toEqual(parseNodeList(text, 'nodes'))
  })

  it.each([
    ['n1:memcached://ann:word@h1:11211', 'n1:memcached://[redacted]@h1:11211'],
    ['redis://:word@h1:6379/1', 'redis://[redacted]@h1:6379/1'],
    ['n1:rediss://h1:6380?ca=/etc/ca.pem', 'n1:rediss://h1:6380?[redacted]'],
    ['n1:redis+sentinel://s1:26379/name?sentinelPassword=word', 'n1:redis+sentinel://s1:26379/name?[redacted]'],
  ])('marks what it leaves out, and is refused then: %s', (text, shown) => {
    expect(printed(text)).toBe(shown)
    expect(() => checkNodeList(shown)).toThrow('not shown')
  })

  it('is without credentials in the audit log', () => {
    expect(auditedNodeList('n1:memcached://ann:word@h1:1, n2:redis://:secret@h2:2')).not.toMatch(/word|secret/)
    expect(auditedNodeList('n1:h1:1 n2:redis://h2:2')).toBe('n1:memcached://h1:1 n2:redis://h2:2')
    for (const value of [5, null, ['redis://:word@h:1'], { url: 'word' }, 'word', 'redis//x:word@h']) {
      expect(auditedNodeList(value)).toMatch(/^\[no list of nodes/)
    }
    expect(auditedNodeIds('n1 word,n2', ['n1', 'n2'])).toBe('n1 [unknown] n2')
    expect(auditedNodeIds(['word'], ['n1'])).toBe('[no ids of nodes]')
  })
})

describe('a value as JSON for people', () => {
  it('has maps, sets and big integers in forms of their own', () => {
    expect(jsonText({ a: new Map([['x', 1n]]), b: new Set([1, 2]), c: new Date(0) })).toBe(
      '{"a":{"x":"1"},"b":[1,2],"c":"1970-01-01T00:00:00.000Z"}',
    )
    expect(jsonText(undefined)).toBe('null')
  })

  it('is refused when it has no form in JSON, or a very long one', () => {
    const circle: Record<string, unknown> = {}
    circle.self = circle
    expect(() => jsonText(circle)).toThrow('no form in JSON')
    expect(() => jsonText('x'.repeat(1_000_001))).toThrow('1000003 characters')
  })
})
