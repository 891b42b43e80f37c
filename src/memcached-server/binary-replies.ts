import { NO_BYTES, Status } from '../memcached-wire/binary.js'

/** One answer of the server. Opcode and opaque are taken from the request. */
export interface Reply {
  status: number
  cas: bigint
  extras: Buffer
  key: Buffer
  value: Buffer
}

const errorTexts: Readonly<Record<number, Buffer>> = {
  [Status.notFound]: Buffer.from('Not found'),
  [Status.exists]: Buffer.from('Key exists'),
  [Status.tooLarge]: Buffer.from('Too large'),
  [Status.invalid]: Buffer.from('Invalid arguments'),
  [Status.notStored]: Buffer.from('Not stored'),
  [Status.notNumeric]: Buffer.from('Value is not a number'),
  [Status.unknownCommand]: Buffer.from('Unknown command'),
  [Status.outOfMemory]: Buffer.from('Out of memory'),
}

export function okReply(cas = 0n, value: Buffer = NO_BYTES): Reply {
  return { status: Status.ok, cas, extras: NO_BYTES, key: NO_BYTES, value }
}

/** An error carries a text for people as its value. */
export function errorReply(status: number): Reply {
  return { status, cas: 0n, extras: NO_BYTES, key: NO_BYTES, value: errorTexts[status] ?? NO_BYTES }
}
