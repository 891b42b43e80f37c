import { createHash, randomBytes } from 'node:crypto'
import { largestValueBytes } from '../item-size.js'

/*
 * What stands under the key of a value that is stored in parts. Big-endian.
 *
 *    0  4  "HF" 0xff "P": for whoever expects a session's record it is one in a later format, which is left alone
 *    4  4  length of the value
 *    8  4  length of a part; the last one has what is left
 *   12  8  id of the write
 *   20  …  16 bytes for each part: the first half of the SHA-256 of what is in it
 */

const MAGIC = Buffer.from([0x48, 0x46, 0xff, 0x50])
const HEADER = 20
const ID_AT = 12
const DIGEST = 16

/** Where a slice of a value is stored. */
export interface Part {
  /** The part's key without what all keys begin with. */
  readonly name: string
  readonly at: number
  readonly length: number
}

/**
 * The list of a value's parts. The name of a part holds the id of the write beside the digest: so no two heads name the same part, and
 * whoever has replaced a head can remove its parts without a look at any other.
 */
export interface PartsHead {
  readonly bytes: Buffer
  /** Length of the value. */
  readonly length: number
  /** Of the write; no other one has it. */
  readonly id: string
  readonly parts: readonly Part[]
}

/** Whether that is a head. A value that begins so is stored in parts, however small it is: so there is no doubt. */
export function isHead(bytes: Uint8Array): boolean {
  return bytes.length >= MAGIC.length && MAGIC.every((byte, at) => bytes[at] === byte)
}

/** The head of a value that is about to be written in parts of that length. */
export function cutIntoParts(value: Buffer, partBytes: number): PartsHead {
  const count = Math.ceil(value.length / partBytes)
  const bytes = Buffer.alloc(HEADER + count * DIGEST)
  MAGIC.copy(bytes)
  bytes.writeUInt32BE(value.length, 4)
  bytes.writeUInt32BE(partBytes, 8)
  randomBytes(8).copy(bytes, ID_AT)
  for (let index = 0; index < count; index++) {
    digestOf(value.subarray(index * partBytes, (index + 1) * partBytes)).copy(bytes, HEADER + index * DIGEST)
  }
  return layOut(bytes, value.length, partBytes)
}

/** @returns `undefined` when it tells of no value that could have been written. */
export function readHead(bytes: Buffer): PartsHead | undefined {
  if (bytes.length < HEADER || !isHead(bytes)) return undefined
  const length = bytes.readUInt32BE(4)
  const partBytes = bytes.readUInt32BE(8)
  const isWhole = partBytes > 0 && bytes.length === HEADER + Math.ceil(length / partBytes) * DIGEST
  return isWhole && length <= largestValueBytes ? layOut(bytes, length, partBytes) : undefined
}

/** Whether those bytes are the part. */
export function isPart({ name, length }: Part, bytes: Buffer): boolean {
  if (bytes.length !== length) return false
  const digest = Buffer.from(name, 'base64url').subarray(HEADER - ID_AT)
  return digest.equals(digestOf(bytes))
}

function layOut(bytes: Buffer, length: number, partBytes: number): PartsHead {
  const id = bytes.subarray(ID_AT, HEADER)
  const parts: Part[] = []
  for (let at = 0; at < length; at += partBytes) {
    const digestAt = HEADER + parts.length * DIGEST
    const name = Buffer.concat([id, bytes.subarray(digestAt, digestAt + DIGEST)]).toString('base64url')
    parts.push({ name, at, length: Math.min(partBytes, length - at) })
  }
  return { bytes, length, id: id.toString('base64url'), parts }
}

function digestOf(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest().subarray(0, DIGEST)
}
