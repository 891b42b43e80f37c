import { type AvroType, isRecord } from './avro-types.js'

/*
 * avsc believes the lengths that it reads: a few hostile bytes that announce a billion elements keep it busy until the memory is used
 * up. So bytes are walked before it gets them, by the binary encoding of the Avro specification.
 */

/** Elements without any bytes (of type null, or records without fields) that one value may have. */
const MAX_EMPTY_ELEMENTS = 10_000
const MAX_VARINT_BYTES = 10

/** Proves that bytes hold one value of a type and nothing else. @throws RangeError */
export type BoundsCheck = (bytes: Uint8Array) => void

type Walk = (cursor: Cursor) => void

/** Makes the check of a type, to be used many times. */
export function boundsCheck(type: AvroType): BoundsCheck {
  const walk = walkOf(type, new Map())
  return (bytes) => {
    const cursor = new Cursor(bytes)
    walk(cursor)
    if (cursor.at !== bytes.length) throw new RangeError(`${bytes.length - cursor.at} bytes too many`)
  }
}

function walkOf(type: AvroType, known: Map<AvroType, Walk>): Walk {
  const walk = known.get(type)
  if (walk !== undefined) return walk
  /* Known before it is made: types can contain themselves. */
  let made: Walk | undefined
  known.set(type, (cursor) => made?.(cursor))
  made = makeWalk(type, (part) => walkOf(part, known))
  known.set(type, made)
  return made
}

function makeWalk(type: AvroType, of: (part: AvroType) => Walk): Walk {
  const { typeName } = type
  if (typeName.startsWith('logical:')) return of(type.underlyingType)
  if (typeName.startsWith('union:')) return walkUnion(type.types.map(of))
  if (isRecord(type)) return walkRecord(type.fields.map((field) => of(field.type)))
  if (typeName === 'array') return walkBlocks(of(type.itemsType))
  if (typeName === 'map') return walkBlocks(walkEntry(of(type.valuesType)))
  if (typeName === 'enum') return (cursor) => cursor.index(type.symbols.length)
  if (typeName === 'fixed') return (cursor) => cursor.skip(type.size)
  return primitives[typeName] ?? unknown(typeName)
}

const primitives: Record<string, Walk> = {
  null: () => {},
  boolean: (cursor) => cursor.skip(1),
  int: (cursor) => void cursor.long(),
  long: (cursor) => void cursor.long(),
  'abstract:long': (cursor) => void cursor.long(),
  float: (cursor) => cursor.skip(4),
  double: (cursor) => cursor.skip(8),
  bytes: (cursor) => cursor.skip(cursor.long()),
  string: (cursor) => cursor.skip(cursor.long()),
}

function unknown(typeName: string): never {
  throw new TypeError(`the type ${typeName} is not supported`)
}

function walkRecord(fields: readonly Walk[]): Walk {
  return (cursor) => {
    for (const walk of fields) walk(cursor)
  }
}

function walkUnion(branches: readonly Walk[]): Walk {
  return (cursor) => branches[cursor.index(branches.length)]?.(cursor)
}

function walkEntry(value: Walk): Walk {
  return (cursor) => {
    cursor.skip(cursor.long())
    value(cursor)
  }
}

/* Blocks of elements, each with its count in front; a negative count is followed by the size in bytes. 0 ends. */
function walkBlocks(element: Walk): Walk {
  return (cursor) => {
    for (let count = cursor.long(); count !== 0; count = cursor.long()) {
      if (count < 0) cursor.long()
      for (let left = Math.abs(count); left > 0; left--) cursor.element(element)
    }
  }
}

class Cursor {
  at = 0
  private emptyElements = 0
  private readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  skip(length: number): void {
    if (!(length >= 0 && length <= this.bytes.length - this.at)) throw new RangeError('a length leads out of the bytes')
    this.at += length
  }

  /** A zigzag number of variable length. */
  long(): number {
    let number = 0
    let factor = 1
    for (let count = 0; count < MAX_VARINT_BYTES; count++) {
      const byte = this.bytes[this.at++]
      if (byte === undefined) throw new RangeError('the bytes end too early')
      number += (byte & 0x7f) * factor
      if (byte < 0x80) return number % 2 === 0 ? number / 2 : -(number + 1) / 2
      factor *= 128
    }
    throw new RangeError('a number has too many bytes')
  }

  index(length: number): number {
    const index = this.long()
    if (!(index >= 0 && index < length)) throw new RangeError(`${index} is no index of ${length}`)
    return index
  }

  element(walk: Walk): void {
    const from = this.at
    walk(this)
    if (this.at > from) return
    this.emptyElements++
    if (this.emptyElements > MAX_EMPTY_ELEMENTS) throw new RangeError('too many elements without bytes')
  }
}
