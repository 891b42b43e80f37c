import { UnreadableRecordError } from '../../errors.js'
import type { AttributeCodec } from '../attribute-codec.js'
import { loadPackage } from './load-package.js'
import { MapEntries, mapFrom, storableValue } from './msgpack-values.js'

/** What we use of msgpackr. */
interface Msgpackr {
  Packr: new (options: object) => { pack(value: unknown): Buffer; unpack(bytes: Uint8Array): unknown }
  addExtension(extension: object): void
}

/* Extension types: a letter each, as msgpackr has them. The others are msgpackr's own and nothing that we write. */
const MAP = 0x6d
const UNUSED = { bundle: 0x62, error: 0x65, pointer: 0x70, reference: 0x69, regExp: 0x78 }

/*
 * No records: they share structures among calls, so that equal values would not give equal bytes. Sets, typed arrays and large
 * BigInts are `moreTypes`; whatever is read is copied out of the bytes.
 */
const options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  moreTypes: true,
  copyBuffers: true,
  structuredClone: false,
  useToJSON: false,
}

let loaded: InstanceType<Msgpackr['Packr']> | undefined

/** Loads msgpackr. @throws Error with an instruction when it is not installed. */
export function loadMsgpack(): InstanceType<Msgpackr['Packr']> {
  loaded ??= create()
  return loaded
}

/* Extensions count for a whole copy of msgpackr: this one generates no code, and applications hardly ever use it. */
function create(): InstanceType<Msgpackr['Packr']> {
  const { Packr, addExtension } = loadPackage<Msgpackr>('msgpack', 'msgpackr', 'msgpackr/index-no-eval')
  for (const type of Object.values(UNUSED)) addExtension({ type, unpack: refuse })
  addExtension({ Class: MapEntries, type: MAP, write: ({ list }: MapEntries) => list, read: mapFrom })
  return new Packr(options)
}

function refuse(): never {
  throw new TypeError('it holds something that is never written')
}

/**
 * MessagePack: keeps Date, Map, Set, BigInt, Buffer, typed arrays, `undefined` and NaN. Functions and symbols are not stored; `toJSON` is
 * called where there is one; halves of surrogate pairs become U+FFFD; -0 becomes 0. Throws on cycles and beyond 500 levels.
 */
export const msgpackCodec = {
  id: 'msgpack',

  encode(value: unknown): Buffer | undefined {
    const storable = storableValue(value)
    return storable === undefined ? undefined : loadMsgpack().pack(storable)
  },

  decode(bytes: Buffer): unknown {
    const msgpack = loadMsgpack()
    try {
      /* msgpackr leaves a property on what it gets. */
      return msgpack.unpack(bytes.subarray())
    } catch (cause) {
      /* Its message may quote what was read, which belongs into no log. */
      throw new UnreadableRecordError('value', 'the bytes are no MessagePack value', { cause })
    }
  },
} satisfies AttributeCodec
