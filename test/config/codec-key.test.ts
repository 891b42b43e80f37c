import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CodecSettings } from '../../src/config/codec-settings.js'
import { changeSettings, type HoldfastOptions, parseSettings } from '../../src/config/parse-settings.js'
import { parseYaml } from '../../src/config/parse-text.js'
import { ConfigError, type ConfigProblem } from '../../src/errors.js'
import type { AttributeCodec } from '../../src/record/attribute-codec.js'
import { msgpackCodec } from '../../src/record/codecs/msgpack.js'

const secret = 'a-secret-of-the-tests-0123456789'
const own: AttributeCodec = { id: 'own', encode: () => Buffer.from('own'), decode: () => 'own' }
const cart = { type: 'record', name: 'Cart', fields: [{ name: 'total', type: 'long' }] }
const cartWithNote = { ...cart, fields: [...cart.fields, { name: 'note', type: 'string', default: '' }] }

let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-codec-'))
  const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
  write('default.mjs', 'export default { id: "module", encode: () => Buffer.from("m"), decode: () => "m" }')
  write('named.ts', 'export const codec = { id: "named" as string, encode: () => Buffer.from("n"), decode: () => "n" }')
  write('common.cjs', 'module.exports = { id: "common", encode: () => Buffer.from("c"), decode: () => "c" }')
  write('broken.mjs', 'throw new Error("no luck")')
  write('other.mjs', 'export default { id: "x" }')
  write('cart.avsc', JSON.stringify(cartWithNote))
  write('broken.avsc', '{')
  mkdirSync(join(folder, 'old'))
  write('old/1.avsc', JSON.stringify(cart))
  write('old/readme.txt', 'no schema')
})

afterAll(() => {
  rmSync(folder, { recursive: true })
})

function read(codec: unknown): CodecSettings {
  return parseSettings({ secret, codec } as HoldfastOptions).codec
}

