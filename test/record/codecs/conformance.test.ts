import fc from 'fast-check'
import { describe, it } from 'vitest'
import type { AttributeCodec } from '../../../src/record/attribute-codec.js'
import { createAvroCodec } from '../../../src/record/codecs/avro.js'
import { jsonCodec } from '../../../src/record/codecs/json.js'
import { jsonDatesCodec } from '../../../src/record/codecs/json-dates.js'
import { msgpackCodec } from '../../../src/record/codecs/msgpack.js'
import { v8Codec } from '../../../src/record/codecs/v8.js'
import { type CodecUnderTest, codecConformance } from '../../../src/testing/conformance/codec.js'
import { everyType, everyTypeSchema } from './avro-values.js'

const run = (title: string, subject: CodecUnderTest): void => codecConformance(title, subject, { describe, it })

run('json', { codec: jsonCodec, keeps: ['lone surrogates'] })

run('json with dates', { codec: jsonDatesCodec, keeps: ['Date', 'invalid Date', 'lone surrogates'] })

run('msgpack', {
  codec: msgpackCodec,
  keeps: [
    'Date',
    'invalid Date',
    'Map',
    'Set',
    'BigInt',
    'Buffer',
    'Uint8Array',
    'typed arrays',
    'undefined inside',
    'NaN and infinities',
  ],
})

run('v8', {
  codec: v8Codec,
  keeps: [
    'Date',
    'invalid Date',
    'Map',
    'Set',
    'BigInt',
    'Buffer',
    'Uint8Array',
    'typed arrays',
    'undefined inside',
    'NaN and infinities',
    'negative zero',
    'holes',
    'lone surrogates',
    'RegExp',
    'Error',
    'cycles',
  ],
})

run('avro', {
  codec: createAvroCodec(new Map([['everything', { current: everyTypeSchema, previous: [] }]])),
  name: 'everything',
  values: fc.sample(everyType, { numRuns: 100, seed: 3 }),
})

const reversed: AttributeCodec = {
  id: 'reversed',
  encode: (value) => jsonCodec.encode(value)?.reverse(),
  decode: (bytes) => jsonCodec.decode(Buffer.from(bytes).reverse()),
}

run('a codec of an application', { codec: reversed, keeps: ['lone surrogates'] })
