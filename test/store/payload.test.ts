import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { jsonCodec } from '../../src/record/codecs/json.js'
import { type AttributeRules, Attributes } from '../../src/session/attributes.js'
import { endOf, replaceAttributes, type StorePayload, snapshotOf } from '../../src/store/payload.js'
import { testStamp } from '../support/sections.js'

const rules: AttributeRules = { codec: jsonCodec, codecs: new Map([['json', jsonCodec]]), filter: undefined }

function attributesOf(values: Record<string, unknown>): Attributes {
  const attributes = new Attributes()
  for (const [name, value] of Object.entries(values)) attributes.set(name, value)
  attributes.commit([], rules, () => {}, testStamp)
  return attributes
}

function valuesOf(attributes: Attributes): Record<string, unknown> {
  const entries = [...snapshotOf(attributes, rules)].map(([name, text]) => [name, JSON.parse(text as string)])
  return Object.fromEntries(entries)
}

describe('a payload', () => {
  it('replaces all attributes when nothing is known of where it comes from', () => {
    const payloads = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), fc.integer({ max: 3, min: 0 }))
    fc.assert(
      fc.property(payloads, payloads, (before, after) => {
        const attributes = attributesOf(before)
        replaceAttributes(attributes, after, false, undefined, rules)
        expect(valuesOf(attributes)).toEqual({ ...after })
      }),
    )
  })

  it('changes nothing that the caller has not changed since it got it', () => {
    const attributes = attributesOf({ mine: 1, theirs: 1, removed: 1, kept: 1 })
    const base = snapshotOf(attributes, rules)
    attributes.set('theirs', 2)
    attributes.set('added', 2)
    attributes.delete('kept')
    replaceAttributes(attributes, { mine: 2, theirs: 1, kept: 1 }, false, base, rules)
    expect(valuesOf(attributes)).toEqual({ mine: 2, theirs: 2, added: 2 })
  })

  it('hands over a value that can’t be serialised for the commit to report, and keeps the others', () => {
    const attributes = attributesOf({ big: 1 })
    replaceAttributes(attributes, { big: 1n, fine: 1 }, false, undefined, rules)
    const failed: string[] = []
    attributes.commit([], rules, (error) => failed.push(error.attribute), testStamp)
    expect(failed).toEqual(['big'])
    expect(valuesOf(attributes)).toEqual({ fine: 1 })
  })

  it('never sets a prototype', () => {
    const attributes = attributesOf({})
    replaceAttributes(attributes, JSON.parse('{"__proto__":{"x":1},"y":1}'), false, undefined, rules)
    expect(attributes.names()).toEqual(['y'])
  })

  it.each<[StorePayload, number | undefined]>([
    [{}, undefined],
    [{ cookie: null }, undefined],
    [{ cookie: 'text' }, undefined],
    [{ cookie: { expires: null } }, undefined],
    [{ cookie: { expires: false, maxAge: null } }, undefined],
    [{ cookie: { expires: 'no date' } }, undefined],
    [{ cookie: { maxAge: Number.NaN } }, undefined],
    [{ cookie: { expires: 5000 } }, 5000],
    [{ cookie: { expires: '1970-01-01T00:00:05.000Z' } }, 5000],
    [{ cookie: { expires: new Date(5000) } }, 5000],
    [{ cookie: { expires: 5000, maxAge: 1 } }, 5000],
    [{ cookie: { maxAge: 2000 } }, 3000],
    [{ cookie: { originalMaxAge: 2000 } }, 3000],
  ])('%j ends at %s', (payload, end) => {
    expect(endOf(payload, 1000)).toBe(end)
  })
})
