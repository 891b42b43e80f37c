import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { inspect, isDeepStrictEqual } from 'node:util'
import v8 from 'node:v8'
import { here } from '../../here.js'
import type { AttributeCodec } from '../../record/attribute-codec.js'
import { mutateBytes, randomNumbers } from '../mutate-bytes.js'
import { guardPrototypes, isPolluted } from '../prototype-guard.js'
import { type Kind, nasty, samples, storedInside } from './codec-values.js'
import type { TestRunner } from './storage-node.js'

/** A codec, and in what it differs from others. */
export interface CodecUnderTest {
  codec: AttributeCodec
  /** Name of the attribute that is encoded. Default `'attribute'`. */
  name?: string
  /** What comes back as it was, beyond JSON's values. Default: nothing. */
  keeps?: readonly Kind[]
  /** The values that the codec takes, if it does not take all of JSON's: at least two, no two alike. */
  values?: readonly unknown[]
  /** How many changed bytes it has to read. Default 3000. */
  mutations?: number
}

const DEFAULT_MUTATIONS = 3000

/**
 * What every codec must do. Needs the package fast-check, unless the codec comes with `values` of its own.
 */
export function codecConformance(title: string, subject: CodecUnderTest, { describe, it }: TestRunner): void {
  const test = (name: string, body: () => void): unknown => it(name, async () => body())
  const opened = new Subject(subject)
  describe(`codec contract: ${title}`, () => {
    describe('keeping', () => defineKeeping(test, opened))
    describe('bytes', () => defineBytes(test, opened))
    describe('nasty values', () => defineNastyValues(test, opened))
    describe('nasty bytes', () => defineNastyBytes(test, opened))
  })
}

type Define = (title: string, body: () => void) => unknown

function defineKeeping(test: Define, subject: Subject): void {
  test('its id is one that records can carry', () => {
    assert.match(subject.codec.id, /^[a-z0-9_.-]{1,32}$/)
  })

  test('what it takes comes back equal', () => {
    subject.forEachValue((value) => assertEqual(subject.roundTrip(value), value))
  })

  for (const kind of subject.keeps) {
    test(`it keeps: ${kind}`, () => {
      for (const value of samples[kind]) {
        for (const stored of storedInside(value)) assertEqual(subject.roundTrip(stored), stored)
      }
    })
  }
}

function defineBytes(test: Define, subject: Subject): void {
  test('equal values give equal bytes, whatever was encoded between', () => {
    subject.forEachValue((value) => {
      const before = subject.encode(value)
      for (const other of subject.known) subject.tryToEncode(other)
      assertBytes(subject.encode(copyOf(value)), before)
      assertBytes(subject.encode(subject.decode(before)), before)
    })
  })

  test('values that are not equal give other bytes', () => {
    const all = subject.known.map((value) => subject.encode(value).toString('hex'))
    assert.equal(new Set(all).size, all.length)
  })

  test('bytes stay what they are when more is encoded', () => {
    const [first, ...others] = subject.known
    const bytes = subject.encode(first)
    const copy = Buffer.from(bytes)
    for (const other of others) subject.encode(other)
    assertBytes(bytes, copy)
  })

  test('encoding leaves the value alone', () => {
    subject.forEachValue((value) => {
      const copy = copyOf(value)
      subject.encode(value)
      assertEqual(value, copy)
    })
  })

  test('decoding leaves the bytes alone and does not keep them', () => {
    for (const value of [...subject.known, ...subject.keeps.flatMap((kind) => samples[kind])]) {
      const bytes = subject.encode(value)
      const copy = Buffer.from(bytes)
      const decoded = subject.decode(bytes)
      assertBytes(bytes, copy)
      bytes.fill(0xff)
      assertEqual(decoded, subject.decode(copy))
    }
  })

  test('a codec that tells old forms from today’s knows its own', () => {
    const { codec, name } = subject
    for (const value of subject.known) assert.notEqual(codec.isCurrent?.(subject.encode(value), name), false)
  })
}

function defineNastyValues(test: Define, subject: Subject): void {
  for (const [title, make] of Object.entries(nasty)) {
    test(`${title}: refused, left out or stored, and nothing is polluted`, () => {
      const unchanged = guardPrototypes()
      const bytes = subject.tryToEncode(make())
      if (bytes !== undefined) assert.equal(isPolluted(subject.decode(bytes)), false)
      unchanged()
    })
  }

  test('undefined, functions and symbols have no stored form, or are refused', () => {
    for (const value of [undefined, () => 1, Symbol('s'), class {}]) {
      assert.equal(subject.tryToEncode(value), undefined, String(value))
    }
  })

  test('after a value that is refused the next one is encoded as ever', () => {
    const before = subject.known.map((value) => subject.encode(value))
    for (const make of Object.values(nasty)) subject.tryToEncode({ before: 'x', nasty: [make()] })
    const after = subject.known.map((value) => subject.encode(value))
    assert.deepEqual(after, before)
  })
}

