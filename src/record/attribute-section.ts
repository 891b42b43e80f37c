import { UnreadableRecordError } from '../errors.js'
import { type ByteString, fromUtf8, isText, scratchMemory, toUtf8 } from './byte-string.js'
import { compareStamps, type Stamp } from './stamp.js'

/*
 * What a session consists of, in one piece: entries by name, each with the stamp of its last change. Numbers marked "v" are
 * unsigned LEB128, the others big-endian; times are milliseconds.
 *
 *    0  6  base: the times of entries count from here
 *    6  6  the latest change, of whatever kind; no entry is later
 *   12  v  number of processes, then each: 6 bytes
 *    …  1  number of codecs, then each: 1 length, id (Latin-1)
 *    …  v  number of entries, then each:
 *          v length of the name
 *          1 index of the codec; 254: no codec, the bytes are our own; 255: the entry is a removal
 *          v length of the value, v time after the base, v index of the process, name (UTF-8)
 *    …  …  the values, in the same order
 *
 * Names that begin with a zero byte are ours: what belongs to a session beside its attributes and can be changed.
 */

const BASE = 0
const LATEST = 6
const PROCESSES = 12
const PROCESS_BYTES = 6
const OWN_BYTES = 254
const REMOVED = 255
const MAX_CODECS = 254
const MAX_NAME_BYTES = 0xffff
const MAX_ENTRIES = 100_000
const MAX_TIME = 2 ** 48 - 1
/** More removals than these are not remembered, the oldest go. */
const MAX_REMOVALS = 1000

/** Encoded entries in one piece, as they stand in a record. Opaque outside this file. */
export type AttributeSection = ByteString

/** One attribute in its stored form. */
export interface EncodedAttribute {
  name: string
  /** Id of the codec; `OURS`: none. */
  codec: string
  bytes: ByteString
}

/** A new value for a name; `bytes` undefined: the name is removed. */
export interface Change {
  name: string
  codec: string
  bytes: ByteString | undefined
  /** It was removed and set again: it comes last, as a property of an object does. */
  moved?: boolean
}

/** One entry of a section. */
export interface SectionEntry extends Change, Stamp {}

/** In the place of a codec's id: the bytes are our own. */
export const OURS = '\0'

/** The section of a session without entries. */
export const emptySection: AttributeSection = '\0'.repeat(PROCESSES + 3)

/** Whether an attribute of that name can be stored: one that is too long, or has half a surrogate pair, can't be found again. */
export function isStorableName(name: string): boolean {
  return (
    !isReserved(name) &&
    isText(name) &&
    (name.length <= MAX_NAME_BYTES / 3 || Buffer.byteLength(name) <= MAX_NAME_BYTES)
  )
}

/** Whether a name stands for something of the session's other than an attribute. */
export function isReserved(name: string): boolean {
  return name.charCodeAt(0) === 0
}

/** The time of the latest change; 0: there was none. */
export function latestChange(section: AttributeSection): number {
  return uint48At(section, LATEST)
}

/**
 * Packs entries; the names must be different and storable, or reserved.
 * @param latest the time of a change that has no entry any more
 */
export function encodeSection(entries: readonly SectionEntry[], latest = 0): AttributeSection {
  if (entries.length === 0 && latest === 0) return emptySection
  const tables = tablesOf(entries, latest)
  const out = scratchMemory(sectionLength(entries, tables))
  let at = writeHead(out, tables)
  for (const entry of entries) at = writeEntry(out, at, entry, tables)
  for (const { bytes } of entries) if (bytes !== undefined) at += out.write(bytes, at, 'latin1')
  return out.toString('latin1', 0, at)
}

/**
 * All entries, removals and reserved names included.
 * @throws UnreadableRecordError when the section's lengths don't fit.
 */
