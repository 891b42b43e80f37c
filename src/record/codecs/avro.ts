import { UnreadableRecordError } from '../../errors.js'
import type { AttributeCodec } from '../attribute-codec.js'
import { type BoundsCheck, boundsCheck } from './avro-bounds.js'
import { type AvroResolver, type AvroType, parseAvroSchema } from './avro-types.js'
import { crc64Avro } from './crc-64-avro.js'
import { PROTOTYPE_KEY } from './prototype-key.js'

/*
 * A value is stored in the "single object encoding" of the Avro specification:
 *
 *    0  2  C3 01
 *    2  8  CRC-64-AVRO fingerprint of the writer's schema in Parsing Canonical Form, the lowest byte first
 *   10  …  the value in Avro's binary encoding
 */
const MARKER = Buffer.from([0xc3, 0x01])
const HEADER = 10

const strict = { noUndeclaredFields: true }

/** The schemas of one attribute. */
export interface AttributeSchemas {
  /** Writes, and says what readers want to see. */
  readonly current: unknown
  /** Earlier ones, whose values may still be stored. */
  readonly previous: readonly unknown[]
}

interface Writer {
  check: BoundsCheck
  /** `undefined`: the reader's own schema. */
  resolver: AvroResolver | undefined
}

/** A schema can't be used. `previous` is its index among the earlier ones; `undefined`: the current one. */
export class AvroSchemaError extends Error {
  readonly attribute: string
  readonly previous: number | undefined

  constructor(attribute: string, previous: number | undefined, message: string, cause: unknown) {
    super(message, { cause })
    this.attribute = attribute
    this.previous = previous
  }
}

/**
 * Avro, with a schema for each attribute: the smallest form, as no names are stored. What the schema does not know is refused, not
 * dropped.
 *
 * @param schemas by attribute name. Only these attributes can be encoded.
 * @throws AvroSchemaError when a schema is none, or the current one can't read what an earlier one wrote.
 */
export function createAvroCodec(schemas: ReadonlyMap<string, AttributeSchemas>): AttributeCodec {
  const attributes = new Map(Array.from(schemas, ([name, given]) => [name, new AttributeType(name, given)]))
  const typeOf = (name: string): AttributeType => {
    const type = attributes.get(name)
    if (type === undefined) throw unreadable(`there is no Avro schema for attribute ${JSON.stringify(name)}`)
    return type
  }
  return {
    id: 'avro',
    encode: (value, name) => (value === undefined ? undefined : typeOf(name).encode(value)),
    decode: (bytes, name) => typeOf(name).decode(bytes),
    isCurrent: (bytes, name) => typeOf(name).isCurrent(bytes),
  }
}

class AttributeType {
  private readonly type: AvroType
  private readonly header: Buffer
  /** By fingerprint, as hexadecimal text. */
  private readonly writers = new Map<string, Writer>()

  constructor(name: string, { current, previous }: AttributeSchemas) {
    this.type = attempt(name, undefined, () => parseAvroSchema(current, 'reader'))
    const fingerprint = fingerprintOf(this.type)
    this.header = Buffer.concat([MARKER, fingerprint])
    this.writers.set(fingerprint.toString('hex'), { check: boundsCheck(this.type), resolver: undefined })
    for (const [index, schema] of previous.entries()) attempt(name, index, () => this.addWriter(schema))
  }

  encode(value: unknown): Buffer {
    /* Once more with a hook, which is slow, to tell what is wrong. */
    if (!this.type.isValid(value, strict)) this.type.isValid(value, { ...strict, errorHook: refuse })
    return Buffer.concat([this.header, this.type.toBuffer(value)])
  }

  decode(bytes: Buffer): unknown {
    if (bytes.length < HEADER || !bytes.subarray(0, 2).equals(MARKER)) throw unreadable('this is no Avro object')
    const fingerprint = bytes.toString('hex', 2, HEADER)
    const writer = this.writers.get(fingerprint)
    if (writer === undefined) {
      throw unreadable(`it was written with an Avro schema that is not known here (fingerprint ${fingerprint})`)
    }
    /* A copy: values of type bytes come back as views of it. */
    const body = Buffer.from(bytes.subarray(HEADER))
    writer.check(body)
    const value = this.type.fromBuffer(body, writer.resolver)
    if (body.includes(PROTOTYPE_KEY)) restorePrototypes(value)
    return value
  }

  isCurrent(bytes: Buffer): boolean {
    return bytes.subarray(0, HEADER).equals(this.header)
  }

  private addWriter(schema: unknown): void {
    const writer = parseAvroSchema(schema, 'writer')
    const fingerprint = fingerprintOf(writer).toString('hex')
    if (this.writers.has(fingerprint)) return
    this.writers.set(fingerprint, { check: boundsCheck(writer), resolver: this.type.createResolver(writer) })
  }
}

function attempt<T>(name: string, previous: number | undefined, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new AvroSchemaError(name, previous, cause instanceof Error ? cause.message : String(cause), cause)
  }
}

/** avsc's `schema()` has the attributes, and the order of them, that the Parsing Canonical Form asks for. */
function fingerprintOf(type: AvroType): Buffer {
  return crc64Avro(Buffer.from(JSON.stringify(type.schema()), 'utf8'))
}

function refuse(path: readonly string[], _value: unknown, type: AvroType): never {
  const place = path.length === 0 ? 'it' : path.join('.')
  throw new TypeError(
    `${place} does not fit its Avro schema: a value, and all its fields, must be of ${describe(type)}`,
  )
}

function describe(type: AvroType): string {
  const text = JSON.stringify(type)
  return `type ${text.length > 200 ? `${text.slice(0, 200)}…` : text}`
}

/*
 * avsc assigns the keys of a map, so that a key "__proto__" replaces the prototype of that one object. Everything that it makes is
 * plain: whatever has another prototype gets its own back.
 */
function restorePrototypes(value: unknown): void {
  if (typeof value !== 'object' || value === null || value instanceof Date || ArrayBuffer.isView(value)) return
  if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) {
    Object.setPrototypeOf(value, Object.prototype)
  }
  for (const part of Object.values(value)) restorePrototypes(part)
}

function unreadable(message: string): UnreadableRecordError {
  return new UnreadableRecordError('codec', message)
}
