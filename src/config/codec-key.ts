import { isAbsolute, resolve } from 'node:path'
import { z } from 'zod'
import type { AttributeCodec } from '../record/attribute-codec.js'
import { jsonCodec } from '../record/codecs/json.js'
import { jsonDatesCodec } from '../record/codecs/json-dates.js'
import { loadMsgpack, msgpackCodec } from '../record/codecs/msgpack.js'
import { v8Codec } from '../record/codecs/v8.js'
import { readAvro } from './avro-key.js'
import { CodecProblem, objectWith, refuseOtherKeys } from './codec-problem.js'
import { type CodecChoice, CodecSettings, oneCodec, reservedIds } from './codec-settings.js'
import { readFlag } from './key.js'
import { ModuleError, moduleExport } from './module-export.js'
import { parsePattern } from './pattern.js'

type Path = readonly PropertyKey[]

const FORMS =
  '"json", "msgpack", an object with a type (json, msgpack, v8, avro), the path of a module ("./my-codec.js"), or { id, encode, decode } with an id of its own: 1 to 32 of a-z 0-9 _ . -'
const OWN_ID = /^[a-z0-9_.-]{1,32}$/
const MODULE_PATH = /^\.{1,2}[/\\]/
const MAX_CODECS = 100

const justJson = new CodecSettings(oneCodec(jsonCodec), [])

/** Reads the key `codec`. Settings that were read before are taken as they are. */
export const codecKey = z.unknown().transform((value, context): CodecSettings => {
  try {
    return readCodecs(value)
  } catch (error) {
    if (!(error instanceof CodecProblem)) throw error
    context.issues.push({ code: 'custom', message: error.message, input: value, path: [...error.path] })
    return z.NEVER
  }
})

function readCodecs(value: unknown): CodecSettings {
  if (value instanceof CodecSettings) return value
  if (value === 'json' || value === jsonCodec) return justJson
  if (!isSeveral(value)) {
    const choice = readChoice(value, [])
    return new CodecSettings(choice, distinct(choice.codecs))
  }
  refuseOtherKeys(value, ['default', 'attributes', 'alsoRead'], [])
  const choice = byPattern(value)
  const alsoRead = list(value.alsoRead, ['alsoRead'], 'a list of codecs').flatMap(
    (codec, index) => readChoice(codec, ['alsoRead', index]).codecs,
  )
  return new CodecSettings(choice, distinct([...choice.codecs, ...alsoRead]))
}

function isSeveral(value: unknown): value is { default?: unknown; attributes?: unknown; alsoRead?: unknown } {
  if (typeof value !== 'object' || value === null || 'type' in value || 'encode' in value) return false
  return 'default' in value || 'attributes' in value || 'alsoRead' in value
}

function byPattern({ default: given, attributes }: { default?: unknown; attributes?: unknown }): CodecChoice {
  const otherwise = readChoice(given ?? 'json', ['default'])
  const special = list(attributes, ['attributes'], 'a list of { pattern, codec }').map(readSpecial)
  if (special.length === 0) return otherwise
  const choices = [...special, { pattern: /^/, choice: otherwise }]
  return {
    writer: otherwise.writer,
    writerFor: (name) => {
      const choice = choices.find(({ pattern }) => pattern.test(name))?.choice
      return choice?.writerFor?.(name) ?? choice?.writer
    },
    codecs: choices.flatMap(({ choice }) => choice.codecs),
    description: [
      ...special.map(({ pattern, choice }) => `${choice.description} for ${pattern}`),
      `else ${otherwise.description}`,
    ].join(', '),
  }
}

function readSpecial(value: unknown, index: number): { pattern: RegExp; choice: CodecChoice } {
  const path = ['attributes', index]
  const { pattern: given, codec, ...others } = objectWith(value, path, 'pattern and codec')
  refuseOtherKeys(others, ['pattern', 'codec'], path)
  const pattern = parsePattern(given)
  if (pattern === undefined) throw new CodecProblem([...path, 'pattern'], 'a regular expression for attribute names')
  return { pattern, choice: readChoice(codec, [...path, 'codec']) }
}

function list(value: unknown, path: Path, expected: string): unknown[] {
  if (value === undefined) return []
  if (!Array.isArray(value) || value.length > MAX_CODECS) throw new CodecProblem(path, expected)
  return value
}

