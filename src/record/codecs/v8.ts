import v8 from 'node:v8'
import type { AttributeCodec } from '../attribute-codec.js'
import { PROTOTYPE_KEY, removePrototypeKey } from './prototype-key.js'

const IN_ONE_BYTE_TEXT = Buffer.from(PROTOTYPE_KEY, 'latin1')
const IN_TWO_BYTE_TEXT = Buffer.from(PROTOTYPE_KEY, 'utf16le')

/**
 * Node's structured clone: keeps nearly everything, cycles and shared references too. Throws on functions and symbols.
 *
 * Only for storage that nobody else can write: V8 does not promise that reading hostile bytes is safe, nor that an older
 * version of Node reads what a newer one wrote.
 */
export const v8Codec = {
  id: 'v8',

  /*
   * V8 writes values as they lie in memory: a computed 1 may have other bytes than a literal one. Once read back numbers lie the same way
   * each time, so that a value that was only read gives the bytes that it came from. A text that was cut out of one with other characters
   * still differs from its equal: at worst, assigning it writes once more than needed.
   */
  encode(value: unknown): Buffer | undefined {
    return value === undefined ? undefined : v8.serialize(v8.deserialize(v8.serialize(value)))
  },

  decode(bytes: Buffer): unknown {
    /* Of a copy: typed arrays come back as views of the memory that was read. */
    const value: unknown = v8.deserialize(Buffer.from(bytes))
    if (bytes.includes(IN_ONE_BYTE_TEXT) || bytes.includes(IN_TWO_BYTE_TEXT)) removeKeys(value)
    return value
  },
} satisfies AttributeCodec

/** Goes through everything once, cycles or not, without recursion: such values can be very deep. */
function removeKeys(root: unknown): void {
  const seen = new Set<object>()
  const waiting = [root]
  while (waiting.length > 0) {
    const value = waiting.pop()
    if (typeof value !== 'object' || value === null || seen.has(value)) continue
    seen.add(value)
    removePrototypeKey(value)
    for (const part of partsOf(value)) waiting.push(part)
  }
}

function partsOf(value: object): Iterable<unknown> {
  if (value instanceof Map) return [...value.keys(), ...value.values()]
  if (value instanceof Set) return value
  return ArrayBuffer.isView(value) ? [] : Object.values(value)
}
