import { type UnreadableReason, UnreadableRecordError } from '../../errors.js'

/*
 * A wrapped record, form 1: a whole record (record-format.ts) that was compressed, encrypted, or first the one and then the
 * other. Big-endian.
 *
 *    0  2  "HW"; a plain record begins with "HF"
 *    2  1  version of this form, 1
 *    3  1  compression: 0 none, 1 gzip, 2 deflate (zlib), 3 brotli, 4 zstd
 *    4  1  encryption: 0 none, 1 AES-256-GCM
 *    5  4  length of the whole
 *    9  4  length of the record inside
 *   13  …  with encryption only:
 *             1  length of the key's id
 *             …  the key's id (ASCII)
 *            16  salt of the subkey
 *             4  number of the record under that subkey, which makes the nonce
 *            16  authentication tag of everything before it, the body, and the storage key
 *    …  …  body
 */

const MAGIC_H = 72
const MAGIC_W = 87
const MAGIC_F = 70
const FORM = 1
const FIXED = 13
export const SALT_LENGTH = 16
export const TAG_LENGTH = 16
const NUMBER_LENGTH = 4
const KEY_ID = /^[A-Za-z0-9_.-]{1,32}$/

/** What the header says. */
export interface Wrapping {
  /** Number of the algorithm, 0: none. */
  compression: number
  /** Length of the record inside. */
  plainLength: number
  /** `undefined`: not encrypted. */
  encryption: EncryptionHeader | undefined
}

export interface EncryptionHeader {
  keyId: string
  salt: Buffer
  number: number
}

/** The parts of a wrapped record: views of one piece of memory. */
export interface WrappedRecord extends Wrapping {
  bytes: Buffer
  /** Everything before the tag: what is authenticated beside the body. */
  head: Buffer
  /** Empty without encryption. */
  tag: Buffer
  body: Buffer
}

export function isKeyId(text: string): boolean {
  return KEY_ID.test(text)
}

export function isWrapped(bytes: Buffer): boolean {
  return bytes.length > 1 && bytes[0] === MAGIC_H && bytes[1] === MAGIC_W
}

export function looksPlain(bytes: Buffer): boolean {
  return bytes.length > 1 && bytes[0] === MAGIC_H && bytes[1] === MAGIC_F
}

/** A wrapped record whose tag and body the caller is to fill in. */
export function layOut(wrapping: Wrapping, bodyLength: number): WrappedRecord {
  const { compression, plainLength, encryption } = wrapping
  const headEnd = FIXED + (encryption === undefined ? 0 : 1 + encryption.keyId.length + SALT_LENGTH + NUMBER_LENGTH)
  const bodyAt = headEnd + (encryption === undefined ? 0 : TAG_LENGTH)
  const bytes = Buffer.allocUnsafe(bodyAt + bodyLength)
  bytes[0] = MAGIC_H
  bytes[1] = MAGIC_W
  bytes[2] = FORM
  bytes[3] = compression
  bytes[4] = encryption === undefined ? 0 : 1
  bytes.writeUInt32BE(bytes.length, 5)
  bytes.writeUInt32BE(plainLength, 9)
  if (encryption !== undefined) writeEncryption(bytes, encryption)
  return { ...wrapping, ...partsOf(bytes, headEnd, bodyAt) }
}

/**
 * Reads the header; proves nothing but that the lengths fit. Keeps views of `bytes`.
 * @throws UnreadableRecordError with a reason.
 */
export function parseWrapped(bytes: Buffer): WrappedRecord {
  if (bytes.length < FIXED) throw unreadable('truncated', `${bytes.length} bytes are less than a header`)
  if (bytes[2] !== FORM) throw unreadable('format', `form ${bytes[2]} of wrapped records is not known, only ${FORM}`)
  const length = bytes.readUInt32BE(5)
  if (length !== bytes.length) throw unreadable('truncated', `${bytes.length} of ${length} bytes`)
  const compression = bytes[3] as number
  const plainLength = bytes.readUInt32BE(9)
  if (bytes[4] === 0) return { compression, plainLength, encryption: undefined, ...partsOf(bytes, FIXED, FIXED) }
  if (bytes[4] !== 1) throw unreadable('encryption', `encryption ${bytes[4]} is not known`)
  const headEnd = FIXED + 1 + (bytes[FIXED] ?? 0) + SALT_LENGTH + NUMBER_LENGTH
  const bodyAt = headEnd + TAG_LENGTH
  if (bodyAt > bytes.length) throw unreadable('layout', 'its header is longer than the record')
  return { compression, plainLength, encryption: readEncryption(bytes, headEnd), ...partsOf(bytes, headEnd, bodyAt) }
}

function writeEncryption(bytes: Buffer, { keyId, salt, number }: EncryptionHeader): void {
  bytes[FIXED] = keyId.length
  const saltAt = FIXED + 1 + bytes.write(keyId, FIXED + 1, 'latin1')
  salt.copy(bytes, saltAt)
  bytes.writeUInt32BE(number, saltAt + SALT_LENGTH)
}

function readEncryption(bytes: Buffer, headEnd: number): EncryptionHeader {
  const numberAt = headEnd - NUMBER_LENGTH
  const saltAt = numberAt - SALT_LENGTH
  const keyId = bytes.toString('latin1', FIXED + 1, saltAt)
  if (!isKeyId(keyId)) throw unreadable('layout', 'its key id is malformed')
  return { keyId, salt: bytes.subarray(saltAt, numberAt), number: bytes.readUInt32BE(numberAt) }
}

function partsOf(bytes: Buffer, headEnd: number, bodyAt: number) {
  return {
    bytes,
    head: bytes.subarray(0, headEnd),
    tag: bytes.subarray(headEnd, bodyAt),
    body: bytes.subarray(bodyAt),
  }
}

export function unreadable(reason: UnreadableReason, detail: string, cause?: unknown): UnreadableRecordError {
  const message = `the stored record is unreadable: ${detail}`
  return new UnreadableRecordError(reason, message, cause === undefined ? {} : { cause })
}
