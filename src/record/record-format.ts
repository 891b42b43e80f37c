import { crc32 } from 'node:zlib'
import { UnreadableRecordError } from '../errors.js'

/*
 * A stored record, format 1. Big-endian. Times and durations are milliseconds in 48 bits.
 *
 *    0  2  "HF"
 *    2  1  format version, 1
 *    3  1  kind: 0 session, 1 tombstone
 *    4  4  CRC-32 (as in zlib) of everything else
 *    8  4  length of the whole record
 *   12  6  record version
 *   18  6  created at
 *   24  6  last accessed at
 *   30  6  idle timeout, 0: none
 *   36  6  absolute deadline, 0: none
 *   42  8  writer: the process that wrote it
 *   50  1  length of the key       51  1  length of the owner      52  2  length of the cookie's JSON
 *   54  …  key, owner, cookie (UTF-8)
 *    …  …  attribute section
 *
 * An attribute section, which sessions in memory keep as it is:
 *
 *    0  1  number of codecs, then each: 1 length, id (Latin-1)
 *    …  4  number of attributes, then each: 2 length of the name, 1 index of the codec, 4 length of the value, name (UTF-8)
 *    …  …  the values, in the same order
 */

const FORMAT = 1
const HEADER = 54
const MAGIC_H = 72
const MAGIC_F = 70
const WRITER_LENGTH = 8
/** Bytes of an attribute's entry before its name. */
const ENTRY = 7
const MAX_NAME_BYTES = 0xffff
const MAX_ATTRIBUTES = 100_000

export type RecordKind = 'session' | 'tombstone'

/** What one value in a storage node says: a session, or that a session was ended for good. */
export interface SessionRecord {
  kind: RecordKind
  /** The storage key that the record belongs under. */
  key: string
  /** Grows with every write; a write made from an older version is refused. */
  version: number
  createdAt: number
  accessedAt: number
  idleTimeout: number
  absoluteDeadline: number
  /** Route of the server whose copy counts; a process' own name where there are no routes; empty in non-sticky mode. */
  owner: string
  /** The process that wrote this record: 8 Latin-1 characters. */
  writer: string
  /** What the session's own cookie settings differ in, as JSON; empty: nothing. */
  cookie: string
  attributes: AttributeSection
}

/**
 * Bytes as a string of one Latin-1 character each. What stays in memory is kept so: a string costs less than a buffer
 * to hold, to compare and to collect.
 */
export type ByteString = string

/** Encoded attributes in one piece, as they stand in a record. Opaque outside this file. */
export type AttributeSection = ByteString

/** One attribute in its stored form. */
export interface EncodedAttribute {
  name: string
  codec: string
  bytes: ByteString
}

/** The section of a session without attributes. */
export const emptySection: AttributeSection = '\0\0\0\0\0'

export function toByteString(bytes: Uint8Array): ByteString {
  return asBuffer(bytes).toString('latin1')
}

export function fromByteString(bytes: ByteString): Buffer {
  return Buffer.from(bytes, 'latin1')
}

/** Whether a name can be stored at all: one that is too long, or has half a surrogate pair, can't be found again. */
export function isStorableName(name: string): boolean {
  return isText(name) && (name.length <= MAX_NAME_BYTES / 3 || Buffer.byteLength(name) <= MAX_NAME_BYTES)
}

/** @param allocate gives the memory, which is written to the last byte. */
export function encodeRecord(record: SessionRecord, allocate: (length: number) => Buffer = Buffer.allocUnsafe): Buffer {
  const { key, owner, cookie, attributes } = record
  const cookieLength = Buffer.byteLength(cookie)
  const length = HEADER + key.length + owner.length + cookieLength + attributes.length
  const out = allocate(length)
  out[0] = MAGIC_H
  out[1] = MAGIC_F
  out[2] = FORMAT
  out[3] = record.kind === 'session' ? 0 : 1
  out.writeUInt32BE(length, 8)
  out.writeUIntBE(record.version, 12, 6)
  out.writeUIntBE(record.createdAt, 18, 6)
  out.writeUIntBE(record.accessedAt, 24, 6)
  out.writeUIntBE(record.idleTimeout, 30, 6)
  out.writeUIntBE(record.absoluteDeadline, 36, 6)
  out.write(record.writer, 42, 'latin1')
  out[50] = key.length
  out[51] = owner.length
  out.writeUInt16BE(cookieLength, 52)
  let at = HEADER
  at += out.write(key, at, 'latin1')
  at += out.write(owner, at, 'latin1')
  at += out.write(cookie, at, 'utf8')
  out.write(attributes, at, 'latin1')
  out.writeUInt32BE(checksum(out), 4)
  return out
}