function problemsOf(codec: unknown): readonly ConfigProblem[] {
  try {
    read(codec)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  throw new Error('nothing was thrown')
}

function writerOf(codec: unknown, name = 'x'): string {
  const settings = read(codec)
  return (settings.writerFor?.(name) ?? settings.writer).id
}

describe('the key codec', () => {
  it.each<[unknown, string]>([
    [undefined, 'json'],
    ['json', 'json'],
    ['msgpack', 'msgpack'],
    [{ type: 'json' }, 'json'],
    [{ type: 'json', dates: true }, 'json-dates'],
    [{ type: 'json', dates: 'true' }, 'json-dates'],
    [{ type: 'msgpack' }, 'msgpack'],
    [{ type: 'v8', trusted: true }, 'v8'],
    [own, 'own'],
    [msgpackCodec, 'msgpack'],
    [{ default: 'msgpack' }, 'msgpack'],
    [{ alsoRead: [own] }, 'json'],
  ])('takes %j', (codec, id) => {
    expect(writerOf(codec)).toBe(id)
  })

  it('takes the path of a module: its default export, its export named codec, or module.exports', () => {
    expect(writerOf(join(folder, 'default.mjs'))).toBe('module')
    expect(writerOf(join(folder, 'named.ts'))).toBe('named')
    expect(writerOf(join(folder, 'common.cjs'))).toBe('common')
  })

  it('takes codecs by attribute name, of which the first that matches counts', () => {
    const codec = parseYaml(
      `
default: msgpack
attributes:
  - { pattern: ^cart$, codec: { type: json, dates: true } }
  - pattern: /^C/i
    codec: json
`,
      'a test',
    )
    expect(['cart', 'Carts', 'other'].map((name) => writerOf(codec, name))).toEqual(['json-dates', 'json', 'msgpack'])
    expect(read(codec).description).toBe('json-dates for /^cart$/, json for /^C/i, else msgpack')
  })

  it('takes Avro schemas by attribute name, inline or in files, with those of the past', () => {
    const codec = {
      type: 'avro',
      schemas: { cart: join(folder, 'cart.avsc'), total: 'long' },
      previous: { cart: join(folder, 'old'), total: ['int'] },
      fallback: 'msgpack',
    }
    expect(['cart', 'total', 'other'].map((name) => writerOf(codec, name))).toEqual(['avro', 'avro', 'msgpack'])
    const before = read({ type: 'avro', schemas: { cart } }).readers.get('avro') as AttributeCodec
    const bytes = Buffer.from(before.encode({ total: 5 }, 'cart') as Uint8Array)
    expect(read(codec).readers.get('avro')?.decode(bytes, 'cart')).toEqual({ total: 5, note: '' })
  })

  it('takes Avro among others', () => {
    const avro = { type: 'avro', schemas: { cart }, fallback: own }
    const codec = { default: 'msgpack', attributes: [{ pattern: '^c', codec: avro }] }
    expect(['cart', 'coat', 'x'].map((name) => writerOf(codec, name))).toEqual(['avro', 'own', 'msgpack'])
  })

  it('always reads what needs no options, what writes, and what alsoRead names', () => {
    expect([...read('json').readers.keys()].sort()).toEqual(['json', 'json-dates', 'msgpack'])
    const codec = {
      default: own,
      alsoRead: [
        { type: 'v8', trusted: true },
        { type: 'avro', schemas: { cart } },
      ],
    }
    expect([...read(codec).readers.keys()].sort()).toEqual(['avro', 'json', 'json-dates', 'msgpack', 'own', 'v8'])
  })

  it.each<[unknown, string, RegExp]>([
    ['yaml', 'codec', /"json", "msgpack"/],
    ['v8', 'codec', /an object with a type/],
    [{ type: 'bson' }, 'codec.type', /one of json, msgpack, v8, avro/],
    [{ type: 'toString' }, 'codec.type', /one of json/],
    [{ type: 'v8' }, 'codec.trusted', /nobody else can write/],
    [{ type: 'json', dates: 'maybe' }, 'codec.dates', /true or false/],
    [{ type: 'json', date: true }, 'codec.date', /no key of this name; there are type, dates/],
    [{ default: 'json', extra: 1 }, 'codec.extra', /default, attributes, alsoRead/],
    [{ default: 'yaml' }, 'codec.default', /"json"/],
    [{ attributes: { cart: 'json' } }, 'codec.attributes', /list of/],
    [{ attributes: [{ pattern: '(', codec: 'json' }] }, 'codec.attributes[0].pattern', /regular expression/],
    [{ attributes: [{ pattern: 'a', codec: 'yaml' }] }, 'codec.attributes[0].codec', /"json"/],
    [{ attributes: [{ pattern: 'a', codec: 'json', x: 1 }] }, 'codec.attributes[0].x', /pattern, codec/],
    [{ alsoRead: [own, { ...own }] }, 'codec', /"own" is there twice/],
    [{ ...own, id: 'avro' }, 'codec', /id of its own/],
    [{ type: 'avro' }, 'codec.schemas', /object of schemas/],
    [{ type: 'avro', schemas: {} }, 'codec.schemas', /at least one/],
    [{ type: 'avro', schemas: { cart: { type: 'recor' } } }, 'codec.schemas.cart', /schema of attribute "cart"/],
    [{ type: 'avro', schemas: { cart: './nowhere.avsc' } }, 'codec.schemas.cart', /ENOENT/],
    [{ type: 'avro', schemas: { cart: 5 } }, 'codec.schemas.cart', /Avro schema, or the path/],
    [{ type: 'avro', schemas: { cart }, previous: { card: [cart] } }, 'codec.previous.card', /attribute of "schemas"/],
    [{ type: 'avro', schemas: { cart }, previous: { cart: './nowhere' } }, 'codec.previous.cart', /ENOENT/],
    [{ type: 'avro', schemas: { cart }, fallback: 'yaml' }, 'codec.fallback', /"json"/],
    [
      { type: 'avro', schemas: { cart }, previous: { cart: [{ ...cart, fields: [] }] } },
      'codec.previous.cart',
      /number 1\) that the current one of attribute "cart" can read/,
    ],
    [
      {
        attributes: [{ pattern: 'a', codec: { type: 'avro', schemas: { cart } } }],
        alsoRead: [{ type: 'avro', schemas: { cart } }],
      },
      'codec',
      /one avro codec the schemas of all/,
    ],
  ])('refuses %j', (codec, path, expected) => {
    expect(problemsOf(codec)).toMatchObject([{ path, expected: expect.stringMatching(expected) }])
  })

  it('refuses modules and schema files that do not load, and says why', () => {
    expect(problemsOf(join(folder, 'broken.mjs'))[0]?.expected).toMatch(/no luck/)
    expect(problemsOf(join(folder, 'missing.mjs'))[0]?.path).toBe('codec')
    expect(problemsOf(join(folder, 'other.mjs'))[0]?.expected).toMatch(/encode, decode/)
    const schemas = { cart: join(folder, 'broken.avsc') }
    expect(problemsOf({ type: 'avro', schemas })[0]).toMatchObject({ path: 'codec.schemas.cart' })
  })

  it('can be repeated by a change at run time, but not changed, and its files are not read again', () => {
    const file = join(folder, 'moved.mjs')
    writeFileSync(file, 'export default { id: "moved", encode: () => Buffer.from("m"), decode: () => "m" }')
    const options = { secret, codec: file }
    const inForce = parseSettings(options)
    rmSync(file)
    const { settings } = changeSettings(options, { idleTimeout: '1h', codec: options.codec }, inForce)
    expect(settings.codec).toBe(inForce.codec)
    expect(() => changeSettings(options, { codec: 'msgpack' }, inForce)).toThrow(/can't be changed while running/)
  })
})