function defineNastyBytes(test: Define, subject: Subject): void {
  test('bytes that end early are refused, or are a value', () => {
    const unchanged = guardPrototypes()
    for (const bytes of subject.knownBytes()) {
      for (let end = 0; end < Math.min(bytes.length, 2000); end++) subject.tryToDecode(bytes.subarray(0, end))
    }
    unchanged()
  })

  test('changed bytes are refused, or are a value, and pollute nothing', () => {
    const unchanged = guardPrototypes()
    const random = randomNumbers(7)
    const all = subject.knownBytes()
    for (let left = subject.mutations; left > 0; left--) {
      const value = subject.tryToDecode(mutateBytes(all[left % all.length] as Buffer, random))
      assert.equal(isPolluted(value), false)
    }
    unchanged()
  })

  test('after bytes that are refused the next ones are read as ever', () => {
    const random = randomNumbers(11)
    for (const value of subject.known) {
      const bytes = subject.encode(value)
      for (let left = 20; left > 0; left--) subject.tryToDecode(mutateBytes(bytes, random))
      assertBytes(subject.encode(subject.decode(bytes)), bytes)
    }
  })
}

/* Up to Node 20 no invalid Date equals another: what does not equal its own copy is compared as it is printed. */
function assertEqual(actual: unknown, expected: unknown): void {
  if (isDeepStrictEqual(copyOf(expected), expected)) assert.deepEqual(actual, expected)
  else assert.equal(inspect(actual, whole), inspect(expected, whole))
}

const whole = { depth: null, maxArrayLength: null, maxStringLength: null }

/* As structuredClone, but a Buffer stays one. */
function copyOf(value: unknown): unknown {
  return v8.deserialize(v8.serialize(value))
}

function assertBytes(actual: Buffer, expected: Buffer): void {
  assert.equal(actual.toString('hex'), expected.toString('hex'))
  assert.deepEqual(Object.keys(actual).length, actual.length, 'the bytes have got a property')
}

/** What we use of fast-check. */
interface FastCheck {
  assert(property: unknown, options: { numRuns: number }): void
  property(arbitrary: unknown, body: (value: unknown) => void): unknown
  jsonValue(options: { maxDepth: number }): unknown
}

class Subject {
  readonly codec: AttributeCodec
  readonly name: string
  readonly keeps: readonly Kind[]
  readonly mutations: number
  /** A few values that the codec takes. */
  readonly known: readonly unknown[]
  private readonly own: readonly unknown[] | undefined

  constructor({ codec, name = 'attribute', keeps = [], values, mutations = DEFAULT_MUTATIONS }: CodecUnderTest) {
    this.codec = codec
    this.name = name
    this.keeps = keeps
    this.mutations = mutations
    this.own = values
    this.known = values ?? samples.json
  }

  /** Calls `body` for the codec's own values, or for any JSON value and a sample of what else it keeps. */
  forEachValue(body: (value: unknown) => void): void {
    for (const value of this.known) body(value)
    if (this.own !== undefined) return
    for (const kind of this.keeps) for (const value of samples[kind]) body({ value })
    const fc = loadFastCheck()
    const safe = (value: unknown): void => body(withoutNegativeZero(value))
    fc.assert(fc.property(fc.jsonValue({ maxDepth: 4 }), safe), { numRuns: 300 })
  }

  knownBytes(): Buffer[] {
    const kept = this.keeps.flatMap((kind) => samples[kind])
    return [...this.known, ...kept].map((value) => this.encode(value))
  }

  encode(value: unknown): Buffer {
    const bytes = this.codec.encode(value, this.name)
    assert.ok(bytes !== undefined, 'the value has no stored form')
    return Buffer.from(bytes)
  }

  decode(bytes: Buffer): unknown {
    return this.codec.decode(bytes, this.name)
  }

  roundTrip(value: unknown): unknown {
    return this.decode(this.encode(value))
  }

  /** `undefined`: it has no stored form, or was refused with an Error. */
  tryToEncode(value: unknown): Buffer | undefined {
    try {
      const bytes = this.codec.encode(value, this.name)
      return bytes === undefined ? undefined : Buffer.from(bytes)
    } catch (error) {
      assert.ok(error instanceof Error, 'what is thrown is an Error')
      return undefined
    }
  }

  /** `undefined`: it was refused with an Error. */
  tryToDecode(bytes: Buffer): unknown {
    try {
      return this.codec.decode(Buffer.from(bytes), this.name)
    } catch (error) {
      assert.ok(error instanceof Error, 'what is thrown is an Error')
      return undefined
    }
  }
}

function loadFastCheck(): FastCheck {
  try {
    return createRequire(here)('fast-check') as FastCheck
  } catch (cause) {
    throw new Error('the conformance of codecs needs a package: npm install --save-dev fast-check', { cause })
  }
}

/** JSON has no -0, and a key `__proto__` is not kept by any codec. */
function withoutNegativeZero(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_key, inner) => {
    if (typeof inner === 'object' && inner !== null) Reflect.deleteProperty(inner, '__proto__')
    return inner
  })
}