/**
 * Reads a record and proves that it is whole and belongs under `key`. Does not keep `bytes`.
 * @throws UnreadableRecordError with a reason.
 */
export function decodeRecord(bytes: Buffer, key: string): SessionRecord {
  checkFrame(bytes)
  const keyEnd = HEADER + (bytes[50] as number)
  const ownerEnd = keyEnd + (bytes[51] as number)
  const cookieEnd = ownerEnd + bytes.readUInt16BE(52)
  if (cookieEnd > bytes.length) throw unreadable('layout', 'its parts are longer than the record')
  const found = bytes.toString('latin1', HEADER, keyEnd)
  if (found !== key) throw unreadable('key', `it belongs to ${JSON.stringify(found)}, not to ${JSON.stringify(key)}`)
  const kind = bytes[3]
  if (kind !== 0 && kind !== 1) throw unreadable('layout', `unknown kind ${kind}`)
  const attributes = bytes.toString('latin1', cookieEnd)
  decodeSection(attributes)
  return {
    kind: kind === 0 ? 'session' : 'tombstone',
    key: found,
    version: bytes.readUIntBE(12, 6),
    createdAt: bytes.readUIntBE(18, 6),
    accessedAt: bytes.readUIntBE(24, 6),
    idleTimeout: bytes.readUIntBE(30, 6),
    absoluteDeadline: bytes.readUIntBE(36, 6),
    writer: bytes.toString('latin1', 42, 42 + WRITER_LENGTH),
    owner: bytes.toString('latin1', keyEnd, ownerEnd),
    cookie: bytes.toString('utf8', ownerEnd, cookieEnd),
    attributes,
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

const SCRATCH_SIZE = 64 * 1024
let scratch: Buffer | undefined

/**
 * Memory for bytes that are copied elsewhere before anybody else can ask for some: one piece is used again and again.
 * Larger pieces than 64 KiB are allocated.
 */
export function scratchMemory(length: number): Buffer {
  if (length > SCRATCH_SIZE) return Buffer.allocUnsafe(length)
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH_SIZE)
  return scratch.subarray(0, length)
}

/** Packs attributes. Names must be storable. */
export function encodeSection(attributes: Iterable<EncodedAttribute>): AttributeSection {
  const list = [...attributes]
  const codecs = [...new Set(list.map((attribute) => attribute.codec))]
  const out = scratchMemory(sectionLength(list, codecs))
  let at = 0
  out[at++] = codecs.length
  for (const codec of codecs) {
    out[at++] = codec.length
    at += out.write(codec, at, 'latin1')
  }
  at = out.writeUInt32BE(list.length, at)
  for (const { name, codec, bytes } of list) {
    const nameLength = out.write(name, at + ENTRY, 'utf8')
    out.writeUInt16BE(nameLength, at)
    out[at + 2] = codecs.indexOf(codec)
    out.writeUInt32BE(bytes.length, at + 3)
    at += ENTRY + nameLength
  }
  for (const { bytes } of list) at += out.write(bytes, at, 'latin1')
  return out.toString('latin1')
}

function sectionLength(list: readonly EncodedAttribute[], codecs: readonly string[]): number {
  let length = 5
  for (const codec of codecs) length += 1 + codec.length
  for (const { name, bytes } of list) length += ENTRY + Buffer.byteLength(name) + bytes.length
  return length
}

/**
 * The attributes of a section.
 * @throws UnreadableRecordError when the section's lengths don't fit.
 */
export function decodeSection(section: AttributeSection): EncodedAttribute[] {
  const reader = new SectionReader(section)
  const list: EncodedAttribute[] = []
  const lengths: number[] = []
  for (let i = 0; i < reader.count; i++) {
    const nameLength = reader.uint16()
    const codec = reader.codecs[reader.uint8()]
    lengths.push(reader.uint32())
    const name = fromUtf8(reader.bytes(nameLength))
    if (codec === undefined) throw unreadable('layout', `attribute ${JSON.stringify(name)} names no codec`)
    list.push({ name, codec, bytes: '' })
  }
  list.forEach((attribute, i) => {
    attribute.bytes = reader.bytes(lengths[i] as number)
  })
  reader.end()
  return list
}

/** One attribute of a section, without a look at the others. */
export function findInSection(section: AttributeSection, name: string): EncodedAttribute | undefined {
  const place = locate(section, name)
  if (place === undefined) return undefined
  const { codec, valueAt, valueLength } = place
  return { name, codec, bytes: section.slice(valueAt, valueAt + valueLength) }
}

/**
 * A section with another value for one attribute; the rest is copied as it is.
 * `undefined`: the attribute is not there, or was encoded by another codec; pack anew then.
 */
export function replaceInSection(section: AttributeSection, changed: EncodedAttribute): AttributeSection | undefined {
  const place = locate(section, changed.name)
  if (place === undefined || place.codec !== changed.codec) return undefined
  const { lengthAt, valueAt, valueLength } = place
  const { bytes } = changed
  const out = scratchMemory(section.length - valueLength + bytes.length)
  out.write(section, 0, valueAt, 'latin1')
  out.writeUInt32BE(bytes.length, lengthAt)
  out.write(bytes, valueAt, 'latin1')
  out.write(section.slice(valueAt + valueLength), valueAt + bytes.length, 'latin1')
  return out.toString('latin1')
}

interface Place {
  codec: string
  lengthAt: number
  valueAt: number
  valueLength: number
}

/* Sections in memory have been checked when they were decoded, or are our own: here they are only walked. */
function locate(section: AttributeSection, name: string): Place | undefined {
  if (!isText(name)) return undefined
  const wanted = toUtf8(name)
  const reader = new SectionReader(section)
  let found: Place | undefined
  let offset = 0
  for (let i = 0; i < reader.count; i++) {
    const nameLength = reader.uint16()
    const codec = reader.codecs[reader.uint8()]
    const lengthAt = reader.at
    const valueLength = reader.uint32()
    if (nameLength === wanted.length && codec !== undefined && section.startsWith(wanted, reader.at)) {
      found = { codec, lengthAt, valueAt: offset, valueLength }
    }
    reader.at += nameLength
    offset += valueLength
  }
  if (found !== undefined) found.valueAt += reader.at
  return found
}

class SectionReader {
  at = 0
  readonly codecs: string[] = []
  readonly count: number
  private readonly section: AttributeSection

  constructor(section: AttributeSection) {
    this.section = section
    for (let left = this.uint8(); left > 0; left--) this.codecs.push(this.bytes(this.uint8()))
    this.count = this.uint32()
    if (this.count > MAX_ATTRIBUTES) throw unreadable('layout', `${this.count} attributes`)
  }

  uint8(): number {
    if (this.at >= this.section.length) throw tooShort()
    return this.section.charCodeAt(this.at++)
  }

  uint16(): number {
    return this.uint8() * 256 + this.uint8()
  }

  uint32(): number {
    return this.uint16() * 65_536 + this.uint16()
  }

  bytes(length: number): ByteString {
    const from = this.at
    this.at += length
    if (this.at > this.section.length) throw tooShort()
    return this.section.slice(from, this.at)
  }

  end(): void {
    if (this.at !== this.section.length) throw unreadable('layout', `${this.section.length - this.at} bytes too many`)
  }
}

const NOT_ASCII = /[^\0-\x7f]/
const HALF_CHARACTER = /\p{Surrogate}/u

function isText(name: string): boolean {
  return !NOT_ASCII.test(name) || !HALF_CHARACTER.test(name)
}

function toUtf8(text: string): ByteString {
  return NOT_ASCII.test(text) ? toByteString(Buffer.from(text, 'utf8')) : text
}

function fromUtf8(bytes: ByteString): string {
  return NOT_ASCII.test(bytes) ? fromByteString(bytes).toString('utf8') : bytes
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function tooShort(): UnreadableRecordError {
  return unreadable('layout', 'its attributes are longer than the record')
}

function unreadable(reason: UnreadableRecordError['reason'], detail: string): UnreadableRecordError {
  return new UnreadableRecordError(reason, `the stored record is unreadable: ${detail}`)
}
