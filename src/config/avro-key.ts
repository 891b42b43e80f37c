import { readdirSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { AttributeCodec } from '../record/attribute-codec.js'
import { type AttributeSchemas, AvroSchemaError, createAvroCodec } from '../record/codecs/avro.js'
import { CodecProblem, objectWith } from './codec-problem.js'

const MAX_FILE_BYTES = 1_000_000
const MAX_PREVIOUS = 1000
const PATH = /^\.{0,2}[/\\]|\.avsc$/

/** Reads `{ type: 'avro', schemas, previous }`. @throws CodecProblem */
export function readAvro(option: Record<string, unknown>, path: readonly PropertyKey[]): AttributeCodec {
  const schemas = objectWith(option.schemas, [...path, 'schemas'], 'schemas by attribute name')
  const previous = objectWith(option.previous ?? {}, [...path, 'previous'], 'earlier schemas by attribute name')
  if (Object.keys(schemas).length === 0) throw new CodecProblem([...path, 'schemas'], 'at least one schema')
  for (const name of Object.keys(previous)) {
    if (!Object.hasOwn(schemas, name)) throw new CodecProblem([...path, 'previous', name], 'an attribute of "schemas"')
  }
  const read = Object.entries(schemas).map(([name, schema]): [string, AttributeSchemas] => [
    name,
    {
      current: readSchema(schema, [...path, 'schemas', name]),
      previous: Object.hasOwn(previous, name) ? readPrevious(previous[name], [...path, 'previous', name]) : [],
    },
  ])
  return createCodec(new Map(read), path)
}

function createCodec(schemas: ReadonlyMap<string, AttributeSchemas>, path: readonly PropertyKey[]): AttributeCodec {
  try {
    return createAvroCodec(schemas)
  } catch (error) {
    if (!(error instanceof AvroSchemaError)) throw error
    const { attribute, previous, message } = error
    if (previous === undefined) {
      throw new CodecProblem([...path, 'schemas', attribute], `an Avro schema of attribute "${attribute}": ${message}`)
    }
    const expected = `an earlier Avro schema (number ${previous + 1}) that the current one of attribute "${attribute}" can read: ${message}`
    throw new CodecProblem([...path, 'previous', attribute], expected)
  }
}

function readSchema(schema: unknown, path: readonly PropertyKey[]): unknown {
  if (typeof schema === 'string') return PATH.test(schema) ? readFile(schema, path) : schema
  if (typeof schema === 'object' && schema !== null) return schema
  throw new CodecProblem(path, 'an Avro schema, or the path of a file ("./cart.avsc")')
}

function readPrevious(value: unknown, path: readonly PropertyKey[]): unknown[] {
  const list: unknown = typeof value === 'string' ? filesIn(value, path) : value
  if (!Array.isArray(list) || list.length > MAX_PREVIOUS) {
    throw new CodecProblem(path, `a list of at most ${MAX_PREVIOUS} schemas, or the path of a folder`)
  }
  return list.map((schema) => readSchema(schema, path))
}

function filesIn(folder: string, path: readonly PropertyKey[]): string[] {
  try {
    const names = readdirSync(resolve(folder)).filter((name) => name.endsWith('.avsc'))
    return names.sort().map((name) => resolve(folder, name))
  } catch (error) {
    throw new CodecProblem(path, `a folder of .avsc files that can be read (${codeOf(error)})`)
  }
}

function readFile(file: string, path: readonly PropertyKey[]): unknown {
  try {
    const { size } = statSync(resolve(file))
    if (size > MAX_FILE_BYTES) throw new RangeError(`it has ${size} bytes, at most ${MAX_FILE_BYTES} are read`)
    return JSON.parse(readFileSync(resolve(file), 'utf8'))
  } catch (error) {
    throw new CodecProblem(path, `a schema file in JSON that can be read: ${file}, ${codeOf(error)}`)
  }
}

function codeOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  return code ?? message
}
