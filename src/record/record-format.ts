import { crc32 } from 'node:zlib'
import { UnreadableRecordError } from '../errors.js'
import type { AttributeSection } from './attribute-section.js'
import { factsOf, type SessionFacts } from './session-facts.js'

/*
 * A stored record, format 2. Big-endian. Times are milliseconds in 48 bits.
 *
 *    0  2  "HF"
 *    2  1  format version, 2
 *    3  1  kind: 0 session, 1 tombstone
 *    4  4  CRC-32 (as in zlib) of everything else
 *    8  4  length of the whole record
 *   12  6  created at
 *   18  6  last accessed at
 *   24  4  era: see `SessionRecord`
 *   28  8  writer: the process that wrote it
 *   36  1  length of the key
 *   37  …  key (Latin-1)
 *    …  …  attribute section
 */

const FORMAT = 2
const HEADER = 37
const MAGIC_H = 72
const MAGIC_F = 70
const WRITER_LENGTH = 8
const MAX_ERA = 0xffffffff

export type RecordKind = 'session' | 'tombstone'

/** What one value in a storage node says: a session, or that a session was ended for good. */
export interface SessionRecord {
  kind: RecordKind
  /** The storage key that the record belongs under. */
  key: string
  createdAt: number
  accessedAt: number
  /** What was known of the storage nodes' failures when the session was last compared with all of its copies. */
  era: number
  /** The process that wrote this record: 8 Latin-1 characters. */
  writer: string
  /** Everything that can be changed. */
  attributes: AttributeSection
}

/** A record that was read, with what its section says beside attributes. */
export interface StoredRecord extends SessionRecord, SessionFacts {}

/** @param allocate gives the memory, which is written to the last byte. */
export function encodeRecord(record: SessionRecord, allocate: (length: number) => Buffer = Buffer.allocUnsafe): Buffer {
  const { key, attributes } = record
  const length = HEADER + key.length + attributes.length
  const out = allocate(length)
  out[0] = MAGIC_H
  out[1] = MAGIC_F
  out[2] = FORMAT
  out[3] = record.kind === 'session' ? 0 : 1
  out.writeUInt32BE(length, 8)
  out.writeUIntBE(record.createdAt, 12, 6)
  out.writeUIntBE(record.accessedAt, 18, 6)
  out.writeUInt32BE(Math.min(record.era, MAX_ERA), 24)
  out.write(record.writer, 28, 'latin1')
  out[36] = key.length
  const at = HEADER + out.write(key, HEADER, 'latin1')
  out.write(attributes, at, 'latin1')
  out.writeUInt32BE(checksum(out), 4)
  return out
}

/**
 * Reads a record and proves that it is whole and belongs under `key`. Does not keep `bytes`.
 * @throws UnreadableRecordError with a reason.
 */
export function decodeRecord(bytes: Buffer, key: string): StoredRecord {
  checkFrame(bytes)
  const keyEnd = HEADER + (bytes[36] as number)
  if (keyEnd > bytes.length) throw unreadable('layout', 'its parts are longer than the record')
  const found = bytes.toString('latin1', HEADER, keyEnd)
  if (found !== key) throw unreadable('key', `it belongs to ${JSON.stringify(found)}, not to ${JSON.stringify(key)}`)
  const kind = bytes[3]
  if (kind !== 0 && kind !== 1) throw unreadable('layout', `unknown kind ${kind}`)
  const attributes = bytes.toString('latin1', keyEnd)
  return {
    kind: kind === 0 ? 'session' : 'tombstone',
    key: found,
    createdAt: bytes.readUIntBE(12, 6),
    accessedAt: bytes.readUIntBE(18, 6),
    era: bytes.readUInt32BE(24),
    writer: bytes.toString('latin1', 28, 28 + WRITER_LENGTH),
    attributes,
    ...factsOf(attributes),
  }
}

function checksum(bytes: Buffer): number {
  return crc32(bytes.subarray(8), crc32(bytes.subarray(0, 4)))
}

function checkFrame(bytes: Buffer): void {
  if (bytes.length < HEADER) throw unreadable('truncated', `${bytes.length} bytes are less than a header`)
  if (bytes[0] !== MAGIC_H || bytes[1] !== MAGIC_F) throw unreadable('magic', 'it does not begin as a record does')
  if (bytes[2] !== FORMAT) throw unreadable('format', `format ${bytes[2]} is not known, only ${FORMAT}`)
  const length = bytes.readUInt32BE(8)
  if (length !== bytes.length) throw unreadable('truncated', `${bytes.length} of ${length} bytes`)
  if (checksum(bytes) !== bytes.readUInt32BE(4)) throw unreadable('checksum', 'its checksum does not match')
}

function unreadable(reason: UnreadableRecordError['reason'], detail: string): UnreadableRecordError {
  return new UnreadableRecordError(reason, `the stored record is unreadable: ${detail}`)
}