function readChoice(value: unknown, path: Path): CodecChoice {
  if (value === 'json') return oneCodec(jsonCodec)
  if (value === 'msgpack') return msgpack(path)
  if (typeof value === 'string' && (MODULE_PATH.test(value) || isAbsolute(value))) {
    return oneCodec(ownCodec(loadOwn(value, path), path))
  }
  if (typeof value !== 'object' || value === null) throw new CodecProblem(path, FORMS)
  return 'type' in value && !('encode' in value) ? readTyped({ ...value }, path) : oneCodec(ownCodec(value, path))
}

function readTyped(option: Record<string, unknown> & { type?: unknown }, path: Path): CodecChoice {
  const { type } = option
  const keys = typeof type === 'string' && Object.hasOwn(keysOf, type) ? keysOf[type as keyof typeof keysOf] : undefined
  if (keys === undefined) throw new CodecProblem([...path, 'type'], `one of ${Object.keys(keysOf).join(', ')}`)
  refuseOtherKeys(option, ['type', ...keys], path)
  if (type === 'json') return json(option.dates ?? false, path)
  if (type === 'msgpack') return msgpack(path)
  return type === 'v8' ? v8(option.trusted, path) : avro(option, path)
}

const keysOf = { json: ['dates'], msgpack: [], v8: ['trusted'], avro: ['schemas', 'previous', 'fallback'] }

function json(dates: unknown, path: Path): CodecChoice {
  const flag = readFlag(dates)
  if (flag === undefined) throw new CodecProblem([...path, 'dates'], 'true or false')
  return oneCodec(flag ? jsonDatesCodec : jsonCodec)
}

function msgpack(path: Path): CodecChoice {
  return atStart(path, () => {
    loadMsgpack()
    return oneCodec(msgpackCodec)
  })
}

function v8(trusted: unknown, path: Path): CodecChoice {
  if (readFlag(trusted) === true) return oneCodec(v8Codec)
  const expected = 'true, to say that nobody else can write to the storage: reading hostile bytes is not safe with v8'
  throw new CodecProblem([...path, 'trusted'], expected)
}

function avro(option: Record<string, unknown>, path: Path): CodecChoice {
  const fallback = readChoice(option.fallback ?? 'json', [...path, 'fallback'])
  if (fallback.codecs.some(({ id }) => id === 'avro')) {
    throw new CodecProblem([...path, 'fallback'], 'another codec than avro')
  }
  const codec = atStart(path, () => readAvro(option, path))
  const names = new Set(Object.keys(option.schemas as object))
  return {
    writer: fallback.writer,
    writerFor: (name) => (names.has(name) ? codec : undefined),
    codecs: [codec, ...fallback.codecs],
    description: `avro for ${[...names].join(', ')}, else ${fallback.description}`,
  }
}

/** A missing package is found at start, not with the first session. */
function atStart<T>(path: Path, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (error instanceof CodecProblem) throw error
    throw new CodecProblem(path, `another codec, or what it needs: ${(error as Error).message}`)
  }
}

function loadOwn(file: string, path: Path): unknown {
  try {
    return moduleExport(resolve(file), 'codec', 'a codec { id, encode, decode }')
  } catch (error) {
    if (!(error instanceof ModuleError)) throw error
    throw new CodecProblem(path, error.message)
  }
}

function ownCodec(value: unknown, path: Path): AttributeCodec {
  const codec = (typeof value === 'object' ? value : undefined) as Partial<AttributeCodec> | undefined | null
  const fits = typeof codec?.encode === 'function' && typeof codec.decode === 'function' && typeof codec.id === 'string'
  if (!fits) throw new CodecProblem(path, FORMS)
  const { id } = codec as AttributeCodec
  if (isBuiltIn(codec as AttributeCodec)) return codec as AttributeCodec
  if (!OWN_ID.test(id) || reservedIds.includes(id)) throw new CodecProblem(path, FORMS)
  return codec as AttributeCodec
}

function isBuiltIn(codec: AttributeCodec): boolean {
  return codec === jsonCodec || codec === jsonDatesCodec || codec === msgpackCodec
}

/** Records name codecs by id: two of the same id could not be told apart. */
function distinct(codecs: readonly AttributeCodec[]): AttributeCodec[] {
  const all = [...new Set(codecs)]
  const twice = all.find((codec, index) => all.findIndex(({ id }) => id === codec.id) < index)
  if (twice === undefined) return all
  const hint = twice.id === 'avro' ? '; give one avro codec the schemas of all attributes' : ''
  throw new CodecProblem([], `codecs with an id each, "${twice.id}" is there twice${hint}`)
}
