import { types } from 'node:util'
import { PROTOTYPE_KEY } from './prototype-key.js'

/** What lies deeper is refused: a cycle, or something that would exhaust the stack. */
const MAX_DEPTH = 500
/** Longer arrays are refused: nearly all of such a one is holes, and each would be written. */
const MAX_LENGTH = 10_000_000

/** A Map on its way through MessagePack, which has only one kind of map: key, value, key, value … */
export class MapEntries {
  readonly list: unknown[]

  constructor(list: unknown[]) {
    this.list = list
  }
}

/** @throws TypeError when the entries are none. */
export function mapFrom(list: unknown): Map<unknown, unknown> {
  if (!Array.isArray(list) || list.length % 2 !== 0) throw new TypeError('the entries of a Map are no pairs')
  const map = new Map()
  for (let i = 0; i < list.length; i += 2) map.set(list[i], list[i + 1])
  return map
}

/**
 * The value in a form that msgpackr keeps as it is: Maps as `MapEntries`, objects with a `toJSON` as what that gives, without
 * functions, symbols, and keys `__proto__`. What needs no change is handed through, nothing is changed in place.
 *
 * @throws RangeError when it is too deep, which a cycle is too. @throws whatever a `toJSON` throws.
 */
export function storableValue(value: unknown, depth = 0): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') return undefined
  if (typeof value !== 'object' || value === null) return value
  if (depth > MAX_DEPTH) throw new RangeError(`it is nested more than ${MAX_DEPTH} levels deep, or contains itself`)
  if (Array.isArray(value)) return storableArray(value, depth)
  if (types.isDate(value) || isBinary(value)) return value
  if (types.isMap(value)) return new MapEntries(storableArray([...value].flat(), depth) as unknown[])
  if (types.isSet(value)) return new Set(storableArray([...value], depth) as unknown[])
  if (types.isBoxedPrimitive(value)) return storableValue(value.valueOf(), depth)
  return storableObject(value, depth)
}

/* Own classes of binary data have no place in the format. */
function isBinary(value: object): boolean {
  if (!ArrayBuffer.isView(value)) return types.isArrayBuffer(value)
  if (Buffer.isBuffer(value) || types.isDataView(value)) return true
  return KNOWN_ARRAYS.has((value as object).constructor)
}

const KNOWN_ARRAYS: ReadonlySet<unknown> = new Set([
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
])

function storableArray(array: readonly unknown[], depth: number): readonly unknown[] {
  if (array.length > MAX_LENGTH) throw new RangeError(`an array of ${array.length} elements is too long`)
  let copy: unknown[] | undefined
  for (let i = 0; i < array.length; i++) {
    const element = array[i]
    const storable = storableValue(element, depth + 1)
    if (storable === element) continue
    copy ??= [...array]
    copy[i] = storable
  }
  /* Own classes of arrays become plain ones. */
  return copy ?? (array.constructor === Array ? array : [...array])
}

function storableObject(object: object, depth: number): unknown {
  const { toJSON } = object as { toJSON?: unknown }
  if (typeof toJSON === 'function') return storableValue(toJSON.call(object, ''), depth + 1)
  const source = object as Record<string, unknown>
  let copy: Record<string, unknown> | undefined = isPlain(object) ? undefined : { ...source }
  for (const key of Object.keys(source)) {
    const value = source[key]
    const storable = storableValue(value, depth + 1)
    if (storable === value && key !== PROTOTYPE_KEY) continue
    copy ??= { ...source }
    if (key === PROTOTYPE_KEY || isDropped(value)) Reflect.deleteProperty(copy, key)
    else copy[key] = storable
  }
  return copy ?? object
}

function isDropped(value: unknown): boolean {
  return typeof value === 'function' || typeof value === 'symbol'
}

function isPlain(object: object): boolean {
  return Object.getPrototypeOf(object) === Object.prototype
}
