import { createAvroCodec } from '../../../dist/record/codecs/avro.js'
import { jsonCodec } from '../../../dist/record/codecs/json.js'
import { jsonDatesCodec } from '../../../dist/record/codecs/json-dates.js'
import { msgpackCodec } from '../../../dist/record/codecs/msgpack.js'
import { v8Codec } from '../../../dist/record/codecs/v8.js'
import { schemas } from './sessions.js'

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {(session: object) => unknown} encode
 * @property {(encoded: unknown) => object} decode
 * @property {(encoded: unknown) => number} size in bytes
 */

/** What the others are compared with: a session as one JSON text. */
export const REFERENCE = 'JSON.stringify / parse'
export const SMALLEST = '`avro`'

const avro = createAvroCodec(
  new Map(Object.entries(schemas).map(([name, current]) => [name, { current, previous: [] }])),
)

/** @type {Subject[]} */
export const subjects = [
  { name: REFERENCE, encode: JSON.stringify, decode: JSON.parse, size: Buffer.byteLength },
  ofAttributes('`json`', jsonCodec),
  ofAttributes('`json`, `dates: true`', jsonDatesCodec),
  ofAttributes('`msgpack`', msgpackCodec),
  ofAttributes('`v8`', v8Codec),
  ofAttributes(SMALLEST, avro),
]

/* As Holdfast does it: each attribute by itself. @returns {Subject} */
function ofAttributes(name, codec) {
  return {
    name,
    encode: (session) => Object.keys(session).map((key) => [key, codec.encode(session[key], key)]),
    decode(encoded) {
      const session = {}
      for (const [key, bytes] of encoded) session[key] = codec.decode(bytes, key)
      return session
    },
    size: (encoded) => encoded.reduce((sum, [key, bytes]) => sum + Buffer.byteLength(key) + bytes.length, 0),
  }
}