export function decodeEntries(section: AttributeSection): SectionEntry[] {
  const reader = new SectionReader(section)
  const entries: SectionEntry[] = []
  const lengths: number[] = []
  for (let i = 0; i < reader.count; i++) {
    entries.push(reader.entry())
    lengths.push(reader.valueLength)
  }
  entries.forEach((entry, i) => {
    if (entry.codec !== '') entry.bytes = reader.bytes(lengths[i] as number)
  })
  reader.end()
  return entries
}

/**
 * The entries with reserved names; the rest is only checked.
 * @throws UnreadableRecordError when the section's lengths don't fit.
 */
export function reservedEntries(section: AttributeSection): SectionEntry[] {
  const reader = new SectionReader(section)
  const reserved: { entry: SectionEntry; offset: number; length: number }[] = []
  let offset = 0
  for (let i = 0; i < reader.count; i++) {
    const entry = reader.reservedEntry()
    if (entry !== undefined) reserved.push({ entry, offset, length: reader.valueLength })
    offset += reader.valueLength
  }
  const values = reader.at
  reader.at += offset
  reader.end()
  return reserved.map(({ entry, offset: from, length }) => {
    if (entry.codec !== '') entry.bytes = section.slice(values + from, values + from + length)
    return entry
  })
}

/** The attributes of a section. */
export function decodeSection(section: AttributeSection): EncodedAttribute[] {
  return decodeEntries(section).filter(isAttribute)
}

/** One value, without a look at the others; `undefined`: there is none, or it was removed. */
export function findInSection(section: AttributeSection, name: string): EncodedAttribute | undefined {
  const place = locate(section, name)
  if (place === undefined || place.codec === '') return undefined
  const { codec, valueAt, valueLength } = place
  return { name, codec, bytes: section.slice(valueAt, valueAt + valueLength) }
}

/** When a name was last set or removed; `undefined`: never, as far as the section knows. */
export function stampInSection(section: AttributeSection, name: string): Stamp | undefined {
  const place = locate(section, name)
  return place && { time: place.time, process: place.process }
}

/**
 * The section after changes, all with one stamp. A change to what is there already is none.
 * @param now the server's clock; the stamp is later than everything in the section
 * @param forgetBefore removals of before that time are dropped
 * @returns `section` itself when nothing changes
 */
export function changeSection(
  section: AttributeSection,
  changes: readonly Change[],
  { now, process, forgetBefore }: { now: number; process: string; forgetBefore: number },
  stampsAll = false,
): AttributeSection {
  const time = Math.min(Math.max(Math.ceil(now), latestChange(section) + 1), MAX_TIME)
  const only =
    changes.length === 1 && !stampsAll ? replaceValue(section, changes[0] as Change, { time, process }) : undefined
  if (only !== undefined) return only
  const entries = byName(section)
  let changed = false
  for (const change of changes) {
    const before = entries.get(change.name)
    const isMoved = change.moved && comesBeforeOthers(entries, change.name)
    if (!stampsAll && saysTheSame(before, change) && !isMoved) continue
    changed = true
    /* What comes back after a removal comes last, as a property of an object does. */
    if (before?.bytes === undefined || change.moved) entries.delete(change.name)
    const { name, bytes, codec } = change
    entries.set(name, { name, codec: bytes === undefined ? '' : codec, bytes, time, process })
  }
  return changed ? encodeSection(withoutOldRemovals([...entries.values()], forgetBefore), time) : section
}

/**
 * Two states of one session become one: of each name the entry with the greater stamp. Commutative, associative, idempotent.
 * @returns `a` itself when there is nothing newer in `b`, `b` itself when there is nothing newer in `a`
 */
export function joinSections(a: AttributeSection, b: AttributeSection): AttributeSection {
  if (a === b || b === emptySection) return a
  if (a === emptySection) return b
  const entries = byName(a)
  const others = byName(b)
  let fromA = latestChange(a) > latestChange(b)
  let fromB = latestChange(b) > latestChange(a)
  for (const theirs of others.values()) {
    const mine = entries.get(theirs.name)
    const order = mine === undefined ? -1 : compareEntries(mine, theirs)
    if (order > 0) fromA = true
    if (order >= 0) continue
    fromB = true
    entries.set(theirs.name, theirs)
  }
  if (!fromB) return a
  const isAllInB = entries.size === others.size
  if (!fromA && isAllInB) return b
  return encodeSection([...entries.values()], Math.max(latestChange(a), latestChange(b)))
}

