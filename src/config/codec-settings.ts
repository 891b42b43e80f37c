import type { AttributeCodec } from '../record/attribute-codec.js'
import { jsonCodec } from '../record/codecs/json.js'
import { jsonDatesCodec } from '../record/codecs/json-dates.js'
import { msgpackCodec } from '../record/codecs/msgpack.js'

/** Which codec writes which attribute, and which ones read. */
export class CodecSettings {
  /** Writes attributes without a codec of their own. */
  readonly writer: AttributeCodec
  /** The codec of an attribute's own, if it has one. */
  readonly writerFor: ((name: string) => AttributeCodec | undefined) | undefined
  /** By the id that records name: those that write, those that only read, and the built-in ones that need no options. */
  readonly readers: ReadonlyMap<string, AttributeCodec>
  /** For people. */
  readonly description: string

  constructor(choice: CodecChoice, readers: Iterable<AttributeCodec>) {
    this.writer = choice.writer
    this.writerFor = choice.writerFor
    this.readers = new Map([...builtIn, ...readers].map((codec) => [codec.id, codec]))
    this.description = choice.description
  }
}

/** What writes. */
export interface CodecChoice {
  readonly writer: AttributeCodec
  readonly writerFor: ((name: string) => AttributeCodec | undefined) | undefined
  /** Every codec that may write. */
  readonly codecs: readonly AttributeCodec[]
  readonly description: string
}

const builtIn: readonly AttributeCodec[] = [jsonCodec, jsonDatesCodec, msgpackCodec]

/** Ids that own codecs can't have. */
export const reservedIds: readonly string[] = [...builtIn.map(({ id }) => id), 'v8', 'avro']

/** One codec for everything. */
export function oneCodec(codec: AttributeCodec): CodecChoice {
  return { writer: codec, writerFor: undefined, codecs: [codec], description: codec.id }
}
