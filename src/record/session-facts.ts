import { UnreadableRecordError } from '../errors.js'
import { type AttributeSection, type Change, findInSection, OURS, reservedEntries } from './attribute-section.js'
import { type ByteString, fromUtf8, toUtf8 } from './byte-string.js'

/* What belongs to a session beside its attributes and can be changed: entries like those, with stamps of their own. */

const LIFE = '\0l'
const OWNER = '\0o'
const COOKIE = '\0c'
const ISSUED = '\0i'
const NEWCOMER = '\0n'
const SEQUEL = '\0s'
const LIFE_BYTES = 12
const TIME_BYTES = 6
const SEQUEL_BYTES = 1 + TIME_BYTES
const SEQUEL_KINDS = ['replaced', 'renewed'] as const

export interface Life {
  /** Milliseconds; 0: none. */
  idleTimeout: number
  /** Milliseconds since the epoch; 0: none. */
  absoluteDeadline: number
}

/** What came after a session that was ended. */
export interface Sequel {
  /** `replaced`: its visitor was given another session. `renewed`: it goes on, under the token that follows from its own. */
  kind: (typeof SEQUEL_KINDS)[number]
  /** Until when requests may come that were sent before that, in milliseconds since the epoch. */
  until: number
}

export interface SessionFacts extends Life {
  /** Route of the server whose copy counts; a process' own name where there are no routes; empty in non-sticky mode. */
  owner: string
  /** What the session's own cookie settings differ in, as JSON; empty: nothing. */
  cookie: string
  /** Of a tombstone; `undefined`: nothing came after it. */
  sequel?: Sequel | undefined
}

/** Checks a section to its end. @throws UnreadableRecordError when its lengths don't fit, or an entry of ours is none that we write. */
export function factsOf(section: AttributeSection): SessionFacts {
  const facts: SessionFacts = { idleTimeout: 0, absoluteDeadline: 0, owner: '', cookie: '' }
  for (const { name, bytes } of reservedEntries(section)) {
    if (bytes === undefined) continue
    if (name === LIFE) readLife(bytes, facts)
    else if (name === OWNER) facts.owner = fromUtf8(bytes)
    else if (name === COOKIE) facts.cookie = readCookie(bytes)
    else if (name === SEQUEL) facts.sequel = readSequel(bytes)
  }
  return facts
}

export function lifeChange({ idleTimeout, absoluteDeadline }: Life): Change {
  const bytes = Buffer.alloc(LIFE_BYTES)
  bytes.writeUIntBE(idleTimeout, 0, 6)
  bytes.writeUIntBE(absoluteDeadline, 6, 6)
  return { name: LIFE, codec: OURS, bytes: bytes.toString('latin1') }
}

export function ownerChange(owner: string): Change {
  return { name: OWNER, codec: OURS, bytes: toUtf8(owner) }
}

export function cookieChange(cookie: string): Change {
  return { name: COOKIE, codec: OURS, bytes: cookie === '' ? undefined : toUtf8(cookie) }
}

/** The session's id is of that time. */
export function issuedChange(time: number): Change {
  const bytes = Buffer.alloc(TIME_BYTES)
  bytes.writeUIntBE(time, 0, TIME_BYTES)
  return { name: ISSUED, codec: OURS, bytes: bytes.toString('latin1') }
}

/** When a session was given the id that it has, in milliseconds since the epoch; 0: with its beginning. */
export function issuedAt(section: AttributeSection): number {
  const bytes = findInSection(section, ISSUED)?.bytes
  return bytes?.length === TIME_BYTES ? uint48(bytes, 0) : 0
}

/** Whether the session is one of a visitor who has not come back yet. */
export function newcomerChange(isNewcomer: boolean): Change {
  return { name: NEWCOMER, codec: OURS, bytes: isNewcomer ? '' : undefined }
}

export function isNewcomer(section: AttributeSection): boolean {
  return findInSection(section, NEWCOMER) !== undefined
}

export function sequelChange({ kind, until }: Sequel): Change {
  const bytes = Buffer.alloc(SEQUEL_BYTES)
  bytes[0] = SEQUEL_KINDS.indexOf(kind)
  bytes.writeUIntBE(until, 1, TIME_BYTES)
  return { name: SEQUEL, codec: OURS, bytes: bytes.toString('latin1') }
}

/* One of a later version says nothing here: the session has ended. */
function readSequel(bytes: ByteString): Sequel | undefined {
  const kind = SEQUEL_KINDS[bytes.charCodeAt(0)]
  return kind === undefined || bytes.length !== SEQUEL_BYTES ? undefined : { kind, until: uint48(bytes, 1) }
}

function readLife(bytes: ByteString, facts: Life): void {
  if (bytes.length !== LIFE_BYTES) throw unreadable(`its timeouts take ${bytes.length} bytes, not ${LIFE_BYTES}`)
  facts.idleTimeout = uint48(bytes, 0)
  facts.absoluteDeadline = uint48(bytes, 6)
}

function readCookie(bytes: ByteString): string {
  const cookie = fromUtf8(bytes)
  if (!isObject(cookie)) throw unreadable('its cookie settings are not JSON of an object')
  return cookie
}

function uint48(bytes: string, from: number): number {
  let value = 0
  for (let i = from; i < from + 6; i++) value = value * 256 + bytes.charCodeAt(i)
  return value
}

function isObject(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

function unreadable(detail: string): UnreadableRecordError {
  return new UnreadableRecordError('layout', `the stored record is unreadable: ${detail}`)
}