/**
 * What was changed in `section` since `base`: the entries with a later stamp, alone.
 * @returns `emptySection` when there is nothing
 */
export function changesSince(base: AttributeSection, section: AttributeSection): AttributeSection {
  if (base === section) return emptySection
  const before = byName(base)
  const changed = decodeEntries(section).filter((entry) => {
    const old = before.get(entry.name)
    return old === undefined || compareEntries(entry, old) > 0
  })
  return encodeSection(changed)
}

/** Whether everything in `part` stands in `whole` too, or something later. */
export function covers(whole: AttributeSection, part: AttributeSection): boolean {
  return joinSections(whole, part) === whole
}

/**
 * Greater than 0: `a` wins. Two entries with one stamp and different bytes are a process' own, made of two states of the session; which
 * of them wins does not matter as long as everybody says the same.
 */
export function compareEntries(a: SectionEntry, b: SectionEntry): number {
  const order = compareStamps(a, b)
  if (order !== 0) return order
  if (a.bytes === b.bytes && a.codec === b.codec) return 0
  if (a.bytes === undefined || b.bytes === undefined) return a.bytes === undefined ? 1 : -1
  return `${a.codec}\0${a.bytes}` > `${b.codec}\0${b.bytes}` ? 1 : -1
}

function byName(section: AttributeSection): Map<string, SectionEntry> {
  return new Map(decodeEntries(section).map((entry) => [entry.name, entry]))
}

function isAttribute(entry: SectionEntry): entry is SectionEntry & EncodedAttribute {
  return entry.bytes !== undefined && !isReserved(entry.name)
}

function comesBeforeOthers(entries: ReadonlyMap<string, SectionEntry>, name: string): boolean {
  const attributes = [...entries.values()].filter(isAttribute)
  return attributes[attributes.length - 1]?.name !== name
}

function saysTheSame(before: Change | undefined, change: Change): boolean {
  if (before?.bytes === undefined || change.bytes === undefined) return before?.bytes === change.bytes
  return before.codec === change.codec && before.bytes === change.bytes
}

function withoutOldRemovals(entries: SectionEntry[], forgetBefore: number): SectionEntry[] {
  const removals = entries.filter((entry) => entry.bytes === undefined)
  if (removals.length === 0) return entries
  const kept = new Set(
    removals
      .filter(({ time }) => time >= forgetBefore)
      .sort((a, b) => b.time - a.time)
      .slice(0, MAX_REMOVALS),
  )
  return kept.size === removals.length ? entries : entries.filter((e) => e.bytes !== undefined || kept.has(e))
}

/* The way of most changes: another value for one entry, the rest is copied as it is. */
function replaceValue(section: AttributeSection, change: Change, stamp: Stamp): AttributeSection | undefined {
  const place = locate(section, change.name)
  const { bytes } = change
  if (change.moved || place === undefined || bytes === undefined || place.codec !== change.codec) return undefined
  const process = place.processes.indexOf(stamp.process)
  if (process === -1) return undefined
  const { headAt, nameAt, valueAt, valueLength } = place
  if (bytes.length === valueLength && section.startsWith(bytes, valueAt)) return section
  const out = scratchMemory(section.length + bytes.length + 32)
  let at = out.write(section.slice(0, headAt), 0, 'latin1')
  out.writeUIntBE(stamp.time, LATEST, 6)
  at = writeVarint(out, at, place.nameLength)
  out[at++] = place.codecIndex
  at = writeVarint(out, at, bytes.length)
  at = writeVarint(out, at, stamp.time - uint48At(section, BASE))
  at = writeVarint(out, at, process)
  at += out.write(section.slice(nameAt, valueAt), at, 'latin1')
  at += out.write(bytes, at, 'latin1')
  at += out.write(section.slice(valueAt + valueLength), at, 'latin1')
  return out.toString('latin1', 0, at)
}

