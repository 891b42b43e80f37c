import { UnreadableRecordError } from '../errors.js'
import { type AttributeSection, type Change, OURS, reservedEntries } from './attribute-section.js'
import { type ByteString, fromUtf8, toUtf8 } from './byte-string.js'

/* What belongs to a session beside its attributes and can be changed: entries like those, with stamps of their own. */

const LIFE = '\0l'
const OWNER = '\0o'
const COOKIE = '\0c'
const LIFE_BYTES = 12

export interface Life {
  /** Milliseconds; 0: none. */
  idleTimeout: number
  /** Milliseconds since the epoch; 0: none. */
  absoluteDeadline: number
}

export interface SessionFacts extends Life {
  /** Route of the server whose copy counts; a process' own name where there are no routes; empty in non-sticky mode. */
  owner: string
  /** What the session's own cookie settings differ in, as JSON; empty: nothing. */
  cookie: string
}

/** Checks a section to its end. @throws UnreadableRecordError when its lengths don't fit, or an entry of ours is none that we write. */
export function factsOf(section: AttributeSection): SessionFacts {
  const facts: SessionFacts = { idleTimeout: 0, absoluteDeadline: 0, owner: '', cookie: '' }
  for (const { name, bytes } of reservedEntries(section)) {
    if (bytes === undefined) continue
    if (name === LIFE) readLife(bytes, facts)
    else if (name === OWNER) facts.owner = fromUtf8(bytes)
    else if (name === COOKIE) facts.cookie = readCookie(bytes)
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
