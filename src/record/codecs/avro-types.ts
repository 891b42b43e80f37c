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
  types: {
    LogicalType: new (schema: unknown, options: unknown) => object
    LongType: { __with(methods: object): AvroType }
  }
}

/** Whether a schema is that of today, or of a writer of the past. */
export type SchemaRole = 'reader' | 'writer'

const TIMESTAMP = 'timestamp-millis'
/** avsc's own `long` changes negative numbers beyond this. */
const MAX_EXACT_LONG = 2 ** 52
const TWO_TO_32 = 2 ** 32

let loaded: { avsc: Avsc; options: Record<SchemaRole, object> } | undefined

/**
 * Reads a schema, as an object or the name of a primitive type.
 * @throws Error when it is none, has a field `__proto__`, or avsc is not installed.
 */
export function parseAvroSchema(schema: unknown, role: SchemaRole): AvroType {
  loaded ??= load()
  /* avsc remembers named types in the options that it gets. */
  const type = loaded.avsc.Type.forSchema(schema, { ...loaded.options[role] })
  visit(type, makePlain)
  return type
}

/* avsc promotes its own `long` only to other numbers, so that a writer has that, and the exact one is the reader's. */
function load() {
  const avsc = loadPackage<Avsc>('avro', 'avsc')
  const writer = { logicalTypes: { [TIMESTAMP]: timestampMillis(avsc) }, omitRecordMethods: true }
  const long = exactLong(avsc)
  const typeHook = (schema: unknown): AvroType | undefined => (isPlainLong(schema) ? long : undefined)
  return { avsc, options: { writer, reader: { ...writer, typeHook } } }
}

function isPlainLong(schema: unknown): boolean {
  if (typeof schema !== 'object' || schema === null) return schema === 'long'
  const { type, logicalType } = schema as { type?: unknown; logicalType?: unknown }
  return type === 'long' && logicalType !== TIMESTAMP
}

/** A `long` that keeps every safe integer, and takes no other number. */
function exactLong({ types: { LongType } }: Avsc): AvroType {
  /* avsc copies it at once. */
  const bytes = Buffer.alloc(8)
  return LongType.__with({
    fromBuffer: (read: Buffer) => safe(read.readInt32LE(4) * TWO_TO_32 + read.readUInt32LE(0)),
    toBuffer(value: number) {
      bytes.writeUInt32LE(value >>> 0, 0)
      bytes.writeInt32LE(Math.floor(value / TWO_TO_32), 4)
      return bytes
    },
    fromJSON: safe,
    toJSON: (value: number) => value,
    isValid: (value: unknown) => Number.isSafeInteger(value),
    compare: (a: number, b: number) => Math.sign(a - b),
  })
}

function safe(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`)
  return value
}

/** Dates as `long`, by the logical type of the Avro specification. */
function timestampMillis({ types: { LogicalType } }: Avsc) {
  return class TimestampMillis extends LogicalType {
    _fromValue(value: number): Date {
      return new Date(value)
    }

    _toValue(value: unknown): number | undefined {
      return types.isDate(value) && Math.abs(value.getTime()) <= MAX_EXACT_LONG ? value.getTime() : undefined
    }

    _resolve(writer: AvroType): ((value: unknown) => unknown) | undefined {
      if (writer.typeName === 'long' || writer.typeName === 'int') return (value) => this._fromValue(value as number)
      return writer.typeName === `logical:${TIMESTAMP}` ? (value) => value : undefined
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