interface Tables {
  base: number
  latest: number
  processes: string[]
  codecs: string[]
  count: number
}

function tablesOf(entries: readonly SectionEntry[], least: number): Tables {
  const processes: string[] = []
  const codecs: string[] = []
  let latest = least
  let base = entries[0]?.time ?? latest
  for (const { time, process, codec } of entries) {
    if (time > latest) latest = time
    if (time < base) base = time
    if (!processes.includes(process)) processes.push(process)
    if (codec !== '' && codec !== OURS && !codecs.includes(codec)) codecs.push(codec)
  }
  if (codecs.length > MAX_CODECS) throw new RangeError(`a session can't be stored with ${codecs.length} codecs`)
  return { base, latest, processes, codecs, count: entries.length }
}

/* An upper bound: the lengths of varints are not worth a look. */
function sectionLength(entries: readonly SectionEntry[], { processes, codecs }: Tables): number {
  let length = PROCESSES + 12 + processes.length * PROCESS_BYTES
  for (const codec of codecs) length += 1 + codec.length
  for (const { name, bytes } of entries) length += 25 + name.length * 3 + (bytes?.length ?? 0)
  return length
}

function writeHead(out: Buffer, { base, latest, processes, codecs, count }: Tables): number {
  out.writeUIntBE(base, BASE, 6)
  out.writeUIntBE(latest, LATEST, 6)
  let at = writeVarint(out, PROCESSES, processes.length)
  for (const process of processes) at += out.write(process, at, 'latin1')
  out[at++] = codecs.length
  for (const codec of codecs) {
    out[at++] = codec.length
    at += out.write(codec, at, 'latin1')
  }
  return writeVarint(out, at, count)
}

function writeEntry(out: Buffer, start: number, entry: SectionEntry, tables: Tables): number {
  const name = toUtf8(entry.name)
  let at = writeVarint(out, start, name.length)
  out[at++] = codecIndex(entry, tables.codecs)
  at = writeVarint(out, at, entry.bytes?.length ?? 0)
  at = writeVarint(out, at, entry.time - tables.base)
  at = writeVarint(out, at, tables.processes.indexOf(entry.process))
  return at + out.write(name, at, 'latin1')
}

function codecIndex({ bytes, codec }: Change, codecs: readonly string[]): number {
  if (bytes === undefined) return REMOVED
  return codec === OURS ? OWN_BYTES : codecs.indexOf(codec)
}

function writeVarint(out: Buffer, start: number, value: number): number {
  let at = start
  let left = value
  while (left >= 0x80) {
    out[at++] = (left % 0x80) + 0x80
    left = Math.floor(left / 0x80)
  }
  out[at++] = left
  return at
}

interface Place extends Stamp {
  codec: string
  codecIndex: number
  processes: readonly string[]
  /** Where the entry begins, its name, and its value. */
  headAt: number
  nameAt: number
  nameLength: number
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
    const headAt = reader.at
    const nameLength = reader.varint()
    const codecIndex = reader.uint8()
    const valueLength = reader.varint()
    const delay = reader.varint()
    const process = reader.varint()
    if (nameLength === wanted.length && section.startsWith(wanted, reader.at)) {
      found = {
        codec: reader.codecName(codecIndex),
        codecIndex,
        time: reader.base + delay,
        process: reader.processName(process),
        processes: reader.processes,
        headAt,
        nameAt: reader.at,
        nameLength,
        valueAt: offset,
        valueLength,
      }
    }
    reader.at += nameLength
    offset += valueLength
  }
  if (found !== undefined) found.valueAt += reader.at
  return found
}

function uint48At(section: AttributeSection, at: number): number {
  let value = 0
  for (let i = at; i < at + 6; i++) value = value * 256 + section.charCodeAt(i)
  return value
}

