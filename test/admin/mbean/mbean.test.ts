import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { globMatches } from '../../../src/admin/mbean/glob.js'
import { attribute, defineMBean, operation } from '../../../src/admin/mbean/mbean.js'
import { MBeanRegistry } from '../../../src/admin/mbean/mbean-registry.js'
import { nameMatches, parseObjectName } from '../../../src/admin/mbean/object-name.js'
import {
  boolean,
  choice,
  double,
  int,
  list,
  long,
  map,
  nothing,
  optional,
  string,
  stringList,
  type ValueType,
} from '../../../src/admin/mbean/value-type.js'
import { AdminRequestError } from '../../../src/errors.js'
import { createManualClock } from '../../../src/testing/manual-clock.js'
import { nodeBean } from '../sample.js'

describe('a name', () => {
  it('is the same whatever the order of its properties', () => {
    const names = ['a:x=1,y=2', 'a:y=2,x=1'].map(parseObjectName)
    expect(names.map(({ canonical }) => canonical)).toEqual(['a:x=1,y=2', 'a:x=1,y=2'])
    expect(names[1]).toMatchObject({ text: 'a:y=2,x=1', domain: 'a', propertyList: 'y=2,x=1', isPattern: false })
  })

  it.each(['', 'a', 'a:', 'a:b', 'a:=c', 'a:b=c,', 'a:b=c,b=d', 'a:b="c', 'a:b=c:d', 'a:b=c\n', 'a:*,*', 'a:b=c=d'])(
    'is not %j',
    (text) => {
      expect(() => parseObjectName(text)).toThrow(AdminRequestError)
    },
  )

  it('may have quoted values', () => {
    expect(parseObjectName('a:b="c,d=*",e=f').properties).toEqual(
      new Map([
        ['b', '"c,d=*"'],
        ['e', 'f'],
      ]),
    )
    expect(parseObjectName('a:b="c*"').isPattern).toBe(false)
  })

  it.each([
    ['*:*', true],
    ['hold*:*', true],
    ['holdfast:type=StorageNode,*', true],
    ['holdfast:id=n?,type=*', true],
    ['holdfast:type=StorageNode', false],
    ['holdfast:type=*', false],
    ['holdfast:type=StorageNode,id=n1,x=*', false],
    ['other:*', false],
    ['holdfast:id=n1,type=StorageNode', true],
  ])('%s matches holdfast:type=StorageNode,id=n1: %s', (pattern, matches) => {
    expect(nameMatches(parseObjectName(pattern), parseObjectName('holdfast:type=StorageNode,id=n1'))).toBe(matches)
  })

  it('is parsed or refused, whatever the text', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', ':', '=', ',', '"', '*', '\\') })),
        (text) => {
          try {
            expect(nameMatches(parseObjectName(text), parseObjectName(text))).toBe(true)
          } catch (error) {
            if (!(error instanceof AdminRequestError)) throw error
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('a glob', () => {
  it('matches as the same regular expression does', () => {
    const unit = fc.constantFrom('a', 'b', '*', '?')
    fc.assert(
      fc.property(
        fc.string({ unit, maxLength: 8 }),
        fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 10 }),
        (pattern, text) => {
          const expected = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(text)
          expect(globMatches(pattern, text)).toBe(expected)
        },
      ),
      { numRuns: 3000 },
    )
  })

  it('takes no time for patterns that make regular expressions go back and forth', () => {
    expect(globMatches('*a'.repeat(200), `${'a'.repeat(199)}b`)).toBe(false)
  })
})

describe('types', () => {
  const good: [ValueType<unknown>, unknown, unknown][] = [
    [int(), '12', 12],
    [int({ min: 0 }), 0, 0],
    [long(), 2 ** 40, 2 ** 40],
    [double(), '1.5e3', 1500],
    [boolean(), 'true', true],
    [boolean(), false, false],
    [string(), 'x', 'x'],
    [string(), 7, '7'],
    [choice('a', 'b'), 'b', 'b'],
    [stringList(), 'a,b', ['a', 'b']],
    [stringList(), ['a,b'], ['a,b']],
    [optional(int()), null, null],
    [optional(int()), '1', 1],
  ]
  it.each(good)('%o make of %j what they are', (type, value, expected) => {
    expect(type.convert(value)).toEqual(expected)
  })

  const bad: [ValueType<unknown>, unknown, string][] = [
    [int(), 1.5, 'bad-request'],
    [int(), '', 'bad-request'],
    [int(), null, 'bad-request'],
    [int(), 2 ** 31, 'illegal-argument'],
    [int({ max: 5 }), 6, 'illegal-argument'],
    [long(), Number.NaN, 'bad-request'],
    [double(), '0x10', 'bad-request'],
    [double({ min: 0 }), -1, 'illegal-argument'],
    [boolean(), 'yes', 'bad-request'],
    [string(), {}, 'bad-request'],
    [string({ maxLength: 2 }), 'xxx', 'illegal-argument'],
    [string({ form: /^a$/, expected: 'an a' }), 'b', 'illegal-argument'],
    [choice('a'), 'b', 'illegal-argument'],
    [choice('a'), 1, 'bad-request'],
    [stringList(1), ['a', 'b'], 'illegal-argument'],
    [stringList(), [1], 'bad-request'],
    [map(), {}, 'bad-request'],
    [list(), [], 'bad-request'],
  ]
  it.each(bad)('%o refuse %j as %s', (type, value, reason) => {
    expect(() => type.convert(value)).toThrow(expect.objectContaining({ reason }))
  })
})

describe('a declaration', () => {
  const base = { name: 'a:type=B', description: 'B' }

  it('gives a name to the class by the type', () => {
    expect(defineMBean(base).className).toBe('holdfast.B')
    expect(defineMBean({ ...base, className: 'x.Y' }).className).toBe('x.Y')
  })

  it.each(['B', 'a:type="B"', 'a:type=B,*', 'a:type=B/C', 'a:type=ü'])('is refused with the name %s', (name) => {
    expect(() => defineMBean({ ...base, name })).toThrow(TypeError)
  })

  it('is refused with odd names of members, useless attributes and readable secrets', () => {
    const read = () => 1
    const fine = attribute({ type: int(), description: 'x', read })
    expect(() => defineMBean({ ...base, attributes: { 'a b': fine } })).toThrow(TypeError)
    expect(() => attribute({ type: int(), description: 'x' })).toThrow(TypeError)
    expect(() => attribute({ type: int(), description: 'x', secret: true, read, write: () => {} })).toThrow(TypeError)
    const call = operation({ description: 'x', returns: nothing(), invoke: () => {} })
    expect(defineMBean({ ...base, operations: { call } }).operations.get('call')).toMatchObject({
      right: 'operator',
      args: [],
    })
  })
})

describe('the registry', () => {
  it('holds each name once, and knows when something came or went', () => {
    const clock = createManualClock(1000)
    const registry = new MBeanRegistry(clock)
    const remove = registry.register(nodeBean('n1'))
    expect(() => registry.register(nodeBean('n1'))).toThrow(/registered already/)
    clock.advance(500)
    registry.register(nodeBean('n2'))
    expect(registry.lastChange).toBe(1500)
    remove()
    registry.register(nodeBean('n1'))
    remove()
    expect(registry.query(parseObjectName('*:id=n1,*'))).toHaveLength(1)
    expect(registry.unregister('holdfast:id=n2,type=StorageNode')).toBe(true)
    expect(registry.unregister('holdfast:id=n2,type=StorageNode')).toBe(false)
  })
})
