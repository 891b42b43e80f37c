import { types } from 'node:util'
import { loadPackage } from './load-package.js'
import { PROTOTYPE_KEY } from './prototype-key.js'

/** What we use of an avsc type. `typeName` tells which of the parts it has. */
export interface AvroType {
  readonly typeName: string
  readonly fields: readonly { readonly name: string; readonly type: AvroType }[]
  readonly itemsType: AvroType
  readonly valuesType: AvroType
  readonly types: readonly AvroType[]
  readonly symbols: readonly string[]
  readonly size: number
  readonly underlyingType: AvroType
  readonly recordConstructor: { prototype: object }
  schema(): unknown
  toBuffer(value: unknown): Buffer
  fromBuffer(bytes: Buffer, resolver?: AvroResolver): unknown
  isValid(value: unknown, options: object): boolean
  createResolver(writer: AvroType): AvroResolver
}

export type AvroResolver = object

interface Avsc {
  Type: { forSchema(schema: unknown, options: object): AvroType }
  types: { LogicalType: new (schema: unknown, options: unknown) => object }
}

let loaded: { avsc: Avsc; options: object } | undefined

/**
 * Reads a schema, as an object or the name of a primitive type.
 * @throws Error when it is none, has a field `__proto__`, or avsc is not installed.
 */
export function parseAvroSchema(schema: unknown): AvroType {
  loaded ??= load()
  /* avsc remembers named types in the options that it gets. */
  const type = loaded.avsc.Type.forSchema(schema, { ...loaded.options })
  visit(type, makePlain)
  return type
}

function load() {
  const avsc = loadPackage<Avsc>('avro', 'avsc')
  const logicalTypes = { 'timestamp-millis': timestampMillis(avsc) }
  return { avsc, options: { logicalTypes, omitRecordMethods: true } }
}

/** Dates as `long`, by the logical type of the Avro specification. */
function timestampMillis({ types: { LogicalType } }: Avsc) {
  return class TimestampMillis extends LogicalType {
    _fromValue(value: number): Date {
      return new Date(value)
    }

    _toValue(value: unknown): number | undefined {
      return types.isDate(value) ? value.getTime() : undefined
    }

    _resolve(writer: AvroType): ((value: unknown) => unknown) | undefined {
      if (writer.typeName === 'long' || writer.typeName === 'int') return (value) => this._fromValue(value as number)
      return writer.typeName === 'logical:timestamp-millis' ? (value) => value : undefined
    }
  }
}

/** Calls `act` for the type and each that it is made of, once. */
function visit(type: AvroType, act: (type: AvroType) => void, seen = new Set<AvroType>()): void {
  if (seen.has(type)) return
  seen.add(type)
  act(type)
  for (const part of partsOf(type)) visit(part, act, seen)
}

function partsOf(type: AvroType): readonly AvroType[] {
  if (type.typeName.startsWith('logical:')) return [type.underlyingType]
  if (type.typeName.startsWith('union:')) return type.types
  if (type.typeName === 'array') return [type.itemsType]
  if (type.typeName === 'map') return [type.valuesType]
  return isRecord(type) ? type.fields.map((field) => field.type) : []
}

export function isRecord(type: AvroType): boolean {
  return type.typeName === 'record' || type.typeName === 'error'
}

/* Records come back as plain objects, as from any other codec, not as instances of a class that the application does not know. */
function makePlain(type: AvroType): void {
  if (!isRecord(type)) return
  if (type.fields.some(({ name }) => name === PROTOTYPE_KEY)) throw new Error(`a field can't be named ${PROTOTYPE_KEY}`)
  type.recordConstructor.prototype = Object.prototype
}