class SectionReader {
  at = 0
  /** Of the entry that was read last. */
  valueLength = 0
  readonly base: number
  readonly latest: number
  readonly processes: string[] = []
  readonly codecs: string[] = []
  readonly count: number
  private readonly section: AttributeSection

  constructor(section: AttributeSection) {
    this.section = section
    if (section.length < PROCESSES) throw tooShort()
    this.base = uint48At(section, BASE)
    this.latest = uint48At(section, LATEST)
    this.at = PROCESSES
    const processes = this.varint()
    if (processes > MAX_ENTRIES) throw unreadable(`${processes} processes`)
    for (let i = 0; i < processes; i++) this.processes.push(this.bytes(PROCESS_BYTES))
    for (let left = this.uint8(); left > 0; left--) this.codecs.push(this.bytes(this.uint8()))
    this.count = this.varint()
    if (this.count > MAX_ENTRIES) throw unreadable(`${this.count} attributes`)
  }

  /** The head of an entry; its value comes later. */
  entry(): SectionEntry {
    const nameLength = this.varint()
    const codecIndex = this.uint8()
    const length = this.varint()
    this.valueLength = length
    const time = this.base + this.varint()
    const process = this.processName(this.varint())
    const name = fromUtf8(this.bytes(nameLength))
    if (time > this.latest) throw unreadable(`attribute ${JSON.stringify(name)} is later than the latest change`)
    if (codecIndex === REMOVED && length > 0)
      throw unreadable(`attribute ${JSON.stringify(name)} was removed, and has a value`)
    return { name, codec: this.codecName(codecIndex), bytes: undefined, time, process }
  }

  /** Checks an entry; only of one that is ours anything is made. */
  reservedEntry(): SectionEntry | undefined {
    const from = this.at
    const nameLength = this.varint()
    const codecIndex = this.uint8()
    this.valueLength = this.varint()
    const delay = this.varint()
    const process = this.varint()
    const nameAt = this.at
    this.at += nameLength
    if (this.at > this.section.length) throw tooShort()
    const isOurs = nameLength > 0 && this.section.charCodeAt(nameAt) === 0
    const isSound =
      (codecIndex >= OWN_BYTES || codecIndex < this.codecs.length) &&
      process < this.processes.length &&
      this.base + delay <= this.latest &&
      (codecIndex !== REMOVED || this.valueLength === 0)
    if (isSound && !isOurs) return undefined
    this.at = from
    return this.entry()
  }

  /** Empty: none, as the entry is a removal. */
  codecName(index: number): string {
    if (index === REMOVED) return ''
    if (index === OWN_BYTES) return OURS
    const codec = this.codecs[index]
    if (codec === undefined) throw unreadable('an attribute names no codec')
    return codec
  }

  processName(index: number): string {
    const process = this.processes[index]
    if (process === undefined) throw unreadable('an attribute names no process')
    return process
  }

  uint8(): number {
    if (this.at >= this.section.length) throw tooShort()
    return this.section.charCodeAt(this.at++)
  }

  varint(): number {
    let byte = this.uint8()
    if (byte < 0x80) return byte
    let value = byte - 0x80
    let factor = 0x80
    do {
      if (factor > 2 ** 42) throw unreadable('a number in it is too long')
      byte = this.uint8()
      value += (byte % 0x80) * factor
      factor *= 0x80
    } while (byte >= 0x80)
    return value
  }

  bytes(length: number): ByteString {
    const from = this.at
    this.at += length
    if (this.at > this.section.length) throw tooShort()
    return this.section.slice(from, this.at)
  }

  end(): void {
    if (this.at !== this.section.length) throw unreadable(`${this.section.length - this.at} bytes too many`)
  }
}

function tooShort(): UnreadableRecordError {
  return unreadable('its attributes are longer than the record')
}

function unreadable(detail: string): UnreadableRecordError {
  return new UnreadableRecordError('layout', `the stored record is unreadable: ${detail}`)
}
